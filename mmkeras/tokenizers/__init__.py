"""Tokenizers in core TensorFlow operations: the same in `tf.data` and in an exported model."""

from mmkeras.tokenizers.wordpiece import WordPiece

__all__ = ["WordPiece"]
