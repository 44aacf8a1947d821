"""Where a recording begins and ends, by its energy."""

import tensorflow as tf

#: A frame of so many seconds begins every so many seconds.
_FRAME_S, _HOP_S = 0.025, 0.010


def trim_silence(waveform: tf.Tensor, sample_rate: int, top_db: float) -> tf.Tensor:
    """A waveform without the silence in front of it and behind it; see `loud_part`.

    Args:
        waveform: float [S].
        sample_rate: samples a second.
        top_db: decibels.

    Returns:
        float [S'], S' ≤ S.

    Example:

    >>> noise = tf.random.stateless_normal([8000], [0, 0])
    >>> trim_silence(tf.pad(noise, [[4000, 2000]]), 8000, top_db=40.0).shape
    TensorShape([8240])
    """
    begin, end = loud_part(waveform, sample_rate, top_db)
    return waveform[begin:end]


def loud_part(waveform: tf.Tensor, sample_rate: int, top_db: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Between which samples a waveform is not silent.

    A frame of 25 ms stands around every tenth millisecond. It is loud where its energy is at most
    `top_db` below that of the loudest. What lies before the first and behind the last loud one is
    cut off, as by `librosa.effects.trim`. A waveform that is silent throughout stays as it is:
    there is nothing to compare it with.

    Args:
        waveform: float [S].
        sample_rate: samples a second.
        top_db: decibels.

    Returns:
        int32 [] and [], the first sample and the one behind the last.

    Example:

    >>> noise = tf.random.stateless_normal([8000], [0, 0])
    >>> [int(place) for place in loud_part(tf.pad(noise, [[4000, 2000]]), 8000, top_db=40.0)]
    [3920, 12160]
    """
    frame_length, hop = round(_FRAME_S * sample_rate), round(_HOP_S * sample_rate)
    size = tf.size(waveform)
    # In float64 the difference of two sums is as exact as the sum of a frame in float32.
    sums = tf.pad(tf.cumsum(tf.cast(waveform, tf.float64) ** 2), [[1, 0]])
    begins = tf.range(0, size + 1 - frame_length % 2, hop) - frame_length // 2
    ends = tf.clip_by_value(begins + frame_length, 0, size)
    energy = tf.gather(sums, ends) - tf.gather(sums, tf.maximum(begins, 0))
    loud = energy >= tf.reduce_max(energy) * 10 ** (-top_db / 10)
    places = tf.cast(tf.where(loud)[:, 0], tf.int32)
    begin, end = tf.reduce_min(places) * hop, (tf.reduce_max(places) + 1) * hop
    return begin, tf.minimum(end, size)
