"""`Classification`: labels to targets and back, and errors that name what is wrong."""

import dataclasses

import keras
import numpy as np
import pytest
import sklearn.metrics
import tensorflow as tf

from mmkeras.tasks import Classification

ONE = Classification(["cat", "dog", "tree"])
MANY = Classification(["cat", "dog", "tree"], multi_label=True)


def perfect(task, target):
    """Outputs of a network that is sure and right."""
    onehot = target if task.multi_label else keras.ops.one_hot(target, 3)
    logits = 20.0 * np.array(onehot) - 10.0
    measure = keras.ops.sigmoid if task.multi_label else keras.ops.softmax
    return {"logits": logits, "probabilities": measure(logits)}


@pytest.mark.parametrize(
    ("task", "labels"),
    [(ONE, ["tree", "cat", "dog"]), (MANY, ["cat|tree", "", "dog", "cat|dog|tree"])],
)
def test_perfect_outputs_decode_to_the_label(task, labels):
    target = tf.stack([task.target(tf.constant(task.encode(label))) for label in labels])
    outputs = perfect(task, target)
    assert [label.decode() for label in task.decode(outputs)["label"].numpy()] == labels
    assert np.array(task.loss(target, outputs)).max() < 1e-3
    for output, metrics in task.metrics().items():
        for metric in metrics:
            metric.update_state(target, outputs[output])
            assert float(metric.result()) == pytest.approx(1.0)


def test_labels_of_several_kinds():
    assert ONE.encode(None) == b""
    assert ONE.encode(b"cat") == ONE.encode("cat") == b"cat"
    assert Classification(["0", "1"]).encode(1) == b"1"
    assert Classification(["False", "True"]).encode(True) == b"True"
    assert MANY.encode(["cat", "tree"]) == b"cat|tree"
    assert int(ONE.target(tf.constant(" dog "))) == 1
    with pytest.raises(TypeError, match="class name"):
        ONE.encode(["cat"])


@pytest.mark.parametrize(("task", "label"), [(ONE, "cow"), (ONE, "cat|dog"), (MANY, "cat|cow")])
def test_an_unknown_label_is_named_with_those_that_are_known(task, label):
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        task.target(tf.constant(label))
    assert label in str(caught.value)
    assert "cat, dog, tree" in str(caught.value)


@pytest.mark.parametrize("task", [ONE, MANY])
def test_measures_by_name(task):
    names = ["auc", "micro_f1"] if task.multi_label else ["mcc", "auc"]
    task = dataclasses.replace(task, measures=names)
    assert [metric.name for metric in task.metrics()["probabilities"]] == names
    with pytest.raises(ValueError, match=r"measures must be among .*; got \["):
        dataclasses.replace(task, measures=["recall"])


def test_loss_weighs_classes():
    task = Classification(["cat", "dog"], class_weights={"dog": 3.0})
    assert task.class_weights == (1.0, 3.0)
    logits = np.zeros((2, 2), "float32")
    np.testing.assert_allclose(
        task.loss(np.array([0, 1]), {"logits": logits}), np.log(2) * np.array([1, 3]), rtol=1e-5
    )


def test_multi_label_f1_is_scikit_learns():
    random = np.random.default_rng(0)
    target = (random.random((20, 3)) < 0.5).astype("float32")
    probabilities = random.random((20, 3)).astype("float32")
    f1 = MANY.metrics()["probabilities"][1]
    f1.update_state(target, probabilities)
    expected = sklearn.metrics.f1_score(target, probabilities > 0.5, average="macro")
    assert float(f1.result()) == pytest.approx(expected, rel=1e-5)


def test_read_names_probabilities():
    answer = ONE.read({"label": "cat", "probability": 0.5, "probabilities": [0.5, 0.3, 0.2]})
    assert answer["probabilities"] == {"cat": 0.5, "dog": 0.3, "tree": 0.2}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"classes": "cat"}, "list of names"),
        ({"classes": ["cat"]}, "at least two"),
        ({"classes": ["cat", ""]}, "non-empty"),
        ({"classes": ["cat", "dog", "cat"]}, "'cat' is named twice"),
        ({"classes": ["a|b", "c"], "multi_label": True}, "separator"),
        ({"classes": ["a", "b"], "label_smoothing": 1.0}, "label_smoothing"),
        ({"classes": ["a", "b"], "class_weights": {"c": 1.0}}, r"\['c'\]"),
        ({"classes": ["a", "b"], "class_weights": [1.0]}, "2 numbers"),
    ],
)
def test_refuses_wrong_arguments(arguments, says):
    with pytest.raises(ValueError, match=says):
        Classification(**arguments)


def test_vote_loss_is_the_mean_over_the_fields_that_voted():
    rng = np.random.default_rng(0)
    votes = rng.normal(size=(3, 2, 3)).astype("float32")
    votes[1, 0] = 0  # This field is absent,
    votes[2] = 0  # and here both are.
    logits = np.stack([votes[0].mean(0), votes[1, 1], votes[2, 0]])
    outputs = {"logits": logits, "votes": votes}
    target = np.array([2, 0, 1])
    task = Classification(list("abc"))

    def cross_entropy(scores, label):
        return np.log(np.exp(scores).sum()) - scores[label]

    plain = [cross_entropy(scores, label) for scores, label in zip(logits, target)]
    single = [
        np.mean([cross_entropy(votes[0, i], 2) for i in range(2)]),
        cross_entropy(votes[1, 1], 0),
        0.0,
    ]
    np.testing.assert_allclose(np.array(task.loss(target, outputs)), plain, rtol=1e-5)
    task = dataclasses.replace(task, vote_loss=0.5)
    expected = np.add(plain, np.multiply(0.5, single))
    np.testing.assert_allclose(np.array(task.loss(target, outputs)), expected, rtol=1e-5)
