"""Scaled dot-product attention: the only attention of the package.

Source: Vaswani et al. 2017, "Attention Is All You Need", equation 1. Heads that share keys and
values: Ainslie et al. 2023, "GQA". Soft cap: Gemma Team 2024, "Gemma 2", section 2.
"""

import contextlib
import contextvars
import math
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from mmkeras.layers.attention_bias import AttentionBias, DenseBias
from mmkeras.layers.chunked_attention import chunked_attention
from mmkeras.layers.masks import AttentionMask

#: Added to a score, it leaves exactly no weight, and no overflow when scores are subtracted.
HIDDEN = -1e30
#: From so many scores for one head of one sample on, attention is computed in chunks: below, the
#: plain computation is faster and its memory matters little (see benchmarks/attention.py).
CHUNKED_FROM = 1_536 * 1_536
_plain = contextvars.ContextVar("plain_attention", default=False)
_record: contextvars.ContextVar[list[Any] | None] = contextvars.ContextVar("record", default=None)


@contextlib.contextmanager
def plain_attention() -> Iterator[None]:
    """Within it, attention is computed in chunks only where it is told to be.

    For runtimes that cannot run the loop over chunks, as LiteRT's XNNPACK cannot.

    Example:

    >>> import numpy as np
    >>> long = np.zeros((1, 2048, 1, 2), "float32")
    >>> with plain_attention():
    ...     tuple(dot_product_attention(long, long, long).shape)
    (1, 2048, 1, 2)
    """
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


