"""How far synthesised speech is from a recording: in sound, timing and pitch."""

from typing import NamedTuple

import numpy as np


class WarpedSpeech(NamedTuple):
    """What `mel_cepstral_distortion` gives.

    Attributes:
        distortion_db: the mean over the path, in decibels.
        path: int [P, 2]: which frame of the synthesised speech is compared with which of the
            reference.
    """

    distortion_db: float
    path: np.ndarray


def mel_cepstral_distortion(
    synthesised: np.ndarray, reference: np.ndarray, num_cepstra: int = 13
) -> WarpedSpeech:
    """Mel-cepstral distortion after dynamic time warping: how different two spectra sound.

    Source: Kubichek 1993, "Mel-cepstral distance measure for objective speech quality assessment":
    10 / ln 10 · sqrt(2 Σ d²), over the cepstra from 1 on, so that loudness does not matter. A
    cepstrum c is the mean over the bands m = 0 … M - 1 of log energy · cos(π c (m + ½) / M): so the
    distortion is by how many decibels the envelopes of the spectra differ, root mean square over
    the bands. Programs that scale their cepstra otherwise give other numbers.

    Args:
        synthesised: float [F, M], log mel energies (natural logarithm), as `LogMelSpectrogram`
            gives them, without padding.
        reference: float [F', M], likewise.
        num_cepstra: the highest cepstrum that is compared.

    Returns:
        The distortion, and the path whose sum of distances is the least.

    Raises:
        ValueError: a spectrogram has no frame, is not finite, or they differ in bands; or there are
            no more bands than cepstra.

    Example:

    >>> bands = np.cos(np.pi * 2 * (np.arange(80) + 0.5) / 80)
    >>> flat, wavy = np.zeros((5, 80)), np.tile(np.log(10) / 10 * bands, (7, 1))
    >>> round(mel_cepstral_distortion(wavy, flat).distortion_db, 4)  # a cosine of 1 dB
    0.7071
    """
    cepstra = []
    for name, log_mel in (("synthesised", synthesised), ("reference", reference)):
        log_mel = np.asarray(log_mel, np.float64)
        if log_mel.ndim != 2 or not len(log_mel) or not np.isfinite(log_mel).all():
            raise ValueError(
                f"{name} must be finite float [F, M] with at least one frame; got shape "
                f"{log_mel.shape}."
            )
        size = log_mel.shape[1]
        if not 1 <= num_cepstra < size:
            raise ValueError(
                f"num_cepstra must be 1 to {size - 1} for {size} bands; got {num_cepstra}."
            )
        order = np.arange(1, num_cepstra + 1)
        waves = np.cos(np.pi * order * (np.arange(size)[:, None] + 0.5) / size) / size
        cepstra.append(log_mel @ waves)
    if np.shape(synthesised)[1] != np.shape(reference)[1]:
        raise ValueError(
            f"the spectrograms have {np.shape(synthesised)[1]} and {np.shape(reference)[1]} bands; "
            "make both with the same parameters."
        )
    apart = cepstra[0][:, None] - cepstra[1][None, :]
    distances = 10 / np.log(10) * np.sqrt(2 * np.sum(apart**2, axis=-1))
    path = dynamic_time_warping(distances)
    return WarpedSpeech(float(distances[path[:, 0], path[:, 1]].mean()), path)


