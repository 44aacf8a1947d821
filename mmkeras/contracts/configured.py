"""`Configured`: a dataclass of plain values that Keras can write into a model's configuration."""

import dataclasses
from typing import Any, Self


class Configured:
    """What makes the frozen dataclasses of modalities and tasks serialisable."""

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as Keras' serialisation wants them."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The instance that `get_config` described; lists become tuples again."""
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in config.items()})
