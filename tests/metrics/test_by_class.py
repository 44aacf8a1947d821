"""F1 and AUC of class numbers and of several labels: scikit-learn's."""

import keras
import numpy as np
import pytest
import sklearn.metrics

from mmkeras.metrics import AUC, F1

RNG = np.random.default_rng(0)
TRUE = RNG.integers(0, 4, 200)
PROBABILITIES = RNG.dirichlet(np.ones(4), 200) * 0.7 + 0.3 * np.eye(4)[TRUE]
MANY = (RNG.random((200, 4)) < 0.4).astype("float32")
WEIGHTS = RNG.random(200)


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_f1(average):
    metric = F1(4, average=average)
    for part in (slice(0, 90), slice(90, 200)):
        metric.update_state(TRUE[part], PROBABILITIES[part], WEIGHTS[part])
    predicted = PROBABILITIES.argmax(axis=1)
    expected = sklearn.metrics.f1_score(TRUE, predicted, average=average, sample_weight=WEIGHTS)
    assert float(metric.result()) == pytest.approx(expected, abs=1e-5)


def test_f1_of_several_labels():
    metric = F1(4, average="macro", threshold=0.5)
    metric.update_state(MANY, PROBABILITIES)
    # Keras wants more than the threshold.
    expected = sklearn.metrics.f1_score(MANY, PROBABILITIES > 0.5, average="macro")
    assert float(metric.result()) == pytest.approx(expected, abs=1e-5)


def test_auc():
    metric = AUC(4, num_thresholds=5_000)
    metric.update_state(TRUE, PROBABILITIES.astype("float32"))
    expected = sklearn.metrics.roc_auc_score(np.eye(4)[TRUE], PROBABILITIES, average="macro")
    assert float(metric.result()) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("metric", [F1(4, average="macro", name="a"), AUC(4, name="b")])
def test_configuration(metric):
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert (type(copy), copy.name, copy.num_classes) == (type(metric), metric.name, 4)
