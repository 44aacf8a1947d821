"""Losses that draw together what belongs together and push the rest of a batch apart."""

from typing import Any

from keras import ops


def info_nce(positive: Any, logits: Any, negatives: Any) -> Any:
    """-log of the share that the partner has among itself and all that is not a partner.

    Source: van den Oord et al. 2018, "Representation Learning with Contrastive Predictive Coding",
    equation 4; between two modalities as in Radford et al. 2021 (CLIP).

    Args:
        positive: float [B], how alike each anchor is to its partner, over the temperature.
        logits: float [B, N], how alike it is to everything.
        negatives: bool [B, N], what of that is not its partner.

    Returns:
        float32 [B]; 0 where there is no negative.

    Example:

    >>> import numpy as np
    >>> logits = np.log([[0.5, 0.25, 0.25]])
    >>> loss = info_nce(logits[:, 0], logits, np.array([[False, True, False]]))
    >>> round(float(loss[0]), 4)  # -log(0.5 / 0.75)
    0.4055
    """
    positive, logits = ops.cast(positive, "float32"), ops.cast(logits, "float32")
    others = ops.where(negatives, logits, -1e9)
    together = ops.concatenate([positive[:, None], others], axis=1)
    return ops.logsumexp(together, axis=1) - positive


def pairwise_sigmoid(positive: Any, logits: Any, negatives: Any) -> Any:
    """-log σ of the partner and -log σ(-·) of every negative, each pair judged by itself.

    Source: Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training" (SigLIP), equation 1.

    Args:
        positive: float [B], see `info_nce`; a bias added.
        logits: float [B, N], likewise.
        negatives: bool [B, N].

    Returns:
        float32 [B].

    Example:

    >>> import numpy as np
    >>> loss = pairwise_sigmoid(np.zeros(1), np.zeros((1, 3)), np.array([[False, True, True]]))
    >>> round(float(loss[0] / np.log(2)), 4)
    3.0
    """
    positive, logits = ops.cast(positive, "float32"), ops.cast(logits, "float32")
    others = ops.where(negatives, ops.softplus(logits), 0.0)
    return ops.softplus(-positive) + ops.sum(others, axis=1)
