"""Sources: where raw samples come from."""

from mmkeras.sources.conll import CoNLL
from mmkeras.sources.table import Table
from mmkeras.sources.tfds import TFDS

__all__ = ["TFDS", "CoNLL", "Table"]
