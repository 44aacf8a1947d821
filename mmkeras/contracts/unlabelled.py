"""`UnlabelledTask`: a task whose targets are made of the samples themselves."""

import dataclasses
from typing import Any, ClassVar

from mmkeras.contracts.task import Task


@dataclasses.dataclass(frozen=True)
class UnlabelledTask(Task):
    """A task that learns from samples without labels: `prepare` makes the target."""

    labelled: ClassVar[bool] = False

    def encode(self, value: Any) -> bytes:
        """There are no labels but None."""
        if value is None:
            return b""
        raise TypeError(f"{type(self).__name__} takes no label; got {value!r:.80}.")

    def labels(self) -> list[bytes]:
        """None: nothing is labelled."""
        return []
