"""Samples a second are those of a clock that a test holds."""

import resource
import types

import keras
import numpy as np
import pytest

from mmkeras.training import Throughput, throughput


class Clock(keras.callbacks.Callback):
    """Moves on by ten seconds in the first call of a run, one in every other, much elsewhere."""

    def __init__(self):
        super().__init__()
        self.now = 0.0

    def on_train_begin(self, logs=None):
        self.call = 10.0

    def on_train_batch_begin(self, batch, logs=None):
        self.now += self.call
        self.call = 1.0

    def on_test_batch_end(self, batch, logs=None):
        self.now += 100.0

    def on_epoch_end(self, epoch, logs=None):
        self.now += 1_000.0


def fitted(monkeypatch, steps_per_call, fits=1):
    """The rates of each fit: two epochs of 22 samples, in five batches of four and one of two."""
    clock, callback = Clock(), Throughput()
    monkeypatch.setattr(throughput, "time", types.SimpleNamespace(perf_counter=lambda: clock.now))
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", steps_per_execution=steps_per_call, jit_compile=False)
    x, y = np.ones((22, 2), "float32"), np.ones((22, 1), "float32")
    options = {"batch_size": 4, "epochs": 2, "verbose": 0, "validation_data": (x, y)}
    return [model.fit(x, y, callbacks=[clock, callback], **options).history for _ in range(fits)]


def test_samples_count_but_those_of_the_first_call_of_a_run(monkeypatch):
    for history in fitted(monkeypatch, 1, fits=2):
        assert history["samples_per_s"] == pytest.approx([18 / 5, 22 / 6])


def test_a_call_of_several_steps_counts_as_all_of_them(monkeypatch):
    # Four steps, then the two that are left.
    (history,) = fitted(monkeypatch, 4)
    assert history["samples_per_s"] == pytest.approx([6 / 1, 22 / 2])


def test_memory_is_that_of_the_process(monkeypatch):
    (history,) = fitted(monkeypatch, 10)
    # One call is the first, and has no rate.
    assert history["samples_per_s"] == pytest.approx([22 / 1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    assert history["memory_gib"] == pytest.approx([peak] * 2, rel=0.05)
