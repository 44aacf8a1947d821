"""How far what is predicted of a sound's spectrum is from a recording."""

from typing import Any

import numpy as np
from keras import ops

#: What is quieter counts as so loud: -80 dB of a full tone under a window of 50 ms at 16 kHz.
_QUIETEST = 1e-2


def log_magnitude_error(magnitude: Any, log_magnitude: Any, frame_mask: Any) -> Any:
    """The mean |ln A - ln B| of the bins of a recording; below 0.01 all is equally silent.

    Args:
        magnitude: float32 [B, F, K], A, of the recording's Fourier transform.
        log_magnitude: float32 [B, F, K], ln B, predicted.
        frame_mask: bool [B, F], True = a frame that counts.

    Returns:
        float32 [B].

    Example:

    >>> counts = np.array([[True, False]])
    >>> error = log_magnitude_error(np.ones((1, 2, 3)), np.full((1, 2, 3), 0.5, "float32"), counts)
    >>> np.array(error).tolist()
    [0.5]
    """
    there = ops.maximum(log_magnitude, float(np.log(_QUIETEST)))
    return _mean(ops.mean(ops.abs(_log(magnitude) - there), axis=-1), frame_mask)


def turn_error(real: Any, imaginary: Any, turn: Any, frame_mask: Any, hop_length: int) -> Any:
    """How wrong the predicted frequencies of a recording's bins are, the louder the more it counts.

    1 - cos(error), with the error the angle between the turn of a bin's phase from frame to frame
    that is predicted and the true one, so that whole turns are no error. The instantaneous
    frequency loss of Ai and Ling 2023, "APNet", equation 16, in which phases are the difference
    of angles, wrapped; here no angle is ever computed. They count all bins alike; here a bin counts
    by the fourth root of the product of its two magnitudes, because the phase of what is silent is
    chance.

    Args:
        real: float32 [B, F, K], of the recording's Fourier transform.
        imaginary: as the real part.
        turn: float32 [B, F, K], radians beyond the turn of a tone at the middle of the bin; that of
            the first frame counts for nothing.
        frame_mask: bool [B, F], True = a frame that counts.
        hop_length: samples between the beginnings of two frames.

    Returns:
        float32 [B], 0 (right) to 2; 1 is by chance.

    Example:

    >>> from mmkeras.layers import ShortTimeFourier
    >>> tone = np.sin(2 * np.pi * 8 / 64 * np.arange(320)).astype("float32")[None]
    >>> real, imaginary = map(np.array, ShortTimeFourier(64, 16).spectrum(tone))
    >>> turn = np.zeros_like(real) + 2 * np.pi * 16 / 64 * (8 - np.arange(33, dtype="float32"))
    >>> mask = np.ones(real.shape[:2], bool)
    >>> right, wrong = (
    ...     float(turn_error(real, imaginary, each, mask, 16)[0]) for each in (turn, -turn)
    ... )
    >>> right < 0.05, wrong > 0.5
    (True, True)
    """
    bins = real.shape[-1]
    fft_length = 2 * (bins - 1)
    ahead = (2 * np.pi / fft_length * (np.arange(bins) * hop_length % fft_length)).astype("float32")
    angle = turn[:, 1:] + ahead
    now, before = (real[:, 1:], imaginary[:, 1:]), (real[:, :-1], imaginary[:, :-1])
    # The product of one with the other's conjugate turns by what lies between them.
    along = now[0] * before[0] + now[1] * before[1]
    across = now[1] * before[0] - now[0] * before[1]
    size = ops.sqrt(ops.square(along) + ops.square(across))
    agreement = along * ops.cos(angle) + across * ops.sin(angle)
    wrong = 1.0 - agreement / ops.maximum(size, 1e-20)
    both = (frame_mask[:, 1:] & frame_mask[:, :-1])[..., None]
    weights = ops.where(both, ops.sqrt(ops.sqrt(size)), 0.0)
    total = ops.sum(weights, axis=(1, 2))
    return ops.sum(wrong * weights, axis=(1, 2)) / ops.maximum(total, 1e-6)


def _log(magnitude: Any) -> Any:
    return ops.log(ops.maximum(ops.cast(magnitude, "float32"), _QUIETEST))


def _mean(values: Any, counts: Any) -> Any:
    """float32 [B, F] to [B]: the mean of each row where it counts."""
    counts = ops.cast(counts, "float32")
    return ops.sum(values * counts, axis=1) / ops.maximum(ops.sum(counts, axis=1), 1.0)
