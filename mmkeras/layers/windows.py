"""Long sequences in windows of one length, so that attention costs as much as there are tokens."""

from typing import Any

from keras import ops


def windows_of(values: Any, window: int, overlap: int = 0) -> Any:
    """Cuts sequences into windows, each of which also sees what stands beside it.

    A window keeps its middle, `window - 2 · overlap` places, and sees `overlap` places before and
    behind; places outside of the sequence are 0. See `joined` for the way back. So Joshi et al.
    2019, "BERT for Coreference Resolution", and others read texts longer than their encoder.

    Args:
        values: [B, T], such as token ids, 0 for padding.
        window: the places in a window.
        overlap: the places at either side that a window sees and does not keep.

    Returns:
        [B · W, window], the W windows of the first sequence first; W · (window - 2 · overlap) is
        T or the next larger number.

    Raises:
        ValueError: the window keeps nothing.

    Example:

    >>> import numpy as np
    >>> np.array(windows_of(np.array([[1, 2, 3, 4, 5]]), window=4, overlap=1)).tolist()
    [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 0, 0]]
    """
    kept = check_window(window, overlap)
    length = values.shape[1] or ops.shape(values)[1]
    count = (length + kept - 1) // kept
    padded = ops.pad(values, ((0, 0), (overlap, count * kept - length + overlap)))
    places = ops.arange(count)[:, None] * kept + ops.arange(window)[None]
    return ops.reshape(ops.take(padded, places, axis=1), (-1, window))


def joined(values: Any, length: Any, window: int, overlap: int = 0) -> Any:
    """Puts the middles of windows together again.

    Args:
        values: [B · W, window, D], one for each place of `windows_of`.
        length: T.
        window, overlap: as they were cut.

    Returns:
        [B, T, D].

    Example:

    >>> import numpy as np
    >>> values = np.array([[1, 2, 3, 4, 5]])
    >>> cut = np.array(windows_of(values, window=4, overlap=1))
    >>> np.array(joined(cut[..., None], 5, window=4, overlap=1))[..., 0].tolist()
    [[1, 2, 3, 4, 5]]
    """
    kept = check_window(window, overlap)
    count = (length + kept - 1) // kept
    middles = values[:, overlap : overlap + kept]
    return ops.reshape(middles, (-1, count * kept, values.shape[-1]))[:, :length]


def check_window(window: int, overlap: int) -> int:
    """The places that a window keeps.

    Raises:
        ValueError: it keeps nothing.

    Example:

    >>> check_window(128, overlap=16)
    96
    """
    kept = window - 2 * overlap
    if overlap < 0 or kept < 1:
        raise ValueError(
            f"a window of {window} places with {overlap} of overlap at either side keeps {kept}; "
            "window has to be larger than twice the overlap."
        )
    return kept