def dynamic_time_warping(distances: np.ndarray) -> np.ndarray:
    """The way through a table of distances, from corner to corner, whose sum is the least.

    Source: Sakoe and Chiba 1978, "Dynamic programming algorithm optimization for spoken word
    recognition", without slope constraints: each step is to the next row, column, or both.

    Args:
        distances: float [F, F'], not empty.

    Returns:
        int64 [P, 2]: rows and columns; of equals, diagonal steps.

    Example:

    >>> one, other = np.array([1.0, 5.0, 9.0]), np.array([1.0, 1.0, 5.0, 9.0])
    >>> dynamic_time_warping(np.abs(one[:, None] - other)).tolist()
    [[0, 0], [0, 1], [1, 2], [2, 3]]
    """
    rows, columns = distances.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0.0
    # Everything on one diagonal, from upper right to lower left, follows from the two before.
    for diagonal in range(rows + columns - 1):
        row = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        column = diagonal - row
        before = np.minimum(total[row, column], total[row, column + 1])
        before = np.minimum(before, total[row + 1, column])
        total[row + 1, column + 1] = distances[row, column] + before
    row, column = rows - 1, columns - 1
    path = [(row, column)]
    while row or column:
        steps = ((row - 1, column - 1), (row - 1, column), (row, column - 1))
        row, column = min(steps, key=lambda step: total[step[0] + 1, step[1] + 1])
        path.append((row, column))
    return np.array(path[::-1])


def duration_error(predicted: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """How far the durations of tokens are off, in the unit they come in.

    Args:
        predicted: numbers [T], of the tokens of one text, or of several in a row.
        true: numbers [T].

    Returns:
        `mean_absolute`: the mean error of a token; `total_ratio`: how long all of them together
        are, as a share of how long they should be.

    Raises:
        ValueError: the shapes differ, or nothing lasts.

    Example:

    >>> duration_error(np.array([3, 5, 2]), np.array([4, 5, 1]))
    {'mean_absolute': 0.666..., 'total_ratio': 1.0}
    """
    predicted, true = np.asarray(predicted, np.float64), np.asarray(true, np.float64)
    if predicted.shape != true.shape or not true.sum() > 0:
        raise ValueError(
            f"predicted and true must be of one shape, and last; got shapes {predicted.shape} and "
            f"{true.shape}, and {true.sum()} in all."
        )
    return {
        "mean_absolute": float(np.abs(predicted - true).mean()),
        "total_ratio": float(predicted.sum() / true.sum()),
    }


def f0_error(
    synthesised_hz: np.ndarray, reference_hz: np.ndarray, path: np.ndarray | None = None
) -> dict[str, float]:
    """How far the pitch is off, and how often only one of the two has a pitch.

    Args:
        synthesised_hz: float [F], fundamental frequencies; 0 where a frame is not voiced.
        reference_hz: float [F'], likewise.
        path: int [P, 2], which frame is compared with which, such as `mel_cepstral_distortion`
            gives; None: each with the one at its place.

    Returns:
        `rmse_hz` and `rmse_cents`: root mean squares over the pairs in which both are voiced (1200
        cents are an octave), NaN where there are none; `voicing_error`: the share of pairs in which
        only one is.

    Raises:
        ValueError: there is no path and the lengths differ, the path leaves a sequence, or there is
            nothing to compare.

    Example:

    >>> f0_error(np.array([100.0, 220.0, 0.0]), np.array([100.0, 110.0, 90.0]))
    {'rmse_hz': 77.781..., 'rmse_cents': 848.528..., 'voicing_error': 0.333...}
    """
    one, other = np.asarray(synthesised_hz, np.float64), np.asarray(reference_hz, np.float64)
    if path is None:
        if one.shape != other.shape:
            raise ValueError(
                f"synthesised_hz has shape {one.shape} and reference_hz {other.shape}; hand in the "
                "path that pairs their frames."
            )
        path = np.stack([np.arange(len(one))] * 2, axis=1)
    if not len(path) or path.min() < 0 or (path.max(axis=0) >= (len(one), len(other))).any():
        raise ValueError(
            f"a path of {len(path)} pairs does not fit {len(one)} and {len(other)} frames."
        )
    one, other = one[path[:, 0]], other[path[:, 1]]
    both = (one > 0) & (other > 0)
    error_hz = one[both] - other[both]
    cents = 1200 * np.log2(one[both] / other[both])
    found = both.any()
    return {
        "rmse_hz": float(np.sqrt(np.mean(error_hz**2))) if found else float("nan"),
        "rmse_cents": float(np.sqrt(np.mean(cents**2))) if found else float("nan"),
        "voicing_error": float(np.mean((one > 0) != (other > 0))),
    }
