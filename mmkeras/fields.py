"""`Fields`: the named inputs of a model, each of one modality."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

import tensorflow as tf

from mmkeras.contracts.modality import Modality, TensorSpec


class Fields(Mapping[str, Modality]):
    """A mapping from field name to modality that speaks of all fields' tensors at once.

    A model, a batch and a served request hold the tensors of all fields in one flat dict, under
    the names `{field}_{tensor}`, such as `photo_pixels`.

    Args:
        modalities: `{field: modality}`; a field's name must be a Python identifier, because it
            becomes the name of an input of the exported model.

    Raises:
        ValueError: there is no field, a name is no identifier, or two fields would make tensors
            of the same name.
        TypeError: a value is not a modality.

    Example:

    >>> from mmkeras.modalities import Image
    >>> sorted(Fields({"photo": Image(size=16)}).specs())
    ['photo_pixels', 'photo_present']
    """

    def __init__(self, modalities: Mapping[str, Modality]):
        if not modalities:
            raise ValueError("a model needs at least one field; got none.")
        for field, modality in modalities.items():
            if not field.isidentifier():
                raise ValueError(f"a field's name must be a Python identifier; got {field!r}.")
            if not isinstance(modality, Modality):
                raise TypeError(
                    f"field {field!r} must be a modality such as Text, Image or Audio; got "
                    f"{modality!r}."
                )
        self._modalities = dict(modalities)
        self._graphs: dict[frozenset[str], Any] = {}
        names = [f"{field}_{name}" for field, m in self.items() for name in m.specs() | m.origins()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two fields would both make {twice}; rename one of them.")

    def __getitem__(self, field: str) -> Modality:
        return self._modalities[field]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modalities)

    def __len__(self) -> int:
        return len(self._modalities)

    def __repr__(self) -> str:
        return f"Fields({self._modalities!r})"

    def specs(self) -> dict[str, TensorSpec]:
        """The tensors of one sample, all fields together."""
        return self.join({field: modality.specs() for field, modality in self.items()})

    def origins(self, fields: Iterable[str]) -> dict[str, TensorSpec]:
        """The origins (see `Modality.origins`) of some fields, of one sample."""
        return self.join({field: self[field].origins() for field in fields})

    def join(self, by_field: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """`{field: {tensor: value}}` as one flat dict."""
        return {
            f"{field}_{name}": value
            for field, tensors in by_field.items()
            for name, value in tensors.items()
        }

    def split(self, flat: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """The flat dict as `{field: {tensor: value}}`, origins among them where it holds some."""
        return {
            field: {name: flat[f"{field}_{name}"] for name in modality.specs()}
            | self.origins_in(flat, [field]).get(field, {})
            for field, modality in self.items()
        }

    def origins_in(
        self, flat: Mapping[str, Any], fields: Iterable[str]
    ) -> dict[str, dict[str, Any]]:
        """The origins of some fields, `{field: {name: value}}`, that a flat dict holds."""
        found = {
            field: {
                name: flat[f"{field}_{name}"]
                for name in self[field].origins()
                if f"{field}_{name}" in flat
            }
            for field in fields
        }
        return {field: origins for field, origins in found.items() if origins}

    def preprocess_batch(
        self,
        raw: Mapping[str, tf.Tensor],
        size: tf.Tensor | None = None,
        origins: Collection[str] = (),
    ) -> dict[str, tf.Tensor]:
        """The tensors of a batch from its raw values (string [B] each); missing ones are absent.

        Args:
            raw: `{field: string [B]}`.
            size: B, int32 []; needed only where `raw` is empty.
            origins: the fields whose origins are made too.
        """
        if size is None:
            size = tf.shape(next(iter(raw.values())))[0]
        tensors = {}
        for field, modality in self.items():
            # The scope puts the field's name into the error of any operation within.
            with tf.name_scope(field):
                if field in raw:
                    tensors[field] = modality.preprocess_batch(raw[field], field in origins)
                elif field in origins:
                    nothing = tf.fill([size], "")
                    tensors[field] = modality.preprocess_batch(nothing, origins=True)
                else:
                    absent = modality.absent().items()
                    tensors[field] = {n: tf.repeat(v[None], size, axis=0) for n, v in absent}
        return self.join(tensors)

    def convert(self, raw: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """`Modality.convert` of a batch (string [B] each) of some fields."""
        return {field: self[field].convert(contents) for field, contents in raw.items()}

    def step(self, field: str) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
        """What is done to one content of a field (string []): conversion and preprocessing."""
        modality = self[field]
        return lambda content: modality.preprocess(modality.convert(content[None])[0])

    def graph(self, origins: Collection[str] = ()) -> Any:
        """`preprocess_batch` of all fields as one graph, traced when it is first called."""
        wanted = frozenset(origins)
        if wanted not in self._graphs:
            signature = {field: tf.TensorSpec([None], tf.string) for field in self}
            self._graphs[wanted] = tf.function(
                lambda raw: self.preprocess_batch(raw, origins=wanted),
                input_signature=[signature],
                autograph=False,
            )
        return self._graphs[wanted]

    def augment(self, flat: Mapping[str, tf.Tensor], seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """A randomly changed copy of one sample; `seed` is int32 [2]."""
        seeds = tf.random.experimental.stateless_split(seed, len(self))
        return self.join(
            {
                field: self[field].augment(tensors, seeds[i])
                for i, (field, tensors) in enumerate(self.split(flat).items())
            }
        )

    def lengths(self, flat: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """How much of its ragged dimension each ragged field of one sample fills, int32 []."""
        return {
            field: self[field].length(tensors)
            for field, tensors in self.split(flat).items()
            if self[field].ragged
        }

    def trim(
        self, flat: Mapping[str, tf.Tensor], lengths: Mapping[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Cuts the padding of a batch behind each ragged field's longest sample.

        Args:
            flat: tensors with a leading B.
            lengths: int32 [B] for every ragged field.
        """
        trimmed = self.split(flat)
        for field, length in lengths.items():
            longest = tf.maximum(tf.reduce_max(length), 1)
            trimmed[field] = self[field].trim(trimmed[field], longest)
        return self.join(trimmed)

    def without(self, flat: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Any]:
        """A batch (tensors with a leading B) in which some fields are absent from every sample.

        What is no field's, such as the hints of tasks, stays as it is.
        """
        changed = self.split(flat)
        for field in fields:
            for name, value in self[field].absent().items():
                here = tf.convert_to_tensor(changed[field][name])
                # A batch may be trimmed: absent values are cut to its lengths.
                shape = tf.shape(here)
                cut = tf.slice(tf.constant(value), tf.zeros_like(shape[1:]), shape[1:])
                changed[field][name] = tf.broadcast_to(tf.cast(cut, here.dtype), shape)
        return {**flat, **self.join(changed)}
