"""`Aliased`: a column under several names."""

from collections.abc import Collection, Mapping
from typing import Any

import tensorflow as tf

from mmkeras.contracts.source import Encode, Source


class Aliased(Source):
    """A source whose columns may be asked for by other names, too.

    Fields and tasks find their columns by name; with this, two of them read the same column, such
    as a CTC task and an attention decoder that learn the same transcripts, or a field reads a
    column that has another name.

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

    def __repr__(self) -> str:
        return f"Aliased({self.source!r}, {self.aliases})"

    def rows(self, columns: Mapping[str, Encode], files: Collection[str] = ()) -> tf.data.Dataset:
        """See `Source.rows`. A row holds one of the source, and one for each other name."""
        own = {name: encode for name, encode in columns.items() if name not in self.aliases}
        read = {"": self.source.rows(own, [file for file in files if file in own])}
        for name in sorted({*columns} - {*own}):
            column = self.aliases[name]
            # Each name may want the cell encoded in its own way.
            read[name] = self.source.rows(
                {column: columns[name]}, [column] if name in files else []
            )

        def joined(parts: dict[str, tuple[tf.Tensor, Any]]) -> tuple[tf.Tensor, dict[str, Any]]:
            return parts[""][0], {name: row for name, (_, row) in parts.items()}

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
