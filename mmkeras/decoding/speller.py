"""`Speller`: the best sequences of a beam search, scored once more by an attention decoder."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from mmkeras.contracts.arguments import check_count, check_number
from mmkeras.contracts.configured import Configured
from mmkeras.layers.autoregression import Sequences


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class Speller(Configured):
    """An attention decoder beside a `SpeechRecognition`: how it is made, trained and asked.

    Args:
        depth: number of decoder blocks.
        num_heads: of their attention.
        dropout: fraction of units dropped in training.
        loss_share: the decoder's share of the loss, from 0 to 1; the rest is the alignment's.
        weight: the decoder's share of the score of a text, from 0 (the beams alone decide) to 1
            (the decoder alone decides among what they found). The best value is found on
            validation samples, and `model.set_task` changes it in a trained model.

    Raises:
        ValueError: a number is out of its range.

    Example:

    >>> Speller(weight=1.5)
    Traceback (most recent call last):
    ValueError: weight must be in [0, 1]; got 1.5.
    """

    depth: int = 2
    num_heads: int = 4
    dropout: float = 0.1
    loss_share: float = 0.5
    weight: float = 0.5

    def __post_init__(self) -> None:
        """Checks the arguments."""
        check_count("depth", self.depth)
        check_count("num_heads", self.num_heads)
        for name in ("dropout", "loss_share", "weight"):
            value = getattr(self, name)
            check_number(name, value)
            if not 0 <= value <= 1 or (name == "dropout" and value == 1):
                bound = ")" if name == "dropout" else "]"
                raise ValueError(f"{name} must be in [0, 1{bound}; got {value}.")


def rescored(found: Sequences, log_probability: Callable[[Any], Any], weight: float) -> Sequences:
    """The sequences that a search found, in the order of what two judges say of them together.

        score = (1 - weight) · score of the search + weight · log P(tokens, end)

    with the second probability that of an attention decoder, and the first score that of the
    prefix beam search: log P(tokens | frames), its language model and its bonus. Alignment is
    strict about time and takes tokens for independent of each other; attention knows which tokens
    follow which and is free to loop, or to leave out what was said. Each mistake is improbable to
    the other.

    Watanabe et al. 2017 combine them in one pass, in which attention proposes tokens and the
    probability of a prefix is summed over all frames for each of them. Here it is two passes, as in
    Zhang et al. 2020: alignment proposes whole sequences, and all of them are given to the decoder
    at once, as in training. The score of a whole sequence is the same; the two differ in what their
    beams lose. The second pass is one step of matrix products where the first way has as many as
    tokens times frames, all shapes are known, which LiteRT needs, and no sequence is proposed whose
    end the alignment has not seen, which is how attention alone fails on long recordings.

    Sources: Watanabe et al. 2017, "Hybrid CTC/Attention Architecture for End-to-End Speech
    Recognition" (joint decoding); Zhang et al. 2020, "Unified Streaming and Non-streaming Two-pass
    End-to-end Model for Speech Recognition" (rescoring).

    Args:
        found: `Sequences` of [B, N, T], such as those of `ctc_beam`.
        log_probability: `int32 [B · N, T] -> float32 [B · N]`, of whole sequences, rows of one
            sample behind each other.
        weight: see `Speller`.

    Returns:
        `Sequences` of the same shapes, the best first; those that do not exist stay behind, with
        score -inf.

    Example:

    >>> import numpy as np
    >>> found = Sequences(np.array([[[1], [2]]]), np.array([[1, 1]]), np.log([[0.6, 0.4]]))
    >>> likes_2 = lambda ids: ops.log(ops.where(ids[:, 0] == 2, 0.9, 0.1))
    >>> np.array(rescored(found, likes_2, weight=0.5).token_ids).tolist()
    [[[2], [1]]]
    """
    ids, lengths, scores = (ops.convert_to_tensor(part) for part in found)
    count, length = scores.shape[1], ops.shape(ids)[2]
    judged = ops.reshape(log_probability(ops.reshape(ids, (-1, length))), (-1, count))
    there = ops.isfinite(scores)
    # Nothing times minus infinity is no number.
    both = (1.0 - weight) * ops.where(there, scores, 0.0) + weight * ops.cast(judged, scores.dtype)
    scores, order = ops.top_k(ops.where(there, both, -float("inf")), count)
    return Sequences(
        ops.take_along_axis(ids, order[:, :, None], axis=1),
        ops.take_along_axis(lengths, order, axis=1),
        scores,
    )
