"""Does an encoder keep its contract?"""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mmkeras.contracts.encoder import Encoder
from mmkeras.contracts.modality import Modality
from mmkeras.testing.round_trip import round_trip
from mmkeras.testing.tokens import assert_same_tokens
from mmkeras.tokens import Tokens


def check_encoder(encoder_class: type[Encoder], modality: Modality) -> None:
    """Raises an AssertionError unless the encoder keeps its contract; see `Encoder`.

    It comes in every named size and refuses unknown ones and other modalities; makes `Tokens` of
    the shapes it announces; masks absent samples; lets neither padding nor what stands behind it
    change a kept token; trains every weight with finite gradients; writes and reads its
    configuration; and runs in half precision.

    Args:
        encoder_class: the encoder; it is built in its size `"tiny"`.
        modality: one that it reads; a small one is checked faster.

    Example:

    >>> from mmkeras.encoders import TextTransformer
    >>> from mmkeras.modalities import Text
    >>> check_encoder(TextTransformer, Text.tiny())
    """
    raw = [*modality.samples(), b""]
    batch = {k: v.numpy() for k, v in modality.preprocess_batch(tf.constant(raw)).items()}
    encoder = encoder_class.for_modality(modality, "tiny")
    tokens = encoder(batch, training=False)
    _check_sizes(encoder_class, modality)
    _check_tokens(encoder, tokens)
    _check_announced(encoder, modality, tokens)
    _check_absent(encoder, modality, batch)
    _check_padding(encoder, modality, batch, tokens)
    _check_gradients(encoder, batch)
    # Training may move what a layer knows of its inputs.
    tokens = encoder(batch, training=False)
    _check_configuration(encoder, batch, tokens)
    _check_precision(encoder, modality, batch, tokens)


def _check_sizes(encoder_class: type[Encoder], modality: Modality) -> None:
    dims = [encoder_class.for_modality(modality, size).dim for size in ("tiny", "small", "base")]
    assert dims == sorted(set(dims)), f"tiny, small and base must grow in dim; they have {dims}"
    other = SimpleNamespace(specs=lambda: {"smell": None})
    for wrong, size in ((modality, "no such size"), (other, "tiny")):
        try:
            encoder_class.for_modality(wrong, size)
        except ValueError:
            continue
        raise AssertionError(f"for_modality({wrong!r}, {size!r}) must raise a ValueError")


def _check_tokens(encoder: Encoder, tokens: Tokens) -> None:
    assert isinstance(tokens, Tokens), f"an encoder must make Tokens; it made {type(tokens)}"
    values, mask = np.array(tokens.values), np.array(tokens.mask)
    assert mask.dtype == bool, f"the mask must be boolean; it is {mask.dtype}"
    assert values.shape == (*mask.shape, encoder.dim), (
        f"values {values.shape} do not fit the mask {mask.shape} and dim {encoder.dim}"
    )
    assert np.isfinite(values).all(), "values must be finite, those of absent samples too"
    assert mask[:-1].any(axis=1).all(), "a sample that is there must keep a token"
    assert not mask[-1].any(), "an absent sample must keep no token"


def _check_announced(encoder: Encoder, modality: Modality, tokens: Tokens) -> None:
    """The symbolic shapes are those of the real tokens, for full and for open lengths."""
    for is_open in (False, True):
        inputs = {
            name: keras.Input(
                (None, *spec.shape[1:]) if is_open and name == modality.ragged else spec.shape,
                dtype=spec.dtype,
            )
            for name, spec in modality.specs().items()
        }
        announced = encoder(inputs)
        for part, real in zip(announced, tokens):
            fits = all(n in (None, m) for n, m in zip(part.shape, real.shape, strict=True))
            assert fits, f"the encoder announces {part.shape} and makes {tuple(real.shape)}"


def _check_absent(encoder: Encoder, modality: Modality, batch: Mapping[str, np.ndarray]) -> None:
    absent = {name: np.stack([value] * 2) for name, value in modality.absent().items()}
    random = np.random.default_rng(0)
    for value in absent.values():
        if np.issubdtype(value.dtype, np.floating):
            value[1] = random.normal(size=value.shape[1:])
    values, mask = encoder(absent, training=False)
    assert not np.array(mask).any(), "a batch of absent samples must keep no token"
    assert np.isfinite(np.array(values)).all(), "a batch of absent samples must stay finite"


def _check_padding(
    encoder: Encoder, modality: Modality, batch: Mapping[str, np.ndarray], tokens: Tokens
) -> None:
    if modality.ragged is None:
        return
    lengths = []
    for row in range(len(tokens.mask)):
        one = {name: tf.constant(value[row]) for name, value in batch.items()}
        lengths.append(int(modality.length(one)))
        alone = {name: value[None] for name, value in one.items()}
        alone = modality.trim(alone, tf.constant(max(lengths[-1], 1)))
        expected = Tokens(tokens.values[row : row + 1], tokens.mask[row : row + 1])
        assert_same_tokens(
            encoder(alone, training=False), expected, "padding changes the tokens of a sample"
        )
    ragged = batch[modality.ragged]
    if np.issubdtype(ragged.dtype, np.floating):
        noise = np.random.default_rng(0).normal(size=ragged.shape).astype(ragged.dtype)
        behind = np.arange(ragged.shape[1]) >= np.array(lengths)[:, None]
        behind = behind.reshape(behind.shape + (1,) * (ragged.ndim - 2))
        noisy = {**batch, modality.ragged: np.where(behind, noise, ragged)}
        assert_same_tokens(
            encoder(noisy, training=False), tokens, "what stands behind the length has an effect"
        )


def _check_gradients(encoder: Encoder, batch: Mapping[str, np.ndarray]) -> None:
    weights = encoder.trainable_variables
    with tf.GradientTape() as tape:
        values, mask = encoder(batch, training=True)
        loss = tf.reduce_sum(tf.square(tf.boolean_mask(values, mask)[..., : encoder.dim // 2]))
    gradients = tape.gradient(loss, [weight.value for weight in weights])
    for weight, gradient in zip(weights, gradients):
        assert gradient is not None, f"{weight.path} gets no gradient"
        gradient = tf.convert_to_tensor(gradient)
        assert np.isfinite(gradient.numpy()).all(), f"the gradient of {weight.path} is not finite"


def _check_configuration(encoder: Encoder, batch: Mapping[str, Any], tokens: Tokens) -> None:
    copy = round_trip(encoder)
    copy(batch)
    copy.set_weights(encoder.get_weights())
    assert copy.name == encoder.name, "the configuration loses the name"
    assert_same_tokens(
        copy(batch, training=False), tokens, "a copy made from the configuration differs"
    )


def _check_precision(
    encoder: Encoder, modality: Modality, batch: Mapping[str, np.ndarray], tokens: Tokens
) -> None:
    # Eight and eleven bits of mantissa, after a few layers that end in a normalisation.
    for compute, atol in (("bfloat16", 0.2), ("float16", 0.05)):
        half = type(encoder).for_modality(modality, "tiny", dtype=f"mixed_{compute}")
        half(batch)
        half.set_weights(encoder.get_weights())
        made = half(batch, training=False)
        assert made.values.dtype == compute, (
            f"in mixed_{compute} the values must be {compute}; they are {made.values.dtype}"
        )
        whole = Tokens(tf.cast(made.values, "float32"), made.mask)
        assert_same_tokens(whole, tokens, f"in mixed_{compute} the tokens are others", atol)
