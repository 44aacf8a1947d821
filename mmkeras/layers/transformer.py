"""`Transformer`: the encoder-decoder, from vectors to vectors.

Source: Vaswani et al. 2017, "Attention Is All You Need".
"""

from typing import Any, NamedTuple

import keras
from keras import ops

from mmkeras.layers.composite import Composite, copied
from mmkeras.layers.decoder import TransformerDecoder
from mmkeras.layers.decoder_block import DecoderBlockCache, TransformerDecoderBlock
from mmkeras.layers.encoder_block import TransformerEncoderBlock
from mmkeras.layers.feed_forward import FeedForward
from mmkeras.layers.multi_head_attention import MultiHeadAttention
from mmkeras.layers.residual import Residual
from mmkeras.layers.stack import TransformerStack


class DecodingState(NamedTuple):
    """What a `Transformer` keeps from one target vector to the next; a state for `decoding`.

    Attributes:
        cache: keys and values of every block.
        source_mask: bool [B, S].
    """

    cache: tuple[DecoderBlockCache, ...]
    source_mask: Any


@keras.saving.register_keras_serializable(package="mmkeras")
class Transformer(Composite):
    """Encodes a source, then decodes targets that see the source and the targets before them.

    From vectors to vectors, with the arguments of `torch.nn.Transformer`; `TokenTransformer` puts
    token ids around it. Targets never see later ones: no mask needs to say so.

    Args:
        d_model: D of the vectors.
        nhead: number of attention heads; must divide `d_model`.
        num_layers: number of encoder blocks, and of decoder blocks.
        dim_feedforward: width of the feed-forward layers; None: four times `d_model`.
        dropout: fraction of units dropped in training.
        activation: of the feed-forward layers.
        residual: the pattern of all residual connections, which says what normalises where; None:
            layer normalisation behind each sub-layer, as in the paper. A copy of its norm stands
            behind the last block of encoder and decoder.
        checkpoint: whether training computes activations again instead of keeping them; see
            `TransformerStack`.

    Raises:
        ValueError: `num_layers` is below 1, or `nhead` does not divide `d_model`.

    Example:

    >>> import numpy as np
    >>> transformer = Transformer(d_model=8, nhead=2, num_layers=1)
    >>> src, tgt = np.ones((1, 5, 8), "float32"), np.ones((1, 3, 8), "float32")
    >>> tuple(transformer(src, tgt).shape)
    (1, 3, 8)
    """

    parts = ("residual",)

    def __init__(
        self,
        d_model: int,
        nhead: int,
        num_layers: int,
        *,
        dim_feedforward: int | None = None,
        dropout: float = 0.1,
        activation: Any = "relu",
        residual: Residual | None = None,
        checkpoint: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if num_layers < 1:
            raise ValueError(f"num_layers must be at least 1; got {num_layers}.")
        policy = self.dtype_policy
        self.d_model = d_model
        self.nhead = nhead
        self.num_layers = num_layers
        self.dim_feedforward = 4 * d_model if dim_feedforward is None else dim_feedforward
        self.dropout = dropout
        self.activation = keras.activations.get(activation)
        pattern = Residual(norm_first=False, dtype=policy) if residual is None else residual

        def attention(name: str) -> MultiHeadAttention:
            return MultiHeadAttention(d_model, nhead, dropout=dropout, name=name, dtype=policy)

        def feed_forward() -> FeedForward:
            return FeedForward(
                d_model,
                self.dim_feedforward,
                dropout,
                activation=self.activation,
                name="feed_forward",
                dtype=policy,
            )

        blocks = range(num_layers)
        whole = {"checkpoint": checkpoint, "dtype": policy}
        self.encoder = TransformerStack(
            d_model,
            [
                TransformerEncoderBlock(
                    attention("attention"),
                    feed_forward(),
                    pattern,
                    name=f"block_{i}",
                    dtype=policy,
                )
                for i in blocks
            ],
            copied(pattern.norm, name="norm"),
            name="encoder",
            **whole,
        )
        self.decoder = TransformerDecoder(
            [
                TransformerDecoderBlock(
                    attention("self_attention"),
                    feed_forward(),
                    attention("cross_attention"),
                    pattern,
                    name=f"block_{i}",
                    dtype=policy,
                )
                for i in blocks
            ],
            copied(pattern.norm, name="norm"),
            name="decoder",
            **whole,
        )

    @property
    def residual(self) -> Residual:
        """The pattern of the residual connections."""
        return self.encoder.blocks[0].residual

    def build(self, src_shape: Any, tgt_shape: Any = None, **shapes: Any) -> None:
        self.encoder.build(src_shape)
        self.decoder.build(src_shape if tgt_shape is None else tgt_shape, src_shape)

    def call(
        self,
        src: Any,
        tgt: Any,
        src_mask: Any = None,
        tgt_mask: Any = None,
        training: bool | None = None,
    ) -> Any:
        """Encodes and decodes whole sequences, as in training.

        Args:
            src: float [B, S, D].
            tgt: float [B, T, D].
            src_mask: bool [B, S], True = keep; None: all. Keras passes on a mask that `src`
                carries.
            tgt_mask: bool [B, T], True = keep; None: all.
            training: True applies dropout.

        Returns:
            float [B, T, D]: at t, what was made of the source and the targets up to t.

        Raises:
            ValueError: the vectors have another D.
        """
        for name, vectors in (("src", src), ("tgt", tgt)):
            if len(vectors.shape) != 3 or vectors.shape[-1] != self.d_model:
                raise ValueError(
                    f"{name} must be float [B, T, D] with D = d_model = {self.d_model}; got shape "
                    f"{tuple(vectors.shape)}."
                )
        source = self.encoder(src, attention_mask=src_mask, training=training)
        return self.decoder(
            tgt, source, attention_mask=tgt_mask, source_mask=src_mask, training=training
        )

    def start(self, src: Any, max_length: int, src_mask: Any = None) -> DecodingState:
        """Encodes the source, once, for targets that come one after the other.

        Args:
            src: float [B, S, D].
            max_length: the most targets that will come.
            src_mask: bool [B, S], True = keep; None: all.
        """
        batch, length = ops.shape(src)[:2]
        if src_mask is None:
            src_mask = ops.ones((batch, length), dtype="bool")
        source = self.encoder(src, attention_mask=src_mask, training=False)
        return DecodingState(self.decoder.initial_cache(batch, max_length, source), src_mask)

    def step(self, tgt: Any, state: DecodingState) -> tuple[Any, DecodingState]:
        """The next targets, float [B, T, D], to what `call` makes of them, and the new state."""
        values, cache = self.decoder(
            tgt, source_mask=state.source_mask, cache=state.cache, training=False
        )
        return values, state._replace(cache=cache)

    def compute_output_shape(self, src_shape: Any, tgt_shape: Any, **shapes: Any) -> Any:
        return tgt_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "d_model": self.d_model,
            "nhead": self.nhead,
            "num_layers": self.num_layers,
            "dim_feedforward": self.dim_feedforward,
            "dropout": self.dropout,
            "activation": keras.activations.serialize(self.activation),
            "checkpoint": self.encoder.checkpoint,
        }
