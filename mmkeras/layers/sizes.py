"""How large a Transformer is: one value that encoders and fusions share, and the named ones."""

import dataclasses
from typing import Any

import keras

from mmkeras.layers.conformer import ConformerBlock, ConformerConvolution
from mmkeras.layers.decoder import TransformerDecoder
from mmkeras.layers.decoder_block import TransformerDecoderBlock
from mmkeras.layers.encoder_block import TransformerEncoderBlock
from mmkeras.layers.feed_forward import FeedForward
from mmkeras.layers.multi_head_attention import MultiHeadAttention
from mmkeras.layers.residual import Residual
from mmkeras.layers.rotary import RotaryPositions
from mmkeras.layers.stack import TransformerStack


@dataclasses.dataclass(frozen=True)
class Size:
    """The numbers of a plain Transformer encoder, and the blocks that they describe.

    Attributes:
        dim: D of the tokens.
        depth: number of blocks; 0 leaves the last normalisation alone.
        num_heads: number of attention heads; must divide `dim`.
        mlp_dim: width of the feed-forward layers.

    Example:

    >>> len(Size(dim=16, depth=2, num_heads=2, mlp_dim=32).stack().blocks)
    2
    """

    dim: int
    depth: int
    num_heads: int
    mlp_dim: int

    def block(
        self, dropout: float = 0.0, *, stochastic_depth: float = 0.0, **kwargs: Any
    ) -> TransformerEncoderBlock:
        """One block: plain attention, GELU, layer normalisation before each sub-layer.

        Args:
            dropout: fraction of units dropped in training.
            stochastic_depth: see `Residual`.
            kwargs: `name` and `dtype` of the block; its parts get the same `dtype`.
        """
        dtype = {"dtype": kwargs["dtype"]} if "dtype" in kwargs else {}
        return TransformerEncoderBlock(
            MultiHeadAttention(
                self.dim, self.num_heads, dropout=dropout, name="attention", **dtype
            ),
            FeedForward(self.dim, self.mlp_dim, dropout, name="feed_forward", **dtype),
            Residual(stochastic_depth=stochastic_depth, **dtype),
            **kwargs,
        )

    def stack(
        self,
        dropout: float = 0.0,
        *,
        stochastic_depth: float = 0.0,
        checkpoint: bool = False,
        **kwargs: Any,
    ) -> TransformerStack:
        """`depth` blocks and a last normalisation.

        Args:
            dropout: fraction of units dropped in training.
            stochastic_depth: of the last block; the rate grows from 0 at the first, as in Huang et
                al. 2016.
            checkpoint: see `TransformerStack`.
            kwargs: `name` and `dtype` of the stack; its parts get the same `dtype`.
        """
        dtype = {"dtype": kwargs["dtype"]} if "dtype" in kwargs else {}
        rates = [stochastic_depth * i / max(self.depth - 1, 1) for i in range(self.depth)]
        return TransformerStack(
            self.dim,
            [
                self.block(dropout, stochastic_depth=rate, name=f"block_{i}", **dtype)
                for i, rate in enumerate(rates)
            ],
            keras.layers.LayerNormalization(epsilon=1e-6, name="norm", **dtype),
            checkpoint=checkpoint,
            **kwargs,
        )

    def decoder(
        self, dropout: float = 0.0, *, cross_attention: bool = True, **kwargs: Any
    ) -> TransformerDecoder:
        """`depth` decoder blocks, and a last normalisation.

        Args:
            dropout: fraction of units dropped in training.
            cross_attention: whether they look at a source.
            kwargs: `name` and `dtype` of the decoder; its parts get the same `dtype`.

        Example:

        >>> len(Size(dim=16, depth=2, num_heads=2, mlp_dim=32).decoder().blocks)
        2
        """
        dtype = {"dtype": kwargs["dtype"]} if "dtype" in kwargs else {}

        def attention(name: str) -> MultiHeadAttention:
            return MultiHeadAttention(self.dim, self.num_heads, dropout=dropout, name=name, **dtype)

        return TransformerDecoder(
            [
                TransformerDecoderBlock(
                    attention("self_attention"),
                    FeedForward(self.dim, self.mlp_dim, dropout, name="feed_forward", **dtype),
                    attention("cross_attention") if cross_attention else None,
                    Residual(**dtype),
                    name=f"block_{i}",
                    **dtype,
                )
                for i in range(self.depth)
            ],
            keras.layers.LayerNormalization(epsilon=1e-6, name="norm", **dtype),
            **kwargs,
        )

    def conformer_stack(
        self,
        dropout: float = 0.0,
        kernel_size: int = 31,
        *,
        rotary: bool = False,
        causal: bool = False,
        **kwargs: Any,
    ) -> TransformerStack:
        """`depth` Conformer blocks, which also look at what stands right beside a token.

        Args:
            dropout: fraction of units dropped in training.
            kernel_size: see `ConformerConvolution`.
            rotary: whether attention knows distances, by `RotaryPositions`; without, convolutions
                alone do.
            causal: whether convolutions look back alone.
            kwargs: `name` and `dtype` of the stack; its parts get the same `dtype`.

        Example:

        >>> len(Size(dim=16, depth=2, num_heads=2, mlp_dim=32).conformer_stack().blocks)
        2
        """
        dtype = {"dtype": kwargs["dtype"]} if "dtype" in kwargs else {}
        blocks = [
            ConformerBlock(
                FeedForward(self.dim, self.mlp_dim, dropout, activation="silu", **dtype),
                MultiHeadAttention(
                    self.dim,
                    self.num_heads,
                    dropout=dropout,
                    rotary=RotaryPositions(**dtype) if rotary else None,
                    **dtype,
                ),
                ConformerConvolution(self.dim, kernel_size, dropout, causal=causal, **dtype),
                name=f"block_{i}",
                **dtype,
            )
            for i in range(self.depth)
        ]
        return TransformerStack(self.dim, blocks, **kwargs)


SIZES: dict[str, Size] = {
    "tiny": Size(dim=16, depth=1, num_heads=2, mlp_dim=32),
    "small": Size(dim=128, depth=3, num_heads=4, mlp_dim=256),
    "base": Size(dim=768, depth=12, num_heads=12, mlp_dim=3072),
}


def size_of(size: str | Size) -> Size:
    """The size of that name; a `Size` is one already.

    Raises:
        ValueError: there is none; the message lists those that there are.

    Example:

    >>> size_of("tiny").dim
    16
    """
    if isinstance(size, Size):
        return size
    if size not in SIZES:
        raise ValueError(f"size must be one of {sorted(SIZES)}, or a Size; got {size!r}.")
    return SIZES[size]
