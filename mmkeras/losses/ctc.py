"""The loss of connectionist temporal classification: labels without a place in time."""

from typing import Any

from mmkeras.layers.ctc_lattice import CTCLattice, alignable

__all__ = ["alignable", "ctc_loss"]


def ctc_loss(logits: Any, mask: Any, labels: Any) -> Any:
    """-log P(labels | logits), all ways to spread the labels over the frames together.

    Class 0 is the blank. A way says one class at each frame; it stands for the labels that are left
    when equal neighbours are merged and then blanks removed.

    A sample whose labels do not fit into its frames has loss 0 and no gradient, instead of an
    infinite loss that spoils its batch; `alignable` tells which do.

    Source: Graves et al. 2006, "Connectionist Temporal Classification: Labelling Unsegmented
    Sequence Data with Recurrent Neural Networks".

    Args:
        logits: float [B, T, K], class 0 the blank; where masked anything, NaN too.
        mask: bool [B, T], True = a frame that counts.
        labels: int [B, L], classes from 1 on, 0 behind them; a row of zeros asks for blanks alone.

    Returns:
        float32 [B].

    Raises:
        ValueError: a shape or a dtype is another.

    Example:

    >>> import numpy as np
    >>> logits, mask = np.log([[[0.6, 0.4], [0.3, 0.7]]] * 3), np.ones((3, 2), bool)
    >>> losses = ctc_loss(logits, mask, np.array([[1, 0], [0, 0], [1, 1]]))
    >>> # 0.4 x 0.7 + 0.4 x 0.3 + 0.6 x 0.7; 0.6 x 0.3; two equal labels need three frames
    >>> np.exp(-np.array(losses, "float64")).round(4).tolist(), float(losses[2])
    ([0.82, 0.18, 1.0], 0.0)
    """
    return CTCLattice.of(logits, mask, labels).negative_log_likelihood()
