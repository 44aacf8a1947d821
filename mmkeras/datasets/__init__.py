"""Datasets as TFDS builders; importing this package does not import tensorflow-datasets."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmkeras.datasets.emoji import Emoji
    from mmkeras.datasets.emoji import prepare as prepare_emoji

__all__ = ["Emoji", "prepare_emoji"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from mmkeras.datasets import emoji

        return {"Emoji": emoji.Emoji, "prepare_emoji": emoji.prepare}[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
