"""Token ids in and out: learning, decoding with caches and without, exporting."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmkeras.decoding import beam_search, greedy_search
from mmkeras.layers import TokenTransformer, Transformer

BEGIN, END = 1, 2
OPTIONS = {"max_new_tokens": 6, "end_id": END}


def build(**options):
    keras.utils.set_random_seed(1)
    transformer = Transformer(16, 2, 1, dim_feedforward=32, dropout=0.0, **options)
    model = TokenTransformer(transformer, source_size=12, target_size=11, max_length=8)
    model(SOURCE, np.ones((3, 2), int))
    return model


SOURCE = np.array([[5, 7, 3, 9, 10], [4, 4, 6, 0, 0], [8, 0, 0, 0, 0]])
FIRST = np.full(3, BEGIN)


def without_cache(model, source, max_new_tokens, end_id):
    """Greedy search that computes everything again for every token."""
    rows = []
    for row in source:
        row = row[row > 0][None]  # without padding
        tokens = [BEGIN]
        while len(tokens) <= max_new_tokens and (len(tokens) == 1 or tokens[-1] != end_id):
            logits = model(row, np.array([tokens]))
            tokens.append(int(np.argmax(np.array(logits)[0, -1])))
        rows.append(tokens[1:] + [0] * (max_new_tokens + 1 - len(tokens)))
    return rows


@pytest.mark.parametrize("end_id", [None, 3])
def test_greedy_search_with_a_cache_is_greedy_search_without(end_id):
    model = build()
    for weight in model.trainable_variables:  # livelier than fresh ones
        weight.assign(weight * 3)
    made = greedy_search(model.step, model.start(SOURCE, 6), FIRST, max_new_tokens=6, end_id=end_id)
    assert np.array(made.token_ids).tolist() == without_cache(model, SOURCE, 6, end_id)


def test_scores_are_those_of_the_whole_model():
    model = build()
    made = beam_search(
        model.step, model.start(SOURCE, 6), FIRST, num_beams=3, length_penalty=0.0, **OPTIONS
    )
    for row in range(3):
        for beam in range(3):
            length = int(made.lengths[row, beam])
            tokens = np.array(made.token_ids)[row, beam, :length]
            logits = model(SOURCE[row : row + 1], np.array([[BEGIN, *tokens[:-1]]]))
            gains = np.array(keras.ops.log_softmax(logits))[0, np.arange(length), tokens]
            assert float(made.scores[row, beam]) == pytest.approx(gains.sum(), abs=1e-4)


def test_learns_to_reverse():
    """Sequences of digits, the second half of which it has never seen."""
    rng = np.random.default_rng(0)

    def sequences(count):
        lengths = rng.integers(2, 6, count)
        digits = rng.integers(3, 11, (count, 5))
        there = np.arange(5) < lengths[:, None]
        source = np.where(there, digits, 0)
        target = np.zeros((count, 7), int)
        target[:, 0] = BEGIN
        for row, length in enumerate(lengths):
            target[row, 1 : length + 1] = digits[row, :length][::-1]
            target[row, length + 1] = END
        return source, target

    source, target = sequences(6_000)
    inputs = keras.Input((5,), dtype="int32"), keras.Input((6,), dtype="int32")
    layer = TokenTransformer(Transformer(48, 4, 1, dropout=0.0), 11, 11, max_length=8)
    model = keras.Model(inputs, layer(*inputs))
    rate = keras.optimizers.schedules.PolynomialDecay(4e-3, 4 * 94)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    model.compile(keras.optimizers.Adam(rate), loss, jit_compile=False)
    model.fit([source, target[:, :-1]], target[:, 1:], batch_size=64, epochs=4, verbose=0)

    seen = {tuple(row) for row in source.tolist()}
    new_source, new_target = sequences(400)
    held_out = np.array([tuple(row) not in seen for row in new_source.tolist()])
    decode = tf.function(
        lambda ids: (
            greedy_search(
                layer.step, layer.start(ids, 6), tf.fill([400], BEGIN), **OPTIONS
            ).token_ids
        )
    )
    right = np.all(np.array(decode(new_source)) == new_target[:, 1:], axis=1)
    assert held_out.sum() > 100
    assert right[held_out].mean() > 0.9


def decode(model, source_ids):
    first = keras.ops.full((3,), BEGIN, dtype="int32")
    greedy = greedy_search(model.step, model.start(source_ids, 6), first, **OPTIONS)
    beams = beam_search(model.step, model.start(source_ids, 6), first, num_beams=2, **OPTIONS)
    return {"greedy": greedy.token_ids, "beams": beams.token_ids, "scores": beams.scores}


def test_eager_graph_and_xla_agree():
    model = build()
    expected = decode(model, SOURCE)
    for jit in (False, True):
        actual = tf.function(lambda ids: decode(model, ids), jit_compile=jit)(SOURCE)
        np.testing.assert_array_equal(actual["greedy"], expected["greedy"])
        np.testing.assert_array_equal(actual["beams"], expected["beams"])
        np.testing.assert_allclose(actual["scores"], expected["scores"], rtol=1e-4)


LOAD = """
import numpy as np
import tensorflow as tf

served = tf.saved_model.load("served")
made = served.generate(tf.constant(np.load("source.npy"), tf.int32))
np.savez("made.npz", **{name: tensor.numpy() for name, tensor in made.items()})
import sys; assert "mmkeras" not in sys.modules
"""

ON_JAX = """
import jax
import keras
import numpy as np

assert keras.backend.backend() == "jax"
import tests_token_transformer as tests

model = tests.build()
model.set_weights(list(np.load("weights.npz").values()))
made = jax.jit(lambda ids: tests.decode(model, ids))(tests.SOURCE)
np.savez("made.npz", **made)
"""


@pytest.mark.parametrize("runtime", ["saved_model", "jax"])
def test_other_runtimes_make_the_same_tokens(runtime, in_backend, tmp_path):
    model = build()
    expected = decode(model, SOURCE)
    if runtime == "jax":
        source = Path(__file__).read_text()
        source = source.replace("import tensorflow as tf\n", "")
        (tmp_path / "tests_token_transformer.py").write_text(source)
        np.savez(tmp_path / "weights.npz", *model.get_weights())
        in_backend("jax", ON_JAX)
    else:
        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint(
            "generate",
            lambda ids: decode(model, ids),
            input_signature=[tf.TensorSpec([3, None], tf.int32)],
        )
        archive.write_out(str(tmp_path / "served"), verbose=False)
        np.save(tmp_path / "source.npy", SOURCE)
        in_backend("tensorflow", LOAD)
    made = np.load(tmp_path / "made.npz")
    np.testing.assert_array_equal(made["greedy"], expected["greedy"])
    np.testing.assert_array_equal(made["beams"], expected["beams"])
    np.testing.assert_allclose(made["scores"], expected["scores"], rtol=1e-4)


def test_padding_changes_nothing():
    model = build()
    target = np.array([[BEGIN, 5, 6]])
    alone = model(np.array([[4, 4, 6]]), target)
    padded = model(np.array([[4, 4, 6, 0, 0]]), target)
    np.testing.assert_allclose(padded, alone, atol=1e-5)


def test_bad_input():
    model = build()
    with pytest.raises(ValueError, match="max_new_tokens must be at most max_length=8; got 9"):
        model.start(SOURCE, 9)
    with pytest.raises(ValueError, match="9 tokens are more than max_length=8"):
        model(np.ones((1, 9), int), np.ones((1, 2), int))
    with pytest.raises(ValueError, match="target_size must be at least 1; got 0"):
        TokenTransformer(Transformer(8, 2, 1), 5, 0, 8)
