"""`MultiHeadAttention`: with a cache as without, shared heads as repeated ones, as Keras layers."""

import keras
import numpy as np
import pytest

from mmkeras.layers import (
    ALiBi,
    AttentionMask,
    MultiHeadAttention,
    RelativeBias,
    RotaryPositions,
)

RNG = np.random.default_rng(0)
TOKENS = RNG.normal(size=(2, 6, 16)).astype("float32")
KINDS = {
    "plain": {},
    "grouped": {"num_kv_heads": 2},
    "rotary": {"rotary": RotaryPositions},
    "alibi": {"bias": lambda: ALiBi(4)},
    "relative": {"bias": lambda: RelativeBias(4, bidirectional=False)},
    "everything": {
        "num_kv_heads": 1,
        "qk_norm": True,
        "gate": True,
        "rotary": RotaryPositions,
        "soft_cap": 5.0,
    },
}


def build(kind):
    parts = {name: part() if callable(part) else part for name, part in KINDS[kind].items()}
    return MultiHeadAttention(16, num_heads=4, **parts)


@pytest.mark.parametrize("kind", KINDS)
def test_token_by_token_is_all_at_once(kind):
    layer = build(kind)
    expected = layer(TOKENS, attention_mask=AttentionMask(causal=True))
    cache = layer.initial_cache(2, 8)
    made = []
    for start, end in ((0, 2), (2, 3), (3, 6)):
        result, cache = layer(TOKENS[:, start:end], cache=cache)
        made.append(result)
    np.testing.assert_allclose(np.concatenate(made, axis=1), expected, atol=2e-5)
    assert int(cache.length) == 6


def test_heads_that_share_keys_are_repeated_keys():
    shared, whole = build("grouped"), build("plain")
    shared(TOKENS), whole(TOKENS)
    for name in ("query", "output_projection"):
        getattr(whole, name).set_weights(getattr(shared, name).get_weights())
    for name in ("key", "value"):
        kernel, bias = getattr(shared, name).get_weights()
        kernel = kernel.reshape(16, 2, 4).repeat(2, axis=1).reshape(16, 16)
        bias = bias.reshape(2, 4).repeat(2, axis=0).reshape(16)
        getattr(whole, name).set_weights([kernel, bias])
    np.testing.assert_allclose(shared(TOKENS), whole(TOKENS), atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_comes_back_from_a_file(kind, tmp_path):
    inputs = keras.Input((6, 16))
    model = keras.Model(inputs, build(kind)(inputs))
    model.save(tmp_path / "attention.keras")
    loaded = keras.saving.load_model(tmp_path / "attention.keras")
    np.testing.assert_allclose(loaded(TOKENS), model(TOKENS), atol=1e-6)


def test_a_mask_that_keras_carries_along_hides_keys():
    tokens = TOKENS.copy()
    tokens[0, 4:] = 0
    layer = build("plain")
    kept = np.any(tokens, axis=-1)
    carried = layer(keras.layers.Masking()(tokens))
    np.testing.assert_allclose(carried, layer(tokens, attention_mask=kept), atol=1e-6)


def test_weights_are_what_values_are_mixed_by():
    layer = build("grouped")
    mask = AttentionMask(causal=True)
    result, weights = layer(TOKENS, attention_mask=mask, return_attention_weights=True)
    np.testing.assert_allclose(result, layer(TOKENS, attention_mask=mask), atol=2e-5)
    np.testing.assert_allclose(np.sum(weights, axis=-1), 1, atol=1e-5)
    assert not np.triu(weights, 1).any()


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
@pytest.mark.parametrize(("mode", "error"), [("int8", 0.05), ("int4", 0.5)])
def test_projections_take_lora_and_quantisation(mode, error):
    layer = build("grouped")
    before = np.array(layer(TOKENS))
    layer.enable_lora(2)
    assert len(layer.trainable_weights) == 4 * 3  # two low-rank factors and a bias each
    np.testing.assert_allclose(layer(TOKENS), before, atol=1e-6)
    inputs = keras.Input((6, 16))
    model = keras.Model(inputs, build("grouped")(inputs))
    before = np.array(model(TOKENS))
    model.quantize(mode)
    assert 0 < np.abs(np.array(model(TOKENS)) - before).max() < error


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda: MultiHeadAttention(16, num_heads=3), "num_heads=3 and dim=16"),
        (lambda: MultiHeadAttention(16, 4, num_kv_heads=3), "num_kv_heads=3 and num_heads=4"),
        (lambda: MultiHeadAttention(16, 4, attention_dropout=1.0), r"\[0, 1\); got 1.0"),
        (lambda: build("plain").initial_cache(1, 0), "got length=0"),
        (
            lambda: (layer := build("plain"))(TOKENS, cache=layer.initial_cache(2, 4)),
            "room for 4 tokens, but 6 are needed",
        ),
    ],
)
def test_refuses_what_does_not_fit(act, says):
    with pytest.raises(ValueError, match=says):
        act()
