"""Mixes: several samples become one, so that a model sees more than there is."""

from mmkeras.mixes.cut_mix import CutMix
from mmkeras.mixes.mix_up import MixUp
from mmkeras.mixes.mosaic import Mosaic

__all__ = ["CutMix", "MixUp", "Mosaic"]