@contextlib.contextmanager
def recorded_attention() -> Iterator[list[Any]]:
    """Within it, attention is computed plainly, and its weights are kept in the order of the calls.

    For whoever wants to see what attends to what. It holds where layers run at once and not as a
    graph that was made before.

    Example:

    >>> import numpy as np
    >>> two = np.zeros((1, 2, 1, 4), "float32")
    >>> with recorded_attention() as weights:
    ...     _ = dot_product_attention(two, two, two)
    >>> np.array(weights[0])[0, 0].tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    kept: list[Any] = []
    token = _record.set(kept)
    try:
        yield kept
    finally:
        _record.reset(token)


def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    mask: Any = None,
    *,
    bias: Any = None,
    scale: float | None = None,
    soft_cap: float | None = None,
    dropout: float = 0.0,
    seed: Any = None,
    chunked: bool | None = None,
) -> Any:
    """softmax(cap(scale · QKᵀ) + bias) V, where masked keys get no weight at all.

    The softmax is computed in float32 whatever the dtype of the inputs. A query whose keys are all
    masked attends to nothing and gets zeros, in value and in gradient, never NaN. With fewer heads
    of keys than of queries, each serves a group of neighbouring query heads, without being
    repeated in memory.

    On TensorFlow, long sequences are computed in chunks of queries whose weights are computed
    again for the gradient, so that memory grows with T + S and not with T · S; see
    `chunked_attention`. On JAX, its own `dot_product_attention` computes what it can express; on a
    CUDA GPU, in half precision and where nothing but later keys is hidden, by cuDNN's flash
    attention, which keeps no [T, S] matrix either.

    Args:
        query: float [B, T, N, D].
        key: float [B, S, M, D], where M divides N.
        value: float [B, S, M, E].
        mask: None, an `AttentionMask`, or bool that broadcasts to [B, N, T, S], True = attend.
        bias: None, an `AttentionBias`, or float that broadcasts to [B, N, T, S]; added to scores.
        scale: what scores are multiplied by; None: 1 / √D.
        soft_cap: c in c · tanh(score / c), which bounds the scores; None: no bound.
        dropout: fraction of the weights that is dropped; the others are divided by what is left.
        seed: int or `keras.random.SeedGenerator`, needed with `dropout`.
        chunked: whether to compute in chunks; None: where it pays. Only on TensorFlow.

    Returns:
        [B, T, N, E] of the value's dtype.

    Raises:
        ValueError: shapes or dtypes do not fit.

    Example:

    >>> import numpy as np
    >>> q = k = np.zeros((1, 2, 1, 4), "float32")
    >>> v = np.arange(8, dtype="float32").reshape(1, 2, 1, 4)
    >>> np.array(dot_product_attention(q, k, v))[0, :, 0].tolist()  # equal scores: the mean
    [[2.0, 3.0, 4.0, 5.0], [2.0, 3.0, 4.0, 5.0]]
    >>> np.array(dot_product_attention(q, k, v, AttentionMask(causal=True)))[0, :, 0].tolist()
    [[0.0, 1.0, 2.0, 3.0], [2.0, 3.0, 4.0, 5.0]]
    """
    query, key, value = (ops.convert_to_tensor(x) for x in (query, key, value))
    mask = AttentionMask.of(mask)
    _check(query, key, value, mask, soft_cap, dropout, seed)
    if bias is not None and not isinstance(bias, AttentionBias):
        bias = DenseBias(bias)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    backend = keras.backend.backend()
    if (record := _record.get()) is not None:
        record.append(attention_weights(query, key, mask, bias, scale, soft_cap))
        return weighted(ops.cast(record[-1], value.dtype), value)
    if chunked is None:
        is_long = _is_long(query.shape[1], key.shape[1])
        chunked = backend == "tensorflow" and is_long and not _plain.get()
    if chunked:
        if backend != "tensorflow":
            raise ValueError(f"chunked attention needs TensorFlow; the backend is {backend}.")
        if dropout:
            generator = keras.random.SeedGenerator(seed) if isinstance(seed, int) else seed
            seed = generator.next()
        return chunked_attention(query, key, value, mask, bias, scale, soft_cap, dropout, seed)
    if backend == "jax" and soft_cap is None and dropout == 0.0:
        return _fused_on_jax(query, key, value, mask, bias, scale)
    weights = attention_weights(query, key, mask, bias, scale, soft_cap)
    if dropout:
        weights = keras.random.dropout(weights, dropout, seed=seed)
    return weighted(ops.cast(weights, value.dtype), value)


def attention_weights(
    query: Any,
    key: Any,
    mask: AttentionMask | None = None,
    bias: AttentionBias | None = None,
    scale: float | None = None,
    soft_cap: float | None = None,
) -> Any:
    """The weights that `dot_product_attention` gives to each key: float32 [B, N, T, S].

    Args: as there.
    """
    mask = AttentionMask() if mask is None else mask
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = ops.cast(_scores(query * ops.cast(scale, query.dtype), key), "float32")
    if soft_cap is not None:
        scores = soft_cap * ops.tanh(scores / soft_cap)
    length, num_keys = ops.shape(query)[1], ops.shape(key)[1]
    if bias is not None:
        scores = scores + bias.block(bias.tensors, 0, length, 0, num_keys)
    allowed = mask.block(0, length, 0, num_keys)
    if allowed is None:
        return _softmax(scores)
    weights = _softmax(ops.where(allowed, scores, HIDDEN))
    if mask.may_hide_all:
        # Where everything is hidden the softmax spreads over what is hidden.
        weights = weights * ops.cast(ops.any(allowed, axis=-1, keepdims=True), "float32")
    return weights


def _softmax(scores: Any) -> Any:
    """Over the keys. Keras warns of a softmax over one, which a cache of one token rightly has."""
    return ops.ones_like(scores) if scores.shape[-1] == 1 else ops.softmax(scores)


def _scores(query: Any, key: Any) -> Any:
    """[B, T, N, D] and [B, S, M, D] to [B, N, T, S]."""
    heads, shared = query.shape[2], key.shape[2]
    if heads == shared:
        return ops.einsum("btnd,bsnd->bnts", query, key)
    batch, length, _, dim = ops.shape(query)
    query = ops.reshape(query, (batch, length, shared, heads // shared, dim))
    scores = ops.einsum("btmgd,bsmd->bmgts", query, key)
    return ops.reshape(scores, (batch, heads, length, ops.shape(key)[1]))


def weighted(weights: Any, value: Any) -> Any:
    """The values' sums by weight: float [B, N, T, S] and [B, S, M, E] to [B, T, N, E]."""
    heads, shared = weights.shape[1], value.shape[2]
    if heads == shared:
        return ops.einsum("bnts,bsnd->btnd", weights, value)
    batch, _, length, num_keys = ops.shape(weights)
    weights = ops.reshape(weights, (batch, shared, heads // shared, length, num_keys))
    mixed = ops.einsum("bmgts,bsmd->btmgd", weights, value)
    return ops.reshape(mixed, (batch, length, heads, value.shape[-1]))


def _is_long(length: int | None, num_keys: int | None) -> bool:
    """An unknown length may be a long one."""
    if length is None or num_keys is None:
        return length != 1
    return length * num_keys >= CHUNKED_FROM


def _fused_on_jax(
    query: Any, key: Any, value: Any, mask: AttentionMask, bias: Any, scale: float
) -> Any:
    import jax

    if bias is None and _has_flash_kernel(query, key, value, mask):
        return jax.nn.dot_product_attention(
            query, key, value, scale=scale, is_causal=mask.causal, implementation="cudnn"
        )
    length, num_keys = query.shape[1], key.shape[1]
    allowed = mask.block(0, length, 0, num_keys)
    if bias is not None:
        bias = ops.cast(bias.block(bias.tensors, 0, length, 0, num_keys), query.dtype)
    result = jax.nn.dot_product_attention(query, key, value, bias, allowed, scale=scale)
    if allowed is not None and mask.may_hide_all:
        seen = ops.swapaxes(ops.any(allowed, axis=-1, keepdims=True), 1, 2)
        result = ops.where(seen, result, 0)
    return ops.cast(result, value.dtype)


def _has_flash_kernel(query: Any, key: Any, value: Any, mask: AttentionMask) -> bool:
    """Whether cuDNN computes this attention without a [T, S] matrix of scores in memory.

    JAX never chooses it by itself. It is for half precision on CUDA GPUs, and its gradient for even
    numbers of queries and keys. Not with masks: where these hid all keys of a sample, the gradient
    of the queries was NaN (JAX 0.11.2). `keras.config.disable_flash_attention()` turns it off.
    """
    import jax

    device = jax.devices()[0]
    if device.platform != "gpu" or keras.config.is_flash_attention_enabled() is False:
        return False
    # On other GPUs than CUDA's it is no number, such as gfx942.
    capability = str(getattr(device, "compute_capability", "")).split(".")[0]
    if not capability.isdecimal() or int(capability) < 8:
        return False
    dtypes = {keras.backend.standardize_dtype(x.dtype) for x in (query, key, value)}
    if len(dtypes) > 1 or not dtypes <= {"bfloat16", "float16"}:
        return False
    (length, _, dim), (num_keys, _, width) = query.shape[1:], value.shape[1:]
    if dim != width or dim % 8 or dim > 128 or length % 2 or num_keys % 2:
        return False
    return mask.is_by_order and (length == num_keys or not mask.causal)


def _check(
    query: Any, key: Any, value: Any, mask: AttentionMask, soft_cap: Any, dropout: float, seed: Any
) -> None:
    shapes = [tuple(x.shape) for x in (query, key, value)]
    if any(len(shape) != 4 for shape in shapes):
        raise ValueError(
            "query, key and value must be [B, T, N, D], [B, S, M, D] and [B, S, M, E]; got shapes "
            f"{shapes[0]}, {shapes[1]}, {shapes[2]}."
        )
    (_, length, heads, dim), (_, num_keys, shared, key_dim), (_, num_values, _, _) = shapes
    if dim != key_dim:
        raise ValueError(f"query and key must have the same D; got {dim} and {key_dim}.")
    if shared != shapes[2][2] or heads % shared:
        raise ValueError(
            "key and value must have the same number of heads, which divides the query's; got "
            f"{heads} heads of queries, {shared} of keys and {shapes[2][2]} of values."
        )
    if None not in (num_keys, num_values) and num_keys != num_values:
        raise ValueError(
            f"key and value must be as many; got {num_keys} keys, {num_values} values."
        )
    if soft_cap is not None and soft_cap <= 0:
        raise ValueError(f"soft_cap must be above 0, or None; got {soft_cap}.")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be in [0, 1); got {dropout}.")
    if dropout and seed is None:
        raise ValueError(f"dropout needs a seed; got dropout={dropout} and seed=None.")
    mask.check_lengths(length, num_keys)
