"""Exact attention on TensorFlow in chunks of queries, whose gradient computes the weights again.

Keeping a row's maximum and sum instead of its weights is the idea of Rabe & Staats 2021,
"Self-attention Does Not Need O(n²) Memory", section 3, and Dao et al. 2022, "FlashAttention",
appendix B.
"""

import dataclasses
from typing import Any

from mmkeras.layers.attention_bias import AttentionBias, DenseBias
from mmkeras.layers.masks import AttentionMask

#: Scores that exist at once, over all samples and heads: 64 MiB in float32.
_SCORES = 2**24
#: Chunks go by bands that skip what no query in them sees. More bands skip more; graphs grow.
_MOST_BANDS = 16
#: Between a hidden score and any other: rows without a key have this maximum and no weight.
_HIDDEN, _LOWEST = -1e30, -1e29


def chunked_attention(
    query: Any,
    key: Any,
    value: Any,
    mask: AttentionMask,
    bias: AttentionBias | None,
    scale: float,
    soft_cap: float | None,
    dropout: float,
    seed: Any,
    chunk: int | None = None,
) -> Any:
    """What `dot_product_attention` computes, in memory that grows with T + S.

    Works eagerly, in a `tf.function` and under XLA, with lengths that are known or not. Where they
    are known, keys that a causal mask or a window hides from a whole chunk are skipped. It cannot
    be differentiated twice.

    Args:
        query, key, value, mask, bias, scale, soft_cap, dropout: see `dot_product_attention`.
        seed: int [2], which decides what is dropped; None without dropout.
        chunk: number of queries computed at once; None: by size.

    Returns:
        [B, T, N, E] of the value's dtype.
    """
    import tensorflow as tf

    if chunk is None:
        chunk = _chunk_size(query.shape, key.shape[1])
    length = query.shape[1] if query.shape[1] is not None else tf.shape(query)[1]
    missing = -length % chunk
    if not isinstance(missing, int) or missing > 0:
        query = tf.pad(query, [[0, 0], [0, missing], [0, 0], [0, 0]])
        mask, bias = _padded(tf, mask, bias, missing)
    plan = _Plan(tf, query, key, mask, bias, soft_cap, dropout, seed, chunk)
    attended = plan.attend(
        plan.grouped(query * tf.cast(scale, query.dtype)),
        tf.transpose(key, [0, 2, 1, 3]),
        tf.transpose(value, [0, 2, 1, 3]),
    )
    return plan.ungrouped(attended, value.shape[-1])[:, :length]


