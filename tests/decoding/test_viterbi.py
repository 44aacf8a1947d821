"""Viterbi decoding against all sequences there are."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.decoding import viterbi
from mmkeras.layers import TagScheme


@pytest.mark.parametrize("seed", range(20))
def test_is_brute_force(every_tagging, random_chains, seed):
    chains = random_chains(seed)
    scores, mask, *tables = chains
    tags, best = (np.array(part) for part in viterbi(*chains))
    assert (tags.dtype, best.dtype) == (np.int32, np.float32)
    assert (tags[~mask] == -1).all()
    for row in range(len(scores)):
        found = every_tagging(scores[row], mask[row], *tables)
        assert best[row] == pytest.approx(max(found.values()), rel=1e-5, abs=1e-5)
        mine = tuple(tags[row][mask[row]].tolist())
        assert found[mine] == pytest.approx(max(found.values()), rel=1e-5, abs=1e-5)
    assert best[-1] == 0.0


@settings(max_examples=50, deadline=None)
@given(
    scores=st.lists(st.lists(st.floats(-1e4, 1e4, width=32), min_size=9, max_size=9), min_size=1),
    kept=st.randoms(use_true_random=False),
    name=st.sampled_from(["BIO", "BILOU"]),
    never=st.sampled_from([-np.inf, -1e9]),
)
def test_no_scores_make_an_illegal_sequence(scores, kept, name, never):
    scheme = TagScheme(("x", "y"), name)
    scores = np.array([scores], "float32")[..., : scheme.size]
    mask = np.array([[kept.random() < 0.7 for _ in scores[0]]])
    allowed = (scheme.transitions, scheme.starts, scheme.ends)
    tags, _ = viterbi(scores, mask, *(np.where(part, 0.0, never) for part in allowed))
    tags = np.array(tags)[mask].tolist()
    # What spans give comes back.
    assert scheme.encode(scheme.decode(tags), len(tags)) == tags


def test_of_equals_the_lowest():
    zeros = (np.zeros((3, 3)), np.zeros(3), np.zeros(3))
    tags, score = viterbi(np.zeros((1, 4, 3)), np.ones((1, 4), bool), *zeros)
    assert np.array(tags).tolist() == [[0, 0, 0, 0]] and float(score[0]) == 0.0


def test_without_transitions_it_is_argmax(random_chains):
    scores, mask, *tables = random_chains(0, batch=5, length=30, size=7)
    tags, _ = viterbi(scores, mask, *(np.zeros_like(table) for table in tables))
    np.testing.assert_array_equal(np.array(tags)[mask], scores[mask].argmax(axis=-1))


LOAD = """
import sys
import numpy as np
import tensorflow as tf

served = tf.saved_model.load("served")
tags, score = served.best(*(tf.constant(part) for part in np.load("given.npz").values()))
np.savez("made.npz", tags, score)
assert "mmkeras" not in sys.modules
"""


def test_in_graphs_under_xla_and_where_there_is_only_tensorflow(random_chains, tmp_path):
    scores, mask, *tables = random_chains(1, length=9)
    expected = viterbi(scores, mask, *tables)
    open_ended = [tf.TensorSpec([None, None, 3]), tf.TensorSpec([None, None], tf.bool)]

    def best(scores, mask):
        return viterbi(scores, mask, *tables)

    served = tf.Module()
    served.best = tf.function(best, input_signature=open_ended)
    for decode in (served.best, tf.function(best, jit_compile=True)):
        for part, other in zip(decode(scores, mask), expected, strict=True):
            np.testing.assert_allclose(part, other, rtol=1e-6)
    tf.saved_model.save(served, str(tmp_path / "served"))
    np.savez(tmp_path / "given.npz", scores, mask)
    subprocess.run([sys.executable, "-c", LOAD], cwd=tmp_path, check=True)
    for part, other in zip(np.load(tmp_path / "made.npz").values(), expected, strict=True):
        np.testing.assert_allclose(part, other, rtol=1e-6)


def test_on_a_device(random_chains):
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    scores, mask, *tables = random_chains(2, batch=1, length=9)
    scores = np.where(mask[..., None], scores, 0.0).astype("float32")

    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([1, 9, 3]), tf.TensorSpec([1, 9], tf.bool)])
    def best(scores, mask):
        tags, score = viterbi(scores, mask, *tables)
        return {"tags": tags, "score": score}

    module.best = best
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [best.get_concrete_function()], module
    )
    runner = litert.Interpreter(model_content=converter.convert()).get_signature_runner()
    made = runner(scores=scores, mask=mask)
    tags, score = viterbi(scores, mask, *tables)
    np.testing.assert_array_equal(made["tags"], tags)
    np.testing.assert_allclose(made["score"], score, rtol=1e-6)
