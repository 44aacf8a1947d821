"""Building blocks of every network, in `keras.ops` alone, so that they run on any Keras backend."""

from mmkeras.layers.alibi import ALiBi
from mmkeras.layers.attention import (
    attention_weights,
    dot_product_attention,
    plain_attention,
    recorded_attention,
)
from mmkeras.layers.attention_bias import AttentionBias, DenseBias
from mmkeras.layers.audio_stem import AudioStem
from mmkeras.layers.autoregression import Sequences, Step, autoregress
from mmkeras.layers.checkpoint import checkpointed
from mmkeras.layers.composite import Composite, copied
from mmkeras.layers.conformer import ConformerBlock, ConformerConvolution
from mmkeras.layers.convnext import ConvNeXtBlock
from mmkeras.layers.decoder import TransformerDecoder
from mmkeras.layers.decoder_block import DecoderBlockCache, TransformerDecoderBlock
from mmkeras.layers.durations import expand, hard_alignment, per_token_mean
from mmkeras.layers.encoder_block import TransformerEncoderBlock
from mmkeras.layers.feed_forward import FeedForward
from mmkeras.layers.field_projection import FieldProjection
from mmkeras.layers.frame_normalization import GlobalNormalization, UtteranceNormalization
from mmkeras.layers.fundamental_frequency import FundamentalFrequency
from mmkeras.layers.griffin_lim import GriffinLim
from mmkeras.layers.kv_cache import KVCache, ProjectedSource
from mmkeras.layers.layer_scale import LayerScale
from mmkeras.layers.linear_chain import LinearChain
from mmkeras.layers.masks import AttentionMask
from mmkeras.layers.mfcc import MFCC
from mmkeras.layers.modality_dropout import ModalityDropout
from mmkeras.layers.monotonic_alignment import (
    beta_binomial_log_prior,
    log_likelihood,
    monotonic_alignment,
)
from mmkeras.layers.multi_head_attention import MultiHeadAttention
from mmkeras.layers.pooling import (
    AttentionPooling,
    FieldPooling,
    first_token,
    masked_max,
    masked_mean,
)
from mmkeras.layers.positions import GridPositions, LearnedPositions, SinusoidalPositions, sinusoids
from mmkeras.layers.prefix_decoder import Prefix, PrefixDecoder, PrefixDecoderState
from mmkeras.layers.relative_bias import RelativeBias
from mmkeras.layers.residual import Residual
from mmkeras.layers.rotary import GridRotaryPositions, RotaryPositions
from mmkeras.layers.short_time_fourier import ShortTimeFourier
from mmkeras.layers.sizes import SIZES, Size, size_of
from mmkeras.layers.spec_augment import SpecAugment
from mmkeras.layers.spectrogram import LogMelSpectrogram, mel_filters
from mmkeras.layers.stack import TransformerStack, entering
from mmkeras.layers.stochastic_depth import StochasticDepth
from mmkeras.layers.tagging import TagScheme
from mmkeras.layers.token_decoder import (
    Attending,
    TextDecoder,
    TokenDecoder,
    TokenDecoderState,
    forced,
    gains_of,
)
from mmkeras.layers.token_embedding import TokenEmbedding
from mmkeras.layers.token_transformer import TokenState, TokenTransformer
from mmkeras.layers.transformer import DecodingState, Transformer
from mmkeras.layers.variance_predictor import VariancePredictor
from mmkeras.layers.vocoder import Vocoder, VocoderSize, VocoderSpectrum

__all__ = [
    "MFCC",
    "SIZES",
    "ALiBi",
    "Attending",
    "AttentionBias",
    "AttentionMask",
    "AttentionPooling",
    "AudioStem",
    "Composite",
    "ConformerBlock",
    "ConformerConvolution",
    "ConvNeXtBlock",
    "DecoderBlockCache",
    "DecodingState",
    "DenseBias",
    "FeedForward",
    "FieldPooling",
    "FieldProjection",
    "FundamentalFrequency",
    "GlobalNormalization",
    "GridPositions",
    "GridRotaryPositions",
    "GriffinLim",
    "KVCache",
    "LayerScale",
    "LearnedPositions",
    "LinearChain",
    "LogMelSpectrogram",
    "ModalityDropout",
    "MultiHeadAttention",
    "Prefix",
    "PrefixDecoder",
    "PrefixDecoderState",
    "ProjectedSource",
    "RelativeBias",
    "Residual",
    "RotaryPositions",
    "Sequences",
    "ShortTimeFourier",
    "SinusoidalPositions",
    "Size",
    "SpecAugment",
    "Step",
    "StochasticDepth",
    "TagScheme",
    "TextDecoder",
    "TokenDecoder",
    "TokenDecoderState",
    "TokenEmbedding",
    "TokenState",
    "TokenTransformer",
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderBlock",
    "TransformerEncoderBlock",
    "TransformerStack",
    "UtteranceNormalization",
    "VariancePredictor",
    "Vocoder",
    "VocoderSize",
    "VocoderSpectrum",
    "attention_weights",
    "autoregress",
    "beta_binomial_log_prior",
    "checkpointed",
    "copied",
    "dot_product_attention",
    "entering",
    "expand",
    "first_token",
    "forced",
    "gains_of",
    "hard_alignment",
    "log_likelihood",
    "masked_max",
    "masked_mean",
    "mel_filters",
    "monotonic_alignment",
    "per_token_mean",
    "plain_attention",
    "recorded_attention",
    "sinusoids",
    "size_of",
]
