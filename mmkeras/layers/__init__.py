"""Building blocks of every network, in `keras.ops` alone, so that they run on any Keras backend."""

from mmkeras.layers.alibi import ALiBi
from mmkeras.layers.attention import attention_weights, dot_product_attention, plain_attention
from mmkeras.layers.attention_bias import AttentionBias, DenseBias
from mmkeras.layers.audio_stem import AudioStem
from mmkeras.layers.autoregression import Sequences, Step, autoregress
from mmkeras.layers.checkpoint import checkpointed
from mmkeras.layers.composite import Composite, copied
from mmkeras.layers.conformer import ConformerBlock, ConformerConvolution
from mmkeras.layers.decoder import TransformerDecoder
from mmkeras.layers.decoder_block import DecoderBlockCache, TransformerDecoderBlock
from mmkeras.layers.encoder_block import TransformerEncoderBlock
from mmkeras.layers.feed_forward import FeedForward
from mmkeras.layers.field_projection import FieldProjection
from mmkeras.layers.griffin_lim import GriffinLim
