"""`Aliased`: a column under several names."""

from collections.abc import Collection, Mapping
from typing import Any

import tensorflow as tf

from mmkeras.contracts.source import Encode, Source
from mmkeras.rows import Rows


class Aliased(Source):
    """A source whose columns may be asked for by other names, too.

    Fields and tasks find their columns by name; with this, two of them read the same column, such
    as a CTC task and an attention decoder that learn the same transcripts, or a field reads a
    column that has another name. Each task reads a cell in its own way: white space alone says to
    `SpeechRecognition` that nothing is said, and is an absent label for `TextGeneration`.

    Args:
        source: the source.
        **aliases: the column that each new name stands for.

    Raises:
        KeyError: there is no such column; the message lists those that there are.
        ValueError: a new name is that of a column.

    Example:

    >>> from mmkeras.sources.table import Table
    >>> source = Aliased(Table([{"text": "a cat"}]), written="text")
    >>> source.columns
    ('text', 'written')
    >>> _, row = next(iter(source.rows({"text": str.encode, "written": lambda text: b"!"})))
    >>> {name: value.numpy() for name, value in source.load(row).items()}
    {'text': b'a cat', 'written': b'!'}
    """

    def __init__(self, source: Source, **aliases: str):
        known = source.columns
        missing = sorted({*aliases.values()} - {*known})
        if missing:
            raise KeyError(f"{source!r} has no columns {missing}; it has {list(known)}.")
        taken = sorted({*aliases} & {*known})
        if taken:
            raise ValueError(f"{taken} are columns of {source!r}; choose other names for them.")
        self.source, self.aliases = source, dict(aliases)

    @property
    def columns(self) -> tuple[str, ...]:
        """See `Source.columns`."""
        return (*self.source.columns, *self.aliases)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, column: str) -> list[Any]:
        """The cells of a column, as they were written; None where absent. See `Rows`.

        Raises:
            KeyError: there is no such column; the message lists those that exist.
            TypeError: the source does not hold its cells.
        """
        if column not in self.columns:
            raise KeyError(f"{self!r} has no column {column!r}; it has {list(self.columns)}.")
        return self._held[self.aliases.get(column, column)]

    def split(
        self,
        test: float = 0.2,
        *,
        by: str | None = None,
        column: str | None = None,
        **options: Any,
    ) -> tuple["Aliased", ...]:
        """Parts of the source, each under the same names; see `Rows.split`.

        Args:
            test: share of the rows.
            by: a column, or another name of it, whose groups stay together.
            column: a column, or another name of it, that says who goes where.
            **options: further arguments of `Rows.split`.

        Raises:
            TypeError: the source cannot be split.

        Example:

        >>> from mmkeras.sources.table import Table
        >>> source = Aliased(Table([{"text": str(i)} for i in range(10)]), written="text")
        >>> train, test = source.split(test=0.3)
        >>> len(train), test["written"] == test["text"]
        (7, True)
        """
        by, column = (name and self.aliases.get(name, name) for name in (by, column))
        parts = self._held.split(test, by=by, column=column, **options)
        return tuple(Aliased(part, **self.aliases) for part in parts)

    def missing_files(self, *columns: str) -> list[str]:
        """The cells whose file does not exist; see `Rows.missing_files`."""
        return self._held.missing_files(*(self.aliases.get(name, name) for name in columns))

    @property
    def _held(self) -> "Rows | Aliased":
        """The source, if it holds its cells in memory."""
        if not isinstance(self.source, Rows | Aliased):
            raise TypeError(
                f"{self.source!r} does not hold its cells: its columns cannot be looked at, nor "
                "can it be split; give other names to parts of it instead."
            )
        return self.source

    def __repr__(self) -> str:
        return f"Aliased({self.source!r}, {self.aliases})"

    def rows(self, columns: Mapping[str, Encode], files: Collection[str] = ()) -> tf.data.Dataset:
        """See `Source.rows`. A row holds one of the source, and one for each other name."""
        own = {name: encode for name, encode in columns.items() if name not in self.aliases}
        read = {}
        if own or not columns:  # Some sources give no rows of nothing.
            read[""] = self.source.rows(own, [file for file in files if file in own])
        for name in sorted({*columns} - {*own}):
            column = self.aliases[name]
            # Each name may want the cell encoded in its own way.
            read[name] = self.source.rows(
                {column: columns[name]}, [column] if name in files else []
            )

        def joined(parts: dict[str, tuple[tf.Tensor, Any]]) -> tuple[tf.Tensor, dict[str, Any]]:
            index, _ = next(iter(parts.values()))
            return index, {name: row for name, (_, row) in parts.items()}

        return tf.data.Dataset.zip(read).map(joined)

    def load(self, row: Any) -> dict[str, tf.Tensor]:
        """See `Source.load`."""
        # Of a bad row it is tried which part of it is bad: not all of them need to be there.
        made = dict(self.source.load(row[""])) if "" in row else {}
        for name in sorted({*row} - {""}):
            made[name] = self.source.load(row[name])[self.aliases[name]]
        return made

    def locate(self, index: int) -> str:
        """See `Source.locate`."""
        return self.source.locate(index)

    def cell(self, index: int, column: str) -> str:
        """See `Source.cell`."""
        return self.source.cell(index, self.aliases.get(column, column))
