"""`Joined`: the samples of several sources, in turns."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mmkeras.contracts.arguments import check_count
from mmkeras.contracts.source import Encode, Source


class Joined(Source):
    """The samples of several sources as those of one; what a source lacks is absent.

    So one model learns several tasks, each from data of its own: a sample without a task's column
    has no label for it and counts nothing in its loss. Samples come in turns, evenly spread, so
    that a batch holds some of each source.

    Args:
        *sources: the sources.
        times: how often each is gone through in an epoch, such as `[1, 4]` for a large and a small
            one; None: once. `by_temperature` says how often.

    Raises:
        ValueError: there are fewer than two sources, or not one whole number for each.

    Example:

    >>> from mmkeras.sources.table import Table
    >>> texts = Table([{"text": "good", "mood": "+"}, {"text": "bad", "mood": "-"}])
    >>> both = Joined(texts, Table([{"text": "a cat", "kind": "animal"}]))
    >>> both.columns, len(both)
    (('text', 'mood', 'kind'), 3)
    >>> encoders = {"mood": lambda cell: (cell or "").encode()}
    >>> [mood.numpy() for mood in both.column("mood", encoders["mood"])]
    [b'+', b'', b'-']
    """

    def __init__(self, *sources: Source, times: Sequence[int] | None = None):
        times = [1] * len(sources) if times is None else list(times)
        if len(sources) < 2 or len(times) != len(sources):
            raise ValueError(
                f"Joined takes two sources or more, and as many times; got {len(sources)} sources "
                f"and {len(times)} times."
            )
        for count in times:
            check_count("each of times", count)
        self.sources, self.times = sources, [int(count) for count in times]

    @classmethod
    def by_temperature(cls, *sources: Source, temperature: float = 2.0) -> "Joined":
        """Sources whose shares are those of their sizes to the power of 1 / temperature.

        The largest is gone through once, smaller ones as often as brings them nearest to that.

        Source: Devlin et al. 2019, multilingual BERT's readme; Arivazhagan et al. 2019, "Massively
        Multilingual Neural Machine Translation in the Wild", section 3.2.

        Args:
            *sources: the sources, none of them empty.
            temperature: 1 leaves sizes as they are, a large one makes all alike.

        Raises:
            ValueError: the temperature is below 1, or a source is empty.

        Example:

        >>> from mmkeras.sources.table import Table
        >>> large, small = Table([{"a": "x"}] * 16), Table([{"a": "y"}])
        >>> Joined.by_temperature(large, small).times
        [1, 4]
        """
        sizes = np.array([len(source) for source in sources] or [0], float)
        if not 1 <= temperature < np.inf or not sizes.all():
            raise ValueError(
                f"temperature must be at least 1, and no source empty; got {temperature} and the "
                f"sizes {sizes.astype(int).tolist()}."
            )
        wanted = (sizes / sizes.max()) ** (1 / temperature) * sizes.max()
        return cls(*sources, times=[max(1, round(share)) for share in wanted / sizes])

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of all sources."""
        return tuple(dict.fromkeys(name for source in self.sources for name in source.columns))

    def __len__(self) -> int:
        return sum(len(source) * times for source, times in zip(self.sources, self.times))

    def __repr__(self) -> str:
        return f"Joined({', '.join(map(repr, self.sources))}, times={self.times})"

    def rows(self, columns: Mapping[str, Encode], files: Collection[str] = ()) -> tf.data.Dataset:
        """See `Source.rows`. A row says which source it is of, and holds a place for one of each.

        Raises:
            KeyError: no source has a wanted column; the message lists those that there are.
        """
        unknown = sorted(set(columns) - set(self.columns))
        if unknown:
            raise KeyError(f"no source of {self!r} has {unknown}; they have {list(self.columns)}.")
        parts = [self._part(number, columns, files) for number in range(len(self.sources))]
        specs: list[Any] = [part.element_spec for part in parts]
        empty = [tf.nest.map_structure(_nothing, row) for _, row in specs]
        # What is wanted, without a value: so `load` knows it.
        wanted = {name: () for name in columns}

        def placed(number: int) -> Any:
            def place(index: tf.Tensor, row: Any) -> tuple[tf.Tensor, Any]:
                places = tuple(row if i == number else each for i, each in enumerate(empty))
                index = index * len(self.sources) + number
                # One value: several would be several arguments of what reads a row.
                return index, {"": (tf.constant(number), wanted, places)}

            return place

        parts = [part.map(placed(number)) for number, part in enumerate(parts)]
        turns = tf.data.Dataset.from_tensor_slices(self._turns())
        joined = tf.data.Dataset.choose_from_datasets(parts, turns, stop_on_empty_dataset=False)
        return joined.apply(tf.data.experimental.assert_cardinality(len(self)))

    def _part(
        self, number: int, columns: Mapping[str, Encode], files: Collection[str]
    ) -> tf.data.Dataset:
        """The rows of one source, with those of the columns that it has."""
        source = self.sources[number]
        own = {name: encode for name, encode in columns.items() if name in source.columns}
        if own:
            rows = source.rows(own, [file for file in files if file in own])
        else:
            rows = tf.data.Dataset.range(len(source)).map(lambda index: (index, {}))
        return rows.repeat(self.times[number])

    def _turns(self) -> np.ndarray:
        """int64 [len(self)]: whose turn it is; each source is spread over all of them."""
        sizes = [len(source) * times for source, times in zip(self.sources, self.times)]
        places = np.concatenate([(np.arange(size) + 0.5) / size for size in sizes if size])
        number = np.repeat(np.arange(len(sizes)), sizes)
        return number[np.lexsort((number, places))].astype("int64")

    def load(self, row: Any) -> dict[str, tf.Tensor]:
        """See `Source.load`; columns that the row's source lacks are absent."""
        number, wanted, places = row[""]

        def loaded(source: Source, part: Any) -> Any:
            def load() -> dict[str, tf.Tensor]:
                made = source.load(part) if part else {}
                return {name: made.get(name, tf.constant("")) for name in wanted}

            return load

        return tf.switch_case(number, [loaded(*each) for each in zip(self.sources, places)])

    def locate(self, index: int) -> str:
        """See `Source.locate`."""
        number, own = self._own(index)
        return self.sources[number].locate(own)

    def cell(self, index: int, column: str) -> str:
        """See `Source.cell`."""
        number, own = self._own(index)
        source = self.sources[number]
        return source.cell(own, column) if column in source.columns else "absent"

    def _own(self, index: int) -> tuple[int, int]:
        """The number of the source of a row, and the row's index there."""
        own, number = divmod(index, len(self.sources))
        return number, own


def _nothing(spec: tf.TensorSpec) -> tf.Tensor:
    """A tensor that stands where there is none."""
    return tf.zeros([size or 0 for size in spec.shape], spec.dtype)
