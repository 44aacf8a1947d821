"""Tokenizers in core TensorFlow operations: the same in `tf.data` and in an exported model."""

from mmkeras.tokenizers.assembly import Assembled, assemble
from mmkeras.tokenizers.byte_bpe import ByteBPE
from mmkeras.tokenizers.byte_tokenizer import ByteTokenizer
from mmkeras.tokenizers.character_tokenizer import CharacterTokenizer
from mmkeras.tokenizers.files import read
from mmkeras.tokenizers.hashed_ngrams import HashedNgrams
from mmkeras.tokenizers.tokenizer import SpecialTokens, Tokenizer
from mmkeras.tokenizers.unigram import Unigram
from mmkeras.tokenizers.wordpiece import WordPiece

__all__ = [
    "Assembled",
    "ByteBPE",
    "ByteTokenizer",
    "CharacterTokenizer",
    "HashedNgrams",
    "SpecialTokens",
    "Tokenizer",
    "Unigram",
    "WordPiece",
    "assemble",
    "read",
]