def _chunk_size(query_shape: Any, num_keys: int | None) -> int:
    """A multiple of 32 that keeps to the limits above."""
    batch, length, heads, _ = query_shape
    rows = _SCORES // ((batch or 1) * heads * (num_keys or 4096))
    chunk = min(max(rows // 32 * 32, 32), 512)
    return chunk if length is None else min(chunk, -(-length // 32) * 32)


def _padded(
    tf: Any, mask: AttentionMask, bias: AttentionBias | None, missing: Any
) -> tuple[AttentionMask, AttentionBias | None]:
    """Mask and bias for so many more queries; what they say of those does not matter."""
    if mask.query_segments is not None:
        # Where keys take the queries' segments, they take those that are there.
        segments = mask.query_segments if mask.key_segments is None else mask.key_segments
        padded = tf.pad(mask.query_segments, [[0, 0], [0, missing]])
        mask = dataclasses.replace(mask, query_segments=padded, key_segments=segments)
    around = [[0, 0], [0, 0], [0, missing], [0, 0]]
    if mask.dense is not None and mask.dense.shape[2] != 1:
        mask = dataclasses.replace(mask, dense=tf.pad(mask.dense, around))
    if isinstance(bias, DenseBias) and bias.values.shape[2] != 1:
        bias = DenseBias(tf.pad(bias.tensors[0], around))
    return mask, bias


class _Plan:
    """The computation for given lengths, mask and bias.

    Within it queries are [B, M, G, T, D], G heads of queries for each of M heads of keys.
    """

    def __init__(
        self,
        tf: Any,
        query: Any,
        key: Any,
        mask: AttentionMask,
        bias: AttentionBias | None,
        soft_cap: float | None,
        dropout: float,
        seed: Any,
        chunk: int,
    ):
        self.tf, self.mask, self.bias, self.soft_cap = tf, mask, bias, soft_cap
        self.dropout, self.seed = dropout, seed
        self.length, self.num_keys, self.shared = query.shape[1], key.shape[1], key.shape[2]
        self.group = query.shape[2] // self.shared
        self.chunk = chunk

    def grouped(self, query: Any) -> Any:
        """[B, T, N, D] to [B, M, G, T, D]."""
        tf = self.tf
        shape = tf.shape(query)
        heads = [shape[0], shape[1], self.shared, self.group, query.shape[-1]]
        return tf.transpose(tf.reshape(query, heads), [0, 2, 3, 1, 4])

    def ungrouped(self, attended: Any, dim: int) -> Any:
        """[B, M, G, T, E] to [B, T, N, E]."""
        tf = self.tf
        shape = tf.shape(attended)
        attended = tf.transpose(attended, [0, 3, 1, 2, 4])
        attended = tf.reshape(attended, [shape[0], shape[3], self.shared * self.group, dim])
        attended.set_shape([None, self.length, self.shared * self.group, dim])
        return attended

    def attend(self, query: Any, key: Any, value: Any) -> Any:
        """[B, M, G, T, D], [B, M, S, D] and [B, M, S, E] to [B, M, G, T, E]."""
        tf = self.tf
        # Read here: what variables are read within would have to be gradients of its own.
        tensors = () if self.bias is None else tuple(map(tf.identity, self.bias.tensors))

        @tf.custom_gradient
        def attend(query: Any, key: Any, value: Any, *tensors: Any) -> Any:
            result, log_sums = self._forward(query, key, value, tensors)

            def gradient(upstream: Any) -> tuple[Any, ...]:
                return self._backward(query, key, value, tensors, result, log_sums, upstream)

            return result, gradient

        return attend(query, key, value, *tensors)

    # One chunk ------------------------------------------------------------------------------

    def _scores(
        self, query: Any, key: Any, tensors: Any, start: Any, count: int, low: int
    ) -> tuple[Any, Any]:
        """Scores [B, M, G, count, size] in float32, and their soft-capped tanh if there is one."""
        tf = self.tf
        size = key.shape[2] if key.shape[2] is not None else tf.shape(key)[2]
        scores = tf.matmul(self._rows(query, count), key, transpose_b=True)
        scores = tf.cast(scores, tf.float32)
        capped = None
        if self.soft_cap is not None:
            capped = tf.tanh(scores / self.soft_cap)
            scores = capped * self.soft_cap
        scores = tf.reshape(scores, [tf.shape(key)[0], self.shared, self.group, count, size])
        if self.bias is not None:
            scores += self._by_group(self.bias.block(tensors, start, count, low, size))
        allowed = self.mask.block(start, count, low, size)
        if allowed is not None:
            scores = tf.where(self._by_group(allowed), scores, _HIDDEN)
        return scores, capped

    def _forward_chunk(
        self, query: Any, key: Any, value: Any, tensors: Any, start: Any, low: int
    ) -> tuple[Any, Any]:
        """The chunk's result [B, M, G, count, E] and its rows' log-sums [B, M, G, count, 1]."""
        tf = self.tf
        count = query.shape[3]
        scores, _ = self._scores(query, key, tensors, start, count, low)
        highest = tf.maximum(tf.reduce_max(scores, axis=-1, keepdims=True), _LOWEST)
        weights = tf.exp(scores - highest)
        total = tf.maximum(tf.reduce_sum(weights, axis=-1, keepdims=True), 1e-30)
        kept = self._kept(weights, start)
        weights = weights if kept is None else weights * kept
        mixed = tf.matmul(self._rows(tf.cast(weights, value.dtype), count), value)
        mixed = tf.reshape(mixed, tf.concat([tf.shape(query)[:4], [value.shape[-1]]], axis=0))
        return mixed / tf.cast(total, value.dtype), highest + tf.math.log(total)

    def _backward_chunk(
        self,
        query: Any,
        key: Any,
        value: Any,
        tensors: Any,
        result: Any,
        log_sums: Any,
        upstream: Any,
        start: Any,
        low: int,
    ) -> tuple[Any, Any, Any, tuple[Any, ...]]:
        """Gradients of the chunk's query, of its keys and values, and of the bias's tensors."""
        tf = self.tf
        count = query.shape[3]
        scores, capped = self._scores(query, key, tensors, start, count, low)
        weights = tf.exp(scores - log_sums)
        kept = self._kept(weights, start)
        applied = weights if kept is None else weights * kept
        upstream_rows = self._rows(upstream, count)
        of_value = tf.matmul(
            self._rows(tf.cast(applied, value.dtype), count), upstream_rows, transpose_a=True
        )
        of_weights = tf.matmul(upstream_rows, value, transpose_b=True)
        of_weights = tf.reshape(tf.cast(of_weights, tf.float32), tf.shape(weights))
        if kept is not None:
            of_weights *= kept
        # Σ weight · its gradient over a row, without a [T, S] matrix: FlashAttention, B.2, line 4.
        inner = tf.reduce_sum(
            tf.cast(upstream, tf.float32) * tf.cast(result, tf.float32), axis=-1, keepdims=True
        )
        of_scores = weights * (of_weights - inner)
        of_tensors: tuple[Any, ...] = ()
        if self.bias is not None and tensors:
            with tf.GradientTape() as tape:
                tape.watch(tensors)
                size = key.shape[2] if key.shape[2] is not None else tf.shape(key)[2]
                block = self._by_group(self.bias.block(tensors, start, count, low, size))
                block = tf.broadcast_to(block, tf.shape(of_scores))
            # A table's gradient comes as slices of it.
            changes = tape.gradient(block, tensors, output_gradients=of_scores)
            of_tensors = tuple(tf.convert_to_tensor(change) for change in changes)
        if capped is not None:
            of_scores *= tf.reshape(1 - tf.square(capped), tf.shape(of_scores))
        rows = self._rows(tf.cast(of_scores, key.dtype), count)
        of_query = tf.reshape(tf.matmul(rows, key), tf.shape(query))
        of_key = tf.matmul(rows, self._rows(query, count), transpose_a=True)
        return of_query, of_key, of_value, of_tensors

    def _kept(self, weights: Any, start: Any) -> Any:
        """What dropout multiplies weights by, the same in both directions; None without."""
        if not self.dropout:
            return None
        tf = self.tf
        seed = tf.cast(self.seed, tf.int32) + tf.stack([0, tf.cast(start, tf.int32)])
        chance = tf.random.stateless_uniform(tf.shape(weights), seed)
        return tf.cast(chance >= self.dropout, tf.float32) / (1 - self.dropout)

    def _rows(self, values: Any, count: int) -> Any:
        """[B, M, G, count, X] to [B, M, G · count, X]: one product for the heads of a group."""
        tf = self.tf
        if self.group == 1:
            return tf.squeeze(values, 2)
        width = values.shape[-1] if values.shape[-1] is not None else tf.shape(values)[-1]
        return tf.reshape(values, [tf.shape(values)[0], self.shared, self.group * count, width])

    def _by_group(self, block: Any) -> Any:
        """[B, N, T, S] to [B, M, G, T, S], where B and N may be 1."""
        tf = self.tf
        if block.shape[1] == 1:
            return block[:, :, None]
        shape = tf.shape(block)
        grouped = [shape[0], self.shared, self.group, shape[2], shape[3]]
        return tf.reshape(block, grouped)

    # All chunks -----------------------------------------------------------------------------

    def _bands(self, query: Any) -> list[tuple[Any, Any, int, int | None]]:
        """First and last chunk of each band, exclusively, and the range of keys it may see."""
        if self.length is None or self.num_keys is None:
            return [(0, self.tf.shape(query)[3] // self.chunk, 0, self.num_keys)]
        number = self.length // self.chunk
        size = -(-number // _MOST_BANDS)
        bands: list[tuple[Any, Any, int, int | None]] = []
        for first in range(0, number, size):
            last = min(first + size, number)
            start, count = first * self.chunk, (last - first) * self.chunk
            keys = self.mask.key_range(start, count, self.num_keys)
            if bands and bands[-1][2:] == keys:
                first = bands.pop()[0]
            bands.append((first, last, *keys))
        return bands

    def _cut(self, values: Any, index: Any) -> Any:
        """The chunk of that number: [B, M, G, T, X] to [B, M, G, chunk, X]."""
        shape = self.tf.shape(values)
        size = [shape[0], self.shared, self.group, self.chunk, values.shape[-1]]
        cut = self.tf.slice(values, [0, 0, 0, index * self.chunk, 0], size)
        return self.tf.ensure_shape(cut, [None, *size[1:]])

    def _joined(self, chunks: Any, width: int) -> Any:
        """A TensorArray of [B, M, G, chunk, X] to [B, M, G, T, X]."""
        tf = self.tf
        stacked = tf.transpose(chunks.stack(), [1, 2, 3, 0, 4, 5])
        shape = tf.shape(stacked)
        joined = [shape[0], self.shared, self.group, shape[3] * self.chunk, width]
        return tf.reshape(stacked, joined)

    def _forward(self, query: Any, key: Any, value: Any, tensors: Any) -> tuple[Any, Any]:
        tf = self.tf
        results: list[Any] = []
        log_sums: list[Any] = []
        for first, last, low, high in self._bands(query):
            keys, values = key[:, :, low:high], value[:, :, low:high]

            def step(
                index: Any,
                results: Any,
                log_sums: Any,
                keys: Any = keys,
                values: Any = values,
                first: Any = first,
                low: int = low,
            ) -> tuple[Any, Any, Any]:
                chunk, start = self._cut(query, index), index * self.chunk
                result, log_sum = self._forward_chunk(chunk, keys, values, tensors, start, low)
                place = index - first
                return index + 1, results.write(place, result), log_sums.write(place, log_sum)

            # Bands run one behind the other: side by side they would need the memory of all.
            with tf.control_dependencies(results[-1:]):
                arrays = [tf.TensorArray(dtype, last - first) for dtype in (value.dtype, "float32")]
                _, *arrays = tf.while_loop(
                    lambda index, *_, last=last: index < last,
                    step,
                    (tf.constant(first), *arrays),
                    parallel_iterations=1,
                )
            results.append(self._joined(arrays[0], value.shape[-1]))
            log_sums.append(self._joined(arrays[1], 1))
        return tf.concat(results, axis=3), tf.concat(log_sums, axis=3)

    def _backward(
        self,
        query: Any,
        key: Any,
        value: Any,
        tensors: Any,
        result: Any,
        log_sums: Any,
        upstream: Any,
    ) -> tuple[Any, ...]:
        tf = self.tf
        of_query: list[Any] = []
        of_key, of_value = tf.zeros_like(key), tf.zeros_like(value)
        of_tensors = [tf.zeros_like(tensor) for tensor in tensors]
        for first, last, low, high in self._bands(query):
            keys, values = key[:, :, low:high], value[:, :, low:high]

            def step(
                index: Any,
                of_query: Any,
                of_keys: Any,
                of_values: Any,
                *of_tensors: Any,
                keys: Any = keys,
                values: Any = values,
                first: Any = first,
                low: int = low,
            ) -> Any:
                chunk, *others = (
                    self._cut(part, index) for part in (query, result, log_sums, upstream)
                )
                start = index * self.chunk
                change = self._backward_chunk(chunk, keys, values, tensors, *others, start, low)
                return (
                    index + 1,
                    of_query.write(index - first, change[0]),
                    of_keys + change[1],
                    of_values + change[2],
                    *(
                        tf.ensure_shape(a + b, a.shape)
                        for a, b in zip(of_tensors, change[3], strict=True)
                    ),
                )

            with tf.control_dependencies([*of_query[-1:], of_key, of_value]):
                begin = (
                    tf.constant(first),
                    tf.TensorArray(query.dtype, last - first),
                    tf.zeros_like(keys),
                    tf.zeros_like(values),
                    *of_tensors,
                )
                _, changes, of_keys, of_values, *of_tensors = tf.while_loop(
                    lambda index, *_, last=last: index < last,
                    step,
                    begin,
                    parallel_iterations=1,
                )
            of_query.append(self._joined(changes, query.shape[-1]))
            of_key += self._around(of_keys, low, high)
            of_value += self._around(of_values, low, high)
        return tf.concat(of_query, axis=3), of_key, of_value, *of_tensors

    def _around(self, of_keys: Any, low: int, high: int | None) -> Any:
        """What [low, high) of the keys get, with nothing for the others."""
        if (low, high) == (0, self.num_keys):
            return of_keys
        return self.tf.pad(of_keys, [[0, 0], [0, 0], [low, self.num_keys - high], [0, 0]])
