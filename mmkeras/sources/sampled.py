"""`Sampled`: some of the samples of a source."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from mmkeras.contracts.arguments import check_count
from mmkeras.contracts.source import Encode, Source


class Sampled(Source):
    """A source of which so many samples are drawn, without replacement; their order stays.

    Args:
        source: the source.
        most: how many; all of them where it has no more.
        seed: of the draw.

    Raises:
        ValueError: `most` is no whole number from 1 up.

    Example:

    >>> from mmkeras.sources.table import Table
    >>> source = Sampled(Table([{"text": word} for word in "abcdefgh"]), most=3)
    >>> [text.numpy() for text in source.column("text", str.encode)]
    [b'c', b'd', b'e']
    """

    def __init__(self, source: Source, most: int, seed: int = 0):
        check_count("most", most)
        self.source, size = source, len(source)
        drawn = np.random.default_rng(seed).permutation(size)[:most]
        self._chosen = np.isin(np.arange(size), drawn)

    @property
    def columns(self) -> tuple[str, ...]:
        """See `Source.columns`."""
        return self.source.columns

    def __len__(self) -> int:
        return int(self._chosen.sum())

    def __repr__(self) -> str:
        return f"{len(self)} samples of {self.source!r}"

    def rows(self, columns: Mapping[str, Encode], files: Collection[str] = ()) -> tf.data.Dataset:
        """See `Source.rows`; every sample keeps the index it has in the whole source."""
        chosen = tf.constant(self._chosen)
        rows = self.source.rows(columns, files).enumerate()
        return rows.filter(lambda place, _: chosen[place]).map(lambda _, row: row)

    def load(self, row: Any) -> dict[str, tf.Tensor]:
        """See `Source.load`."""
        return self.source.load(row)

    def locate(self, index: int) -> str:
        """See `Source.locate`."""
        return self.source.locate(index)

    def cell(self, index: int, column: str) -> str:
        """See `Source.cell`."""
        return self.source.cell(index, column)
