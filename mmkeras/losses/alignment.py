"""Losses of alignments between the frames of a recording and the tokens of its text."""

from typing import Any

from keras import ops

from mmkeras.layers.monotonic_alignment import Paths


def forward_sum(log_likelihood: Any, frame_mask: Any, token_mask: Any) -> Any:
    """-log of the probability of all monotonic paths together, of each recording.

    Source: Shih et al. 2021, "RAD-TTS", section 2.2; Badlani et al. 2022, "One TTS Alignment to
    Rule Them All", equation 3. Its authors compute it as a CTC loss, with a blank of their own;
    here it is the sum itself. Its gradients are the probabilities of the tokens in each frame,
    computed in one more walk: so they are finite, and need no memory for the steps of the first.

    Args:
        log_likelihood: float [B, F, T], how probable each frame is if each token is said in it,
            such as `mmkeras.layers.log_likelihood` gives, or how probable each token is in each
            frame; at masked places anything.
        frame_mask: bool [B, F], True = a frame that counts; these come first.
        token_mask: bool [B, T], likewise.

    Returns:
        float32 [B]; 0, without gradients, where there is no token or fewer frames than tokens.

    Raises:
        ValueError: a shape or a dtype is another.

    Example:

    >>> import numpy as np
    >>> attention = np.log([[[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]])
    >>> masks = np.ones((1, 3), bool), np.ones((1, 2), bool)
    >>> loss = forward_sum(attention, *masks)  # Two paths: -log(0.9 * 0.8 * (0.6 + 0.4))
    >>> round(float(loss[0]), 4)
    0.3285
    """

    @ops.custom_gradient
    def value(log_likelihood: Any) -> tuple[Any, Any]:
        paths = Paths.of(log_likelihood, frame_mask, token_mask)
        after = paths.forward(ops.logaddexp)

        def gradients(upstream: Any) -> Any:
            weight = ops.where(paths.exist, upstream, 0.0)[:, None]
            weight = ops.where(paths.counts[..., None], weight, 0.0)
            weight = ops.where(token_mask, weight, 0.0)
            found = ops.where(weight != 0.0, paths.posterior(after), 0.0)
            return ops.transpose(-weight * found, (1, 0, 2))

        return ops.where(paths.exist, -paths.log_total(after), 0.0), gradients

    return value(ops.cast(log_likelihood, "float32"))
