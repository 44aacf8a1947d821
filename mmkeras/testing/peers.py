"""The same tokenizer by the `tokenizers` package, to compare ours with."""

import functools

import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors

from mmkeras.tokenizers import ByteBPE, Tokenizer, WordPiece
from mmkeras.tokenizers.pretokenization import CLIP_PATTERN
from mmkeras.tokenizers.wordpiece import MAX_WORD_LENGTH


@functools.singledispatch
def peer(tokenizer: Tokenizer) -> tokenizers.Tokenizer:
    """The same tokenizer by the `tokenizers` package, which reads no special token in texts.

    Raises:
        NotImplementedError: that package has none of this kind.

    Example:

    >>> ours = WordPiece.learn(["cat", "cats"], vocabulary_size=20)
    >>> peer(ours).encode("cats").ids == ours.tokenize(["cats"])[0].numpy().tolist()
    True
    """
    raise NotImplementedError(f"tokenizers has nothing like a {type(tokenizer).__name__}.")


@peer.register
def _(tokenizer: WordPiece) -> tokenizers.Tokenizer:
    same = tokenizers.Tokenizer(
        models.WordPiece(
            _ids(tokenizer.vocabulary),
            unk_token=tokenizer.special.unknown,
            max_input_chars_per_word=MAX_WORD_LENGTH,
        )
    )
    same.normalizer = normalizers.BertNormalizer(
        strip_accents=tokenizer.strip_accents, lowercase=tokenizer.lowercase
    )
    same.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return same


@peer.register
def _(tokenizer: ByteBPE) -> tokenizers.Tokenizer:
    merges = [tuple(merge.split(" ")) for merge in tokenizer.merges]
    options = {"end_of_word_suffix": tokenizer.suffix} if tokenizer.suffix else {}
    unknown = tokenizer.special.unknown
    same = tokenizers.Tokenizer(
        models.BPE(_ids(tokenizer.vocabulary), merges, unk_token=unknown, **options)
    )
    level = pre_tokenizers.ByteLevel(add_prefix_space=tokenizer.prefix_space)
    same.pre_tokenizer = level
    same.decoder = decoders.ByteLevel()
    same.add_special_tokens(list(tokenizer.special.names))
    same.encode_special_tokens = True
    if tokenizer.rule == "clip":
        blanks = normalizers.Replace(Regex(r"\s+"), " ")
        same.normalizer = normalizers.Sequence([normalizers.NFC(), blanks, normalizers.Lowercase()])
        words = pre_tokenizers.Split(Regex(CLIP_PATTERN), behavior="removed", invert=True)
        same.pre_tokenizer = pre_tokenizers.Sequence([words, level])
    same.post_processor = processors.ByteLevel(trim_offsets=tokenizer.trim_offsets)
    return same


def _ids(vocabulary: tuple[str, ...]) -> dict[str, int]:
    return {piece: id_ for id_, piece in enumerate(vocabulary)}
