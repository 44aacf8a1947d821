"""Durations of tokens, in frames: from tokens to frames, and back."""

from typing import Any

from keras import ops


def hard_alignment(durations: Any, num_frames: Any, dtype: str = "float32") -> Any:
    """Which frame belongs to which token, if each lasts as long as is said, one after the other.

    Args:
        durations: int [B, T], frames of each token; 0 for none.
        num_frames: F, an int or an int tensor; what would come later is cut off.
        dtype: of the result.

    Returns:
        `dtype` [B, F, T]: 1 where a frame belongs to a token, else 0; frames after the last token
        belong to none.

    Example:

    >>> import numpy as np
    >>> np.array(hard_alignment(np.array([[2, 0, 1]]), num_frames=4)).tolist()
    [[[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]]
    """
    durations = ops.cast(durations, "int32")
    end = ops.cumsum(durations, axis=1)[:, None, :]
    start = end - durations[:, None, :]
    frame = ops.arange(num_frames, dtype="int32")[:, None]
    return ops.cast(ops.logical_and(frame >= start, frame < end), dtype)


def expand(values: Any, durations: Any, num_frames: Any) -> Any:
    """Repeats each token as often as it has frames.

    Source: Ren et al. 2019, "FastSpeech", section 3.2 (length regulator).

    Args:
        values: float [B, T, D], finite.
        durations: int [B, T], frames of each token; 0 for none.
        num_frames: F, an int or an int tensor; what would come later is cut off.

    Returns:
        float [B, F, D]; 0 in frames after the last token.

    Example:

    >>> import numpy as np
    >>> values = np.array([[[1.0], [2.0], [3.0]]], "float32")
    >>> np.array(expand(values, np.array([[2, 0, 1]]), num_frames=4))[0, :, 0].tolist()
    [1.0, 1.0, 3.0, 0.0]
    """
    values = ops.convert_to_tensor(values)
    return ops.matmul(hard_alignment(durations, num_frames, values.dtype), values)


def per_token_mean(frame_values: Any, durations: Any, frame_mask: Any = None) -> Any:
    """The mean over the frames of each token, such as of pitch over those that are voiced.

    Source: Łańcucki 2021, "FastPitch", section 2.

    Args:
        frame_values: float [B, F]; where masked, anything finite.
        durations: int [B, T], frames of each token; 0 for none.
        frame_mask: bool [B, F], True = a frame that counts; None: all do.

    Returns:
        float32 [B, T]; 0 for a token without a frame that counts.

    Example:

    >>> import numpy as np
    >>> f0_hz, durations = np.array([[100.0, 120.0, 0.0, 90.0]]), np.array([[2, 1, 1]])
    >>> np.array(per_token_mean(f0_hz, durations, frame_mask=f0_hz > 0)).tolist()
    [[110.0, 0.0, 90.0]]
    """
    frame_values = ops.cast(frame_values, "float32")
    alignment = hard_alignment(durations, ops.shape(frame_values)[1])
    if frame_mask is not None:
        alignment = ops.where(frame_mask[..., None], alignment, 0.0)
    total = ops.sum(alignment * frame_values[..., None], axis=1)
    return total / ops.maximum(ops.sum(alignment, axis=1), 1.0)
