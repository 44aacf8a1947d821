"""Samples a second are those of a clock that a test holds."""

import resource

import pytest

from mmkeras.training import Throughput, throughput


def test_steps_count_but_the_first(monkeypatch):
    now = iter([0.0, 10.0, 11.0, 12.0, 100.0, 102.0, 104.0])
    monkeypatch.setattr(throughput.time, "perf_counter", lambda: next(now))
    callback, logs = Throughput(batch_size=8), {}
    callback.on_epoch_begin(0)
    for step in range(3):
        callback.on_train_batch_end(step)
    callback.on_epoch_end(0, logs)
    # Two steps in two seconds; the first took ten.
    assert logs["samples_per_s"] == pytest.approx(8.0)
    callback.on_epoch_begin(1)
    for step in range(2):
        callback.on_train_batch_end(step)
    callback.on_epoch_end(1, logs)
    assert logs["samples_per_s"] == pytest.approx(4.0)


def test_memory_is_that_of_the_process():
    callback, logs = Throughput(batch_size=8), {}
    callback.on_epoch_begin(0)
    callback.on_train_batch_end(0)
    callback.on_epoch_end(0, logs)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    assert logs == {"memory_gib": pytest.approx(peak, rel=0.05)}
