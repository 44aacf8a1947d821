"""Building blocks of every network, in `keras.ops` alone, so that they run on any Keras backend."""

from mmkeras.layers.attention import MultiHeadAttention, dot_product_attention
from mmkeras.layers.autoregression import Sequences, Step, autoregress
from mmkeras.layers.field_projection import FieldProjection
from mmkeras.layers.modality_dropout import ModalityDropout
from mmkeras.layers.pooling import FieldPooling, masked_mean
from mmkeras.layers.positions import LearnedPositions, SinusoidalPositions, sinusoids
from mmkeras.layers.sizes import SIZES, Size, size_named
from mmkeras.layers.spectrogram import LogMelSpectrogram, mel_filters
from mmkeras.layers.transformer import FeedForward, TransformerBlock, TransformerStack

__all__ = [
    "SIZES",
    "FeedForward",
    "FieldPooling",
    "FieldProjection",
    "LearnedPositions",
    "LogMelSpectrogram",
    "ModalityDropout",
    "MultiHeadAttention",
    "Sequences",
    "SinusoidalPositions",
    "Size",
    "Step",
    "TransformerBlock",
    "TransformerStack",
    "autoregress",
    "dot_product_attention",
    "masked_mean",
    "mel_filters",
    "sinusoids",
    "size_named",
]
