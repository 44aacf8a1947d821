"""Matthews' correlation coefficient against scikit-learn."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import matthews_corrcoef

from mmkeras.metrics import MatthewsCorrelation


def samples(seed, classes, count=200, skew=1.0):
    """True classes of which low ones are common, probabilities that are often right, weights."""
    draw = np.random.default_rng(seed)
    shares = np.exp(-skew * np.arange(classes))
    true = draw.choice(classes, count, p=shares / shares.sum())
    scores = draw.normal(size=(count, classes)) + 1.5 * np.eye(classes)[true]
    return true, scores.astype("float32"), draw.integers(0, 4, count)


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("seed", range(5))
def test_is_scikit_learns(seed, classes):
    true, scores, weights = samples(seed, classes)
    metric, weighted = MatthewsCorrelation(classes), MatthewsCorrelation(classes)
    for part in np.array_split(np.arange(200), 3):
        metric.update_state(true[part], scores[part])
        weighted.update_state(true[part, None], scores[part], sample_weight=weights[part])
    predicted = scores.argmax(axis=1)
    expected = matthews_corrcoef(true, predicted)
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)
    expected = matthews_corrcoef(true, predicted, sample_weight=weights)
    assert float(weighted.result()) == pytest.approx(expected, rel=1e-5)


def test_many_samples_and_one_class_that_is_nearly_all():
    true, scores, _ = samples(0, 3, count=1_000_000, skew=8.0)
    metric = MatthewsCorrelation(3)
    metric.update_state(true, scores)
    expected = matthews_corrcoef(true, scores.argmax(axis=1))
    assert float(metric.result()) == pytest.approx(expected, rel=1e-4)


def test_one_class_alone_gives_zero_as_in_scikit_learn():
    metric = MatthewsCorrelation(3)
    assert float(metric.result()) == 0.0
    metric.update_state(np.array([1, 1, 1]), np.eye(3)[[0, 1, 2]])
    assert float(metric.result()) == matthews_corrcoef([1, 1, 1], [0, 1, 2]) == 0.0


def test_all_right_and_all_wrong():
    classes = np.array([0, 1, 1, 0])
    metric = MatthewsCorrelation(2)
    metric.update_state(classes, np.eye(2)[classes])
    assert float(metric.result()) == pytest.approx(1.0)
    metric.reset_state()
    metric.update_state(classes, np.eye(2)[1 - classes])
    assert float(metric.result()) == pytest.approx(-1.0)


def test_inside_fit_and_written():
    true, scores, _ = samples(1, 4)
    metric = MatthewsCorrelation(4, name="correlation")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert (copy.num_classes, copy.name) == (4, "correlation")
    given = keras.Input((4,))
    model = keras.Model(given, keras.layers.Activation("linear")(given))
    model.compile(loss="sparse_categorical_crossentropy", metrics=[copy])
    logs = model.evaluate(tf.constant(scores), true, batch_size=64, return_dict=True, verbose=0)
    expected = matthews_corrcoef(true, scores.argmax(axis=1))
    assert logs["correlation"] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="num_classes must be at least 2; got 1"):
        MatthewsCorrelation(1)
