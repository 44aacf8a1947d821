"""`Regression`: numbers to targets and back, in the quantity's own unit."""

import math

import numpy as np
import pytest
import sklearn.metrics
import tensorflow as tf

from mmkeras.sources import Table
from mmkeras.tasks import Regression

TASK = Regression(offset=20.0, scale=5.0)


@pytest.mark.parametrize("label", [21.5, -3, "1e3", b"7"])
def test_perfect_outputs_decode_to_the_label(label):
    target = TASK.target(tf.constant(TASK.encode(label)))
    assert float(target) == float(label)
    outputs = {"value": target[None, None]}
    assert float(TASK.decode(outputs)["value"][0]) == float(label)
    assert float(TASK.loss(target[None], outputs)[0]) == 0.0


@pytest.mark.parametrize("label", [None, math.nan, ""])
def test_no_label(label):
    assert TASK.encode(label) == b""
    assert np.isfinite(TASK.target(tf.constant(b"")))


@pytest.mark.parametrize("label", ["cheap", "nan", "inf"])
def test_a_label_that_is_no_number_is_named(label):
    with pytest.raises(tf.errors.InvalidArgumentError, match=label):
        TASK.target(tf.constant(label))
    with pytest.raises(TypeError, match=r"\[1\]"):
        TASK.encode([1])


def test_adapt_takes_mean_and_deviation():
    values = [3.0, None, 10.0, 5.0]
    task = Regression.adapt(Table([{"price": value} for value in values]), "price", dropout=0.2)
    known = [value for value in values if value is not None]
    assert task.offset == pytest.approx(np.mean(known))
    assert task.scale == pytest.approx(np.std(known))
    assert task.dropout == 0.2
    assert Regression.adapt(Table([{"price": 4.0}]), "price").scale == 1.0
    with pytest.raises(ValueError, match=r"'price'.*no number"):
        Regression.adapt(Table([{"price": None}]), "price")


def test_metrics_are_scikit_learns():
    random = np.random.default_rng(0)
    target, value = random.normal(size=(2, 30)).astype("float32")
    mae, rmse = TASK.metrics()["value"]
    for metric in (mae, rmse):
        metric.update_state(target, value[:, None])
    assert float(mae.result()) == pytest.approx(
        sklearn.metrics.mean_absolute_error(target, value), rel=1e-5
    )
    assert float(rmse.result()) == pytest.approx(
        sklearn.metrics.root_mean_squared_error(target, value), rel=1e-5
    )


@pytest.mark.parametrize("arguments", [{"scale": 0.0}, {"scale": math.inf}, {"offset": math.nan}])
def test_refuses_wrong_arguments(arguments):
    with pytest.raises(ValueError, match="scale="):
        Regression(**arguments)
