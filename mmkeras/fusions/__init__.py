"""Fusions: the tokens of several fields become aware of each other."""

from mmkeras.fusions.bottleneck import Bottleneck
from mmkeras.fusions.concat import Concat
from mmkeras.fusions.cross_attention import CrossAttention
from mmkeras.fusions.late import Late

__all__ = ["Bottleneck", "Concat", "CrossAttention", "Late"]
