"""Building blocks of every network, in `keras.ops` alone, so that they run on any Keras backend."""

from mmkeras.layers.attention import KVCache, MultiHeadAttention, dot_product_attention
from mmkeras.layers.autoregression import Sequences, Step, autoregress
from mmkeras.layers.checkpoint import checkpointed
from mmkeras.layers.composite import Composite, copied
from mmkeras.layers.conformer import ConformerBlock, ConformerConvolution
from mmkeras.layers.decoder import TransformerDecoder
from mmkeras.layers.decoder_block import DecoderBlockCache, TransformerDecoderBlock
from mmkeras.layers.encoder_block import TransformerEncoderBlock
from mmkeras.layers.feed_forward import FeedForward
from mmkeras.layers.field_projection import FieldProjection
from mmkeras.layers.layer_scale import LayerScale
from mmkeras.layers.masks import AttentionMask
from mmkeras.layers.modality_dropout import ModalityDropout
from mmkeras.layers.pooling import FieldPooling, masked_mean
from mmkeras.layers.positions import LearnedPositions, SinusoidalPositions, sinusoids
from mmkeras.layers.residual import Residual
from mmkeras.layers.sizes import SIZES, Size, size_of
from mmkeras.layers.spectrogram import LogMelSpectrogram, mel_filters
from mmkeras.layers.stack import TransformerStack
from mmkeras.layers.stochastic_depth import StochasticDepth
from mmkeras.layers.token_transformer import TokenState, TokenTransformer
from mmkeras.layers.transformer import DecodingState, Transformer

__all__ = [
    "SIZES",
    "AttentionMask",
    "Composite",
    "ConformerBlock",
    "ConformerConvolution",
    "DecoderBlockCache",
    "DecodingState",
    "FeedForward",
    "FieldPooling",
    "FieldProjection",
    "KVCache",
    "LayerScale",
    "LearnedPositions",
    "LogMelSpectrogram",
    "ModalityDropout",
    "MultiHeadAttention",
    "Residual",
    "Sequences",
    "SinusoidalPositions",
    "Size",
    "Step",
    "StochasticDepth",
    "TokenState",
    "TokenTransformer",
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderBlock",
    "TransformerEncoderBlock",
    "TransformerStack",
    "autoregress",
    "checkpointed",
    "copied",
    "dot_product_attention",
    "masked_mean",
    "mel_filters",
    "sinusoids",
    "size_of",
]
