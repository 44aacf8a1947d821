"""The nouns everything is built from, each one contract."""

from mmkeras.contracts.encoder import Encoder
from mmkeras.contracts.fusion import Fusion
from mmkeras.contracts.mix import Mix, Mixture
from mmkeras.contracts.modality import Modality
from mmkeras.contracts.source import Source
from mmkeras.contracts.task import Task

__all__ = ["Encoder", "Fusion", "Mix", "Mixture", "Modality", "Source", "Task"]
