"""Every decoder eagerly, as one graph, under XLA, in a SavedModel and on JAX: the same tokens."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mmkeras.decoding import beam_search, greedy_search, sample

FIRST = np.array([1, 2, 0], "int32")
OPTIONS = {"max_new_tokens": 7, "end_id": 3, "pad_id": 4}
DECODERS = {
    "greedy": lambda *given: greedy_search(*given, **OPTIONS),
    "beam": lambda *given: beam_search(*given, num_beams=3, **OPTIONS),
    "sample": lambda *given: sample(*given, seed=5, top_k=4, top_p=0.9, **OPTIONS),
}

LOAD = """
import sys
import numpy as np
import tensorflow as tf

served = tf.saved_model.load("served")
made = served.generate(tf.constant([1, 2, 0]))
np.savez("made.npz", *[tensor.numpy() for tensor in made])
assert "mmkeras" not in sys.modules
"""

ON_JAX = """
import keras
import numpy as np

from decoders import DECODERS, FIRST
from model import Recurrent

assert keras.backend.backend() == "jax"
import jax

model = Recurrent(size=5)
for name in ("greedy", "beam"):
    decode = jax.jit(lambda first: DECODERS[name](model.step, model.start(3), first))
    np.savez(name + ".npz", *decode(FIRST))
made = jax.jit(lambda first: DECODERS["sample"](model.step, model.start(3), first))(FIRST)
assert made.token_ids.shape == (3, 7)
"""


def check(actual, expected):
    np.testing.assert_array_equal(actual[0], expected[0])
    np.testing.assert_array_equal(actual[1], expected[1])
    np.testing.assert_allclose(actual[2], expected[2], rtol=1e-4)


@pytest.mark.parametrize("name", DECODERS)
def test_eager_graph_and_xla_agree(recurrent, name):
    model = recurrent(size=5)

    def decode(first):
        state = model.start(3)
        return DECODERS[name](model.step, tf.nest.map_structure(tf.constant, state), first)

    eager = decode(FIRST)
    check(tf.function(decode)(FIRST), eager)
    compiled = tf.function(decode, jit_compile=True)
    if name == "sample":  # XLA has random numbers of its own.
        check(compiled(FIRST), compiled(FIRST))
    else:
        check(compiled(FIRST), eager)
    open_batch = tf.function(decode, input_signature=[tf.TensorSpec([None], tf.int32)])
    check(open_batch(FIRST), eager)


@pytest.mark.parametrize("name", DECODERS)
def test_runs_where_there_is_only_tensorflow(recurrent, name, tmp_path):
    model, served = recurrent(size=5), tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([3], tf.int32)])
    def generate(first):
        return DECODERS[name](model.step, model.start(3), first)

    served.generate = generate
    tf.saved_model.save(served, str(tmp_path / "served"))
    subprocess.run([sys.executable, "-c", LOAD], cwd=tmp_path, check=True)
    check(list(np.load(tmp_path / "made.npz").values()), generate(FIRST))


def test_jax_makes_the_same_tokens(recurrent, in_backend, tmp_path):
    here = Path(__file__)
    (tmp_path / "model.py").write_text(here.with_name("conftest.py").read_text())
    source = here.read_text().replace("import tensorflow as tf\n", "")
    (tmp_path / "decoders.py").write_text(source)
    in_backend("jax", ON_JAX)
    model = recurrent(size=5)
    for name in ("greedy", "beam"):
        expected = DECODERS[name](model.step, model.start(3), FIRST)
        check(list(np.load(tmp_path / f"{name}.npz").values()), expected)
