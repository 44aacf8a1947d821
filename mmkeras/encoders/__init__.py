"""Encoders: the tensors of one modality become `Tokens`."""

from mmkeras.encoders.audio_transformer import AudioTransformer
from mmkeras.encoders.conformer import Conformer
from mmkeras.encoders.log_mel_frames import LogMelFrames
from mmkeras.encoders.text_transformer import TextTransformer
from mmkeras.encoders.vision_pyramid import VisionPyramid
from mmkeras.encoders.vit import ViT
from mmkeras.encoders.word_transformer import WordTransformer

__all__ = [
    "AudioTransformer",
    "Conformer",
    "LogMelFrames",
    "TextTransformer",
    "ViT",
    "VisionPyramid",
    "WordTransformer",
]
