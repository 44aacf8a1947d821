"""Rooms: what a recording sounds like from a distance, among echoes."""

import math

import tensorflow as tf


def reverberate(waveform: tf.Tensor, impulse_response: tf.Tensor) -> tf.Tensor:
    """A waveform as it is heard in a room, as long, as loud and at the same time as before.

    The convolution with the impulse response, by Fourier transforms. Its time 0 is where the
    impulse response is largest: the direct sound, so that labels of time stay true. What echoes on
    behind the end is cut off, and the sum of squares is made that of `waveform` again.

    Args:
        waveform: float [S].
        impulse_response: float [R], R ≥ 1, at the same sample rate: measured, of another room or
            device, or made by `room_response`.

    Returns:
        float [S]; zeros where the impulse response is zero throughout.

    Example:

    >>> reverberate(tf.constant([3.0, 0.0, 4.0]), tf.constant([0.0, 0.5])).numpy().tolist()
    [3.0, 0.0, 4.0]
    """
    direct = tf.argmax(tf.abs(impulse_response), output_type=tf.int32)
    size = tf.size(waveform)
    whole = size + tf.size(impulse_response)
    # A power of two, which transforms fastest.
    bits = tf.math.ceil(tf.math.log(tf.cast(whole, tf.float64)) / math.log(2.0))
    length = [tf.bitwise.left_shift(1, tf.cast(bits, tf.int32))]
    spectrum = tf.signal.rfft(waveform, length) * tf.signal.rfft(impulse_response, length)
    heard = tf.signal.irfft(spectrum, length)[direct : direct + size]
    energies = [tf.reduce_sum(sound**2) for sound in (waveform, heard)]
    return heard * tf.sqrt(tf.math.divide_no_nan(*energies))


def room_response(
    sample_rate: int, reverb_s: tf.Tensor | float, direct_db: tf.Tensor | float, seed: tf.Tensor
) -> tf.Tensor:
    """The impulse response of a room: the direct sound, then noise that dies away.

    Source: Polack's statistical model, as in Habets 2007, "Single- and Multi-Microphone Speech
    Dereverberation using Spectral Enhancement", section 2.2: n(t) exp(-3 ln(10) t / T60).

    Args:
        sample_rate: samples a second.
        reverb_s: T60, the seconds after which the echoes are 60 dB quieter; float [] above 0.
        direct_db: by how many decibels the energy of the direct sound is above that of all echoes
            together; float [].
        seed: int32 [2].

    Returns:
        float32 [R], the direct sound (1) and T60 seconds of echoes.

    Example:

    >>> room_response(8000, 0.5, 10.0, seed=tf.constant([0, 0])).shape
    TensorShape([4001])
    """
    reverb_s = tf.cast(reverb_s, tf.float32)
    count = tf.cast(tf.math.ceil(reverb_s * sample_rate), tf.int32)
    times = tf.cast(tf.range(count), tf.float32) / sample_rate
    echoes = tf.random.stateless_normal([count], seed) * 10.0 ** (-3 * times / reverb_s)
    level = tf.sqrt(10.0 ** (-direct_db / 10) / tf.reduce_sum(echoes**2))
    return tf.concat([[1.0], tf.cast(level, tf.float32) * echoes], axis=0)
