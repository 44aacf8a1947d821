"""Does a fusion keep its contract?"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mmkeras.contracts.fusion import Fusion
from mmkeras.testing.round_trip import round_trip
from mmkeras.testing.tokens import assert_same_tokens, random_tokens, with_garbage, with_padding
from mmkeras.tokens import Tokens


def check_fusion(fusion_class: type[Fusion]) -> None:
    """Raises an AssertionError unless the fusion keeps its contract; see `Fusion`.

    It comes in every named size and refuses unknown ones; keeps fields, lengths and masks and
    brings all widths to one; does not depend on the dict's order; lets neither padding nor absent
    fields change a kept token; stays finite, with its gradients, where all fields are absent; takes
    a single field; writes and reads its configuration; and runs in half precision.

    Args:
        fusion_class: the fusion; it is built in its size `"tiny"`.

    Example:

    >>> from mmkeras.fusions import Concat
    >>> check_fusion(Concat)
    """
    _check_sizes(fusion_class)
    tokens = random_tokens()
    fusion = fusion_class.of_size("tiny")
    fused = fusion(tokens, training=False)
    _check_tokens(fusion, tokens, fused)
    _check_announced(fusion, tokens)
    backwards = dict(reversed(tokens.items()))
    for says, same in {
        "the order of the dict has an effect": backwards,
        "what stands at masked places has an effect": with_garbage(tokens),
        "padding has an effect": with_garbage(with_padding(tokens)),
    }.items():
        _check_same(fusion(same, training=False), fused, says)
    _check_alone(fusion_class, tokens)
    _check_gradients(fusion, with_garbage(tokens))
    _check_configuration(fusion, backwards, fused)
    _check_precision(fusion, tokens, fused)


def _check_sizes(fusion_class: type[Fusion]) -> None:
    dims = [fusion_class.of_size(size).dim for size in ("tiny", "small", "base")]
    assert dims == sorted(set(dims)), f"tiny, small and base must grow in dim; they have {dims}"
    try:
        fusion_class.of_size("no such size")
    except ValueError:
        return
    raise AssertionError("of_size('no such size') must raise a ValueError")


def _check_tokens(
    fusion: Fusion, tokens: Mapping[str, Tokens], fused: Mapping[str, Tokens]
) -> None:
    assert set(fused) == set(tokens), f"the fields were {sorted(tokens)} and are {sorted(fused)}"
    for field, made in fused.items():
        assert isinstance(made, Tokens), f"{field}: a fusion must make Tokens, not {type(made)}"
        assert np.array_equal(made.mask, tokens[field].mask), f"{field}: the mask has changed"
        shape, right = tuple(made.values.shape), (*tokens[field].mask.shape, fusion.dim)
        assert shape == right, f"{field}: values are {shape}, not {right}"
        assert np.isfinite(made.values).all(), f"{field}: values are not finite"


def _check_announced(fusion: Fusion, tokens: Mapping[str, Tokens]) -> None:
    """The symbolic shapes are right, for open lengths too."""
    inputs = {
        field: Tokens(keras.Input((None, values.shape[-1])), keras.Input((None,), dtype="bool"))
        for field, (values, _) in tokens.items()
    }
    for field, (values, _) in fusion(inputs).items():
        assert values.shape[-1] == fusion.dim, f"{field}: the fusion announces {values.shape}"


def _check_same(
    actual: Mapping[str, Tokens], expected: Mapping[str, Tokens], says: str, atol: float = 1e-5
) -> None:
    for field in expected:
        assert_same_tokens(actual[field], expected[field], f"field {field!r}: {says}", atol)


def _check_alone(fusion_class: type[Fusion], tokens: Mapping[str, Tokens]) -> None:
    for field in tokens:
        fusion, alone = fusion_class.of_size("tiny"), {field: tokens[field]}
        _check_tokens(fusion, alone, fusion(alone, training=False))


def _check_gradients(fusion: Fusion, tokens: Mapping[str, Tokens]) -> None:
    watched = {field: tf.constant(values) for field, (values, _) in tokens.items()}
    weights = fusion.trainable_variables
    with tf.GradientTape() as tape:
        tape.watch(watched)
        inputs = {field: Tokens(watched[field], tokens[field].mask) for field in tokens}
        fused = fusion(inputs, training=True)
        kept = [tf.boolean_mask(values, mask) for values, mask in fused.values()]
        loss = tf.add_n([tf.reduce_sum(tf.square(values[:, :3])) for values in kept])
    gradients: Any = tape.gradient(loss, ([weight.value for weight in weights], watched))
    by_weight, by_field = gradients
    for weight, gradient in zip(weights, by_weight):
        assert gradient is not None, f"{weight.path} gets no gradient"
        assert np.isfinite(gradient).all(), f"the gradient of {weight.path} is not finite"
    for field, gradient in by_field.items():
        assert np.isfinite(gradient).all(), f"the gradient of field {field!r} is not finite"
        masked = gradient.numpy()[~np.array(tokens[field].mask)]
        assert not masked.any(), f"field {field!r}: masked places get a gradient"


def _check_configuration(
    fusion: Fusion, tokens: Mapping[str, Tokens], fused: Mapping[str, Tokens]
) -> None:
    copy = round_trip(fusion)
    copy(tokens)
    copy.set_weights(fusion.get_weights())
    assert copy.name == fusion.name, "the configuration loses the name"
    says = "a copy made from the configuration, or built in another order of fields, differs"
    _check_same(copy(tokens, training=False), fused, says)


def _with_policy(config: Any, policy: str) -> Any:
    """A configuration whose parts, and theirs, have that dtype policy, as under a global one."""
    if isinstance(config, dict):
        return {
            name: policy if name == "dtype" else _with_policy(value, policy)
            for name, value in config.items()
        }
    return [_with_policy(part, policy) for part in config] if isinstance(config, list) else config


def _check_precision(
    fusion: Fusion, tokens: Mapping[str, Tokens], fused: Mapping[str, Tokens]
) -> None:
    for compute, atol in (("bfloat16", 0.3), ("float16", 0.05)):
        half = type(fusion).from_config(_with_policy(fusion.get_config(), f"mixed_{compute}"))
        half(tokens)
        half.set_weights(fusion.get_weights())
        made = half(tokens, training=False)
        for field, (values, mask) in made.items():
            assert values.dtype == compute, (
                f"in mixed_{compute} the values of {field!r} must be {compute}; they are "
                f"{values.dtype}"
            )
            made[field] = Tokens(tf.cast(values, "float32"), mask)
        _check_same(made, fused, f"in mixed_{compute} the tokens are others", atol)
