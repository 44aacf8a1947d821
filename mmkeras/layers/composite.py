"""`Composite`: a layer that is given its parts as layers, and saves them as such."""

from typing import Any, ClassVar, Self

import keras


class Composite(keras.layers.Layer):
    """A layer built of other layers, which its constructor takes ready-made.

    Attributes:
        parts: names of the constructor's arguments that are layers, lists of layers or None; the
            layer keeps each under the same name.

    Example:

    >>> class Twice(Composite):
    ...     parts = ("layer",)
    ...     def __init__(self, layer, **kwargs):
    ...         super().__init__(**kwargs)
    ...         self.layer = layer
    >>> twice = Twice(keras.layers.Dense(3))
    >>> Twice.from_config(twice.get_config()).layer.units
    3
    """

    parts: ClassVar[tuple[str, ...]] = ()

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {name: _saved(getattr(self, name)) for name in self.parts}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The layer, with new parts, that `get_config` described."""
        made = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in cls.parts
            if name in config
        }
        return cls(**config | made)


def copied(layer: Any, **changes: Any) -> Any:
    """A new, unbuilt layer of the same configuration.

    Args:
        layer: any Keras layer.
        changes: entries of the configuration to replace, such as `name`.

    Example:

    >>> copied(keras.layers.Dense(3, name="a"), name="b").name
    'b'
    """
    return type(layer).from_config(_unshared(layer.get_config()) | changes)


def _saved(part: Any) -> Any:
    if isinstance(part, list | tuple):
        return [_saved(each) for each in part]
    saved = keras.saving.serialize_keras_object(part)
    if isinstance(saved, dict):
        # The whole builds its parts; Keras would do so at once, when it reads them.
        saved.pop("build_config", None)
    return saved


def _unshared(config: Any) -> Any:
    """Without the marks by which Keras, reading a file, makes one object of two with one mark."""
    if isinstance(config, dict):
        return {k: _unshared(v) for k, v in config.items() if k != "shared_object_id"}
    return [_unshared(each) for each in config] if isinstance(config, list) else config
