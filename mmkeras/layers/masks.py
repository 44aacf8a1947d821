"""Which keys a query may attend to, as a value."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class AttentionMask:
    """Keys that are there, and whether later ones are seen.

    Attributes:
        keys: bool [B, S] or None.
        causal: whether a token sees no later one.
    """

    keys: Any = None
    causal: bool = False
