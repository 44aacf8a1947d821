"""`Source`: where raw samples come from."""

import abc
from collections.abc import Callable, Collection, Mapping
from typing import Any

import tensorflow as tf

#: One cell, as a person wrote it, to its raw byte string: `Modality.encode`, `Task.encode`.
Encode = Callable[[Any], bytes]


class Source(abc.ABC):
    """Where raw samples come from: a table, a prepared TFDS dataset.

    A source yields raw samples and can name the place of each in an error. It does not resize,
    tokenize or batch.

    Reading is split in two, so that shuffling moves rows and not pictures: `rows` is cheap, and
    `load` reads the files that a row points to.
    """

    @property
    @abc.abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""

    @abc.abstractmethod
    def __len__(self) -> int:
        """The number of samples."""

    @abc.abstractmethod
    def rows(self, columns: Mapping[str, Encode], files: Collection[str] = ()) -> tf.data.Dataset:
        """The samples, cheaply: files are named, not read.

        Args:
            columns: the wanted columns, each with the function from a cell to its raw byte string.
            files: those of them in which a `str` cell is the path of a file.

        Returns:
            A finite dataset of (int64 [] row index, row), a row being whatever `load` takes, in a
            fixed order.

        Raises:
            KeyError: a wanted column does not exist; the message lists those that do.
            ValueError: a cell cannot be encoded; the message names file, row and column.
        """

    @abc.abstractmethod
    def load(self, row: Any) -> dict[str, tf.Tensor]:
        """Reads what a row points to, in core TensorFlow operations.

        Args:
            row: one row of `rows`.

        Returns:
            string [] for every wanted column: the raw value, the empty string where it is absent.
        """

    def column(self, name: str, encode: Encode) -> tf.data.Dataset:
        """The raw values of one column (string [] each), the empty string where it is absent."""
        return self.rows({name: encode}).map(lambda _, row: self.load(row)[name])

    @abc.abstractmethod
    def locate(self, index: int) -> str:
        """Where the sample with this row index stands, for a person: `reviews.csv, row 17`."""

    @abc.abstractmethod
    def cell(self, index: int, column: str) -> str:
        """What stands in one cell, for an error message: a path, a shortened text."""
