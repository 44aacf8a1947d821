"""Sources: where raw samples come from."""

from mmkeras.sources.aliased import Aliased
from mmkeras.sources.coco import COCO
from mmkeras.sources.conll import CoNLL
from mmkeras.sources.joined import Joined
from mmkeras.sources.librispeech import LibriSpeech
from mmkeras.sources.ljspeech import LJSpeech
from mmkeras.sources.manifest import Manifest
from mmkeras.sources.mask_folder import MaskFolder
from mmkeras.sources.pascal_voc import PascalVOC
from mmkeras.sources.sampled import Sampled
from mmkeras.sources.table import Table
from mmkeras.sources.tfds import TFDS

__all__ = [
    "COCO",
    "TFDS",
    "Aliased",
    "CoNLL",
    "Joined",
    "LJSpeech",
    "LibriSpeech",
    "Manifest",
    "MaskFolder",
    "PascalVOC",
    "Sampled",
    "Table",
]
