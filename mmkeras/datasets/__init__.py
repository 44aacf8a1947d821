"""Datasets as TFDS builders; importing this package does not import tensorflow-datasets."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmkeras.datasets.emoji import Emoji
    from mmkeras.datasets.emoji import prepare as prepare_emoji
    from mmkeras.datasets.emoji_arrangements import EmojiArrangements
    from mmkeras.datasets.emoji_arrangements import prepare as prepare_emoji_arrangements
    from mmkeras.datasets.emoji_scenes import EmojiScenes
    from mmkeras.datasets.emoji_scenes import prepare as prepare_emoji_scenes
    from mmkeras.datasets.emoji_sentences import EmojiSentences
    from mmkeras.datasets.emoji_sentences import prepare as prepare_emoji_sentences
    from mmkeras.datasets.emoji_speech import EmojiSpeech
    from mmkeras.datasets.emoji_speech import prepare as prepare_emoji_speech

__all__ = [
    "Emoji",
    "EmojiArrangements",
    "EmojiScenes",
    "EmojiSentences",
    "EmojiSpeech",
    "prepare_emoji",
    "prepare_emoji_arrangements",
    "prepare_emoji_scenes",
    "prepare_emoji_sentences",
    "prepare_emoji_speech",
]

_WHERE = {
    "Emoji": ("emoji", "Emoji"),
    "EmojiArrangements": ("emoji_arrangements", "EmojiArrangements"),
    "EmojiScenes": ("emoji_scenes", "EmojiScenes"),
    "EmojiSentences": ("emoji_sentences", "EmojiSentences"),
    "EmojiSpeech": ("emoji_speech", "EmojiSpeech"),
    "prepare_emoji": ("emoji", "prepare"),
    "prepare_emoji_arrangements": ("emoji_arrangements", "prepare"),
    "prepare_emoji_scenes": ("emoji_scenes", "prepare"),
    "prepare_emoji_sentences": ("emoji_sentences", "prepare"),
    "prepare_emoji_speech": ("emoji_speech", "prepare"),
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        module, attribute = _WHERE[name]
        return getattr(importlib.import_module(f"mmkeras.datasets.{module}"), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
