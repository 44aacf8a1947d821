"""What every test relies on: the same random numbers in every run, and no policy left behind."""

import gc
import itertools
import os
import subprocess
import sys
from pathlib import Path
from types import FrameType

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph, dismantle_func_graph


@pytest.fixture(autouse=True)
def fresh_start():
    keras.utils.set_random_seed(0)
    policy = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(policy)


#: Of memory, between two looks for graphs that nobody needs.
_MUCH = 500 * 2**20
_seen = {"memory": 0}


@pytest.fixture(scope="module", autouse=True)
def graphs_end_with_their_models():
    """Frees the graphs of models that are gone.

    TensorFlow keeps those of every `fit` for ever, 75 MB for a tiny model: an operation and its
    graph hold each other where Python's collector does not see it. Two processes that run all
    tests would need more memory than a small machine has.
    """
    yield
    if _memory() < _seen["memory"] + _MUCH:
        return
    gc.collect()
    # By `type`, since `isinstance` asks lazy objects of other packages what they are.
    graphs = [thing for thing in gc.get_objects() if issubclass(type(thing), FuncGraph)]
    own = (tf.Operation, tf.Tensor, FrameType)
    needed = {
        id(graph)
        for holder in gc.get_referrers(*graphs)
        if holder is not graphs and not issubclass(type(holder), own)
        for graph in gc.get_referents(holder)
        if issubclass(type(graph), FuncGraph)
    }
    for graph in graphs:
        if id(graph) not in needed:
            dismantle_func_graph(graph)
    del graphs
    gc.collect()
    _seen["memory"] = _memory()


def _memory() -> int:
    """What this process holds, in bytes; 0 where the system does not tell it so."""
    told = Path("/proc/self/statm")
    return int(told.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if told.exists() else 0


@pytest.fixture
def in_backend(tmp_path):
    """Runs Python code in `tmp_path` on a Keras backend; a process has but one."""

    def run(backend: str, code: str) -> None:
        pytest.importorskip(backend)
        environment = os.environ | {
            "KERAS_BACKEND": backend,
            "JAX_PLATFORMS": "cpu",
            # Compiling takes longer than the few steps that are run.
            "XLA_FLAGS": "--xla_backend_optimization_level=0",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3_000:]

    return run


@pytest.fixture
def every_tagging():
    """All sequences of tags of one text and their scores, one by one, in NumPy and float64."""

    def sequences(scores, mask, transitions, starts, ends):
        scores = scores[mask].astype("float64")
        found = {}
        for tags in itertools.product(range(scores.shape[1]), repeat=len(scores)):
            total = sum(scores[position, tag] for position, tag in enumerate(tags))
            if tags:
                total += starts[tags[0]] + ends[tags[-1]]
            found[tags] = total + sum(transitions[pair] for pair in itertools.pairwise(tags))
        return found

    return sequences


@pytest.fixture
def random_chains():
    """Scores [B, T, K], NaN if masked; mask, transitions, starts, ends; the last row is empty."""

    def make(seed, batch=4, length=5, size=3, scale=2.0):
        draw = np.random.default_rng(seed)
        scores = draw.normal(scale=scale, size=(batch, length, size)).astype("float32")
        mask = draw.random((batch, length)) < 0.7
        mask[0], mask[-1] = True, False
        scores[~mask] = np.nan
        tables = ((size, size), (size,), (size,))
        return scores, mask, *(draw.normal(scale=scale, size=s).astype("float32") for s in tables)

    return make


@pytest.fixture(scope="session")
def every_alignment():
    """All ways to say one of K classes at each frame that counts, by the labels they stand for.

    One by one, in NumPy and float64: `{labels: {classes: log-probability}}`.
    """

    def alignments(logits, mask):
        logits = logits[mask].astype("float64")
        scores = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
        found = {}
        for path in itertools.product(range(logits.shape[-1]), repeat=len(logits)):
            labels = tuple(label for label, _ in itertools.groupby(path) if label)
            score = sum(scores[frame, label] for frame, label in enumerate(path))
            found.setdefault(labels, {})[path] = float(score)
        return found

    return alignments
