"""`Configured`: a dataclass of values that Keras can write into a model's configuration."""

import dataclasses
from typing import Any, Self

import keras


class Configured:
    """What makes frozen dataclasses of plain values, and of each other, serialisable."""

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as Keras' serialisation wants them."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {
            name: keras.saving.serialize_keras_object(value)
            if isinstance(value, Configured)
            else value
            for name, value in values.items()
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The instance that `get_config` described; lists become tuples again."""
        return cls(**{name: _value(written) for name, written in config.items()})


def _value(written: Any) -> Any:
    if isinstance(written, dict) and "class_name" in written:
        return keras.saving.deserialize_keras_object(written)
    return tuple(written) if isinstance(written, list) else written
