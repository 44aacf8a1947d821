"""`rollout`: where what a token holds came from, by attention alone."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmkeras.layers import recorded_attention
from mmkeras.model import MultimodalModel
from mmkeras.tokens import Tokens
from mmkeras.transparency.attribution import Attribution
from mmkeras.transparency.opened import Opened


def rollout(
    model: MultimodalModel, sample: Mapping[str, Any], task: str | None = None
) -> Attribution:
    """Attention multiplied through all layers, half of each being the token itself.

    It explains no answer in particular, and not whether something speaks for it or against it:
    scores are shares of what reaches the head, and sum to 1 over all fields.

    Source: Abnar & Zuidema 2020, "Quantifying Attention Flow in Transformers", section 3. Where
    they look at one token, here the mean of all that the head is given is taken.

    Args:
        model: the model; encoders and fusion have to be Transformers, see `Raises`.
        sample: `{field: value}`, as `MultimodalModel.answer` takes it.
        task: whose answer is explained; None: the only one.

    Raises:
        ValueError: an encoder attends in windows or to other things than its tokens; the fusion is
            none of `Late` and `Concat`; or see `Opened`.

    Example:

    >>> import mmkeras as mm
    >>> model = mm.MultimodalModel({"text": mm.Text.tiny()},
    ...                            {"mood": mm.Classification(["up", "down"])}, size="tiny")
    >>> round(float(rollout(model, {"text": "the dog"}).scores["text"].sum()), 5)
    1.0
    """
    opened = Opened(model, sample, task)
    seen = attended(opened)
    flows = {}
    for field, layers in seen.encoders.items():
        flow = np.eye(seen.tokens[field].mask.shape[1])
        for weights in layers:
            flow = _half(weights.numpy()[0].mean(axis=0)) @ flow
        flows[field] = flow
    flow = block_diagonal([flows[field] for field in seen.fields])
    for weights in seen.fusion:
        flow = _half(weights.numpy()[0].mean(axis=0)) @ flow
    kept = np.concatenate([seen.tokens[field].mask.numpy()[0] for field in seen.fields])
    scores = flow[kept].mean(axis=0) * kept if kept.any() else np.zeros(len(kept))
    return Attribution(
        "rollout", opened.task, None, seen.by_field(scores / max(scores.sum(), 1e-30))
    )


def _half(weights: np.ndarray) -> np.ndarray:
    return (weights + np.eye(len(weights))) / 2


@dataclasses.dataclass(frozen=True)
class Attended:
    """The attention of one sample.

    Attributes:
        tokens: what encoders made.
        fused: what the fusion made of these.
        encoders: attention weights [1, N, T, T] of the layers of each encoder.
        fusion: those of the fusion, over the tokens of all `fields` one after the other.
    """

    tokens: Mapping[str, Tokens]
    fused: Mapping[str, Tokens]
    encoders: Mapping[str, Sequence[Any]]
    fusion: Sequence[Any]

    @property
    def fields(self) -> list[str]:
        """In the order in which the fusion joins them."""
        return sorted(self.tokens)

    def by_field(self, joined: np.ndarray) -> dict[str, np.ndarray]:
        """The parts of a vector over the tokens of all fields."""
        lengths = [self.tokens[field].mask.shape[1] for field in self.fields]
        parts = np.split(joined, np.cumsum(lengths)[:-1])
        return dict(zip(self.fields, parts))


def attended(opened: Opened) -> Attended:
    """Runs encoders and fusion on a sample, and keeps what attends to what.

    Raises:
        ValueError: see `rollout`.
    """
    tokens, encoders = {}, {}
    for field, tensors in opened.model.fields.split(opened.tensors).items():
        with recorded_attention() as weights:
            tokens[field] = opened.encoded(field, tensors)
        encoders[field] = weights
        length = tokens[field].mask.shape[1]
        _check(weights, length, f"the encoder of field {field!r}, "
               f"{type(opened.model.encoders[field]).__name__},")  # fmt: skip
    with recorded_attention() as weights:
        fused = opened.fused(tokens)
    total = sum(token.mask.shape[1] for token in tokens.values())
    _check(weights, total, f"the fusion {type(opened.model.fusion).__name__}")
    return Attended(tokens, fused, encoders, weights)


def _check(weights: Sequence[Any], length: int, what: str) -> None:
    for layer in weights:
        if layer.shape[0] != 1 or tuple(layer.shape[2:]) != (length, length):
            raise ValueError(
                f"{what} does not attend from all of its {length} tokens to all of them: attention "
                f"of shape {tuple(layer.shape)} cannot be followed back; use integrated_gradients."
            )


def block_diagonal(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """Square matrices along the diagonal of one.

    Example:

    >>> block_diagonal([np.eye(1), 2 * np.eye(1)]).tolist()
    [[1.0, 0.0], [0.0, 2.0]]
    """
    size = sum(len(block) for block in blocks)
    whole, start = np.zeros((size, size)), 0
    for block in blocks:
        whole[start : start + len(block), start : start + len(block)] = block
        start += len(block)
    return whole
