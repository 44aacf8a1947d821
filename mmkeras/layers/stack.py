"""`TransformerStack`: blocks one behind the other; what every encoder has at its heart."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras

from mmkeras.layers.checkpoint import checkpointed
from mmkeras.layers.composite import Composite

_entry: contextvars.ContextVar[Callable[[Any], Any] | None] = contextvars.ContextVar(
    "entry", default=None
)


@contextlib.contextmanager
def entering(change: Callable[[Any], Any]) -> Iterator[None]:
    """Within it, what enters a `TransformerStack`, float [B, T, D], is changed first.

    For whoever wants to see, or to vary, what a Transformer is given. It holds where layers run at
    once and not as a graph that was made before.

    Example:

    >>> import numpy as np
    >>> stack = TransformerStack(2, [])
    >>> with entering(lambda values: 2 * values):
    ...     np.array(stack(np.ones((1, 1, 2), "float32"))).tolist()
    [[[2.0, 2.0]]]
    """
    token = _entry.set(change)
    try:
        yield
    finally:
        _entry.reset(token)


@keras.saving.register_keras_serializable(package="mmkeras")
class TransformerStack(Composite):
    """Self-attention blocks and, where they normalise first, a last normalisation.

    Args:
        dim: D of the tokens.
        blocks: unbuilt blocks, such as `TransformerEncoderBlock` or `ConformerBlock`; without any,
            the normalisation is left alone.
        norm: an unbuilt normalisation for the result, or None.
        checkpoint: whether training computes each block's activations again in the backward pass
            instead of keeping them: a third more time for memory that grows by one [B, T, D] with
            each block. See `checkpointed`.

    Example:

    >>> import numpy as np
    >>> from mmkeras.layers import FeedForward, MultiHeadAttention, TransformerEncoderBlock
    >>> stack = TransformerStack(
    ...     8,
    ...     [
    ...         TransformerEncoderBlock(MultiHeadAttention(8, num_heads=2), FeedForward(8, 16))
    ...         for _ in range(2)
    ...     ],
    ...     norm=keras.layers.LayerNormalization(),
    ... )
    >>> tuple(stack(np.ones((1, 3, 8), "float32")).shape)
    (1, 3, 8)
    """

    parts = ("blocks", "norm")

    def __init__(
        self,
        dim: int,
        blocks: Sequence[keras.layers.Layer],
        norm: keras.layers.Layer | None = None,
        *,
        checkpoint: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.dim = dim
        self.blocks = list(blocks)
        self.norm = norm
        self.checkpoint = checkpoint

    def build(self, values_shape: Any, attention_mask_shape: Any = None) -> None:
        for block in self.blocks:
            block.build(values_shape)
        if self.norm is not None:
            self.norm.build(values_shape)

    def call(self, values: Any, attention_mask: Any = None, training: bool | None = None) -> Any:
        """All blocks.

        Args:
            values: float [B, T, D].
            attention_mask: bool [B, T], True = keep, or what else the blocks take.
            training: True applies dropout.

        Returns:
            float [B, T, D].
        """
        if (change := _entry.get()) is not None:
            values = change(values)
        for block in self.blocks:
            given = {"attention_mask": attention_mask, "training": training}
            if self.checkpoint and training:
                values = checkpointed(block, values, **given)
            else:
                values = block(values, **given)
        return values if self.norm is None else self.norm(values)

    def compute_output_shape(self, values_shape: Any, attention_mask_shape: Any = None) -> Any:
        return values_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"dim": self.dim, "checkpoint": self.checkpoint}
