"""Where two models decide alike."""

import numpy as np


def decisions(name: str, output: np.ndarray) -> np.ndarray | None:
    """What an output says by one of several values; None where it is no choice.

    Of `logits` the likeliest class; whole numbers, such as a pixel's class, are choices themselves,
    and so are `token_ids`, which heads give as floats.

    Args:
        name: the output's, perhaps behind that of its task: `"mood_logits"`.
        output: array [B, ...].

    Returns:
        Whole numbers or bool, [B, ...].

    Example:

    >>> decisions("mood_logits", np.array([[0.1, 0.7], [2.0, -1.0]])).tolist()
    [1, 0]
    >>> decisions("mood_probabilities", np.ones((2, 2))) is None
    True
    """
    last = name.rsplit("_", 1)[-1]
    if last == "logits" and output.shape[-1] > 1:
        return np.argmax(output, axis=-1)
    return output if output.dtype.kind in "iub" or name.endswith("token_ids") else None
