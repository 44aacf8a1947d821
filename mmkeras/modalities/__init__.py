"""Modalities: how one raw value becomes tensors, in training and in the exported model alike."""

from mmkeras.modalities.audio import Audio
from mmkeras.modalities.image import Image
from mmkeras.modalities.text import Text
from mmkeras.modalities.words import Words

__all__ = ["Audio", "Image", "Text", "Words"]
