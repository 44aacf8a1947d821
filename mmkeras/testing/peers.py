"""The same tokenizer by the `tokenizers` package, to compare ours with."""

import base64
import functools

import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors

from mmkeras.tokenizers import ByteBPE, Tokenizer, Unigram, WordPiece
from mmkeras.tokenizers.pretokenization import CLIP_PATTERN
from mmkeras.tokenizers.wordpiece import MAX_WORD_LENGTH

#: Marks a piece that no text is cut into; no text holds it.
HIDDEN = "\U0010ffff"
#: What steps of normalization are called there.
STEPS = {
    **{form: getattr(normalizers, form) for form in ("NFC", "NFD", "NFKC", "NFKD")},
    "lowercase": normalizers.Lowercase,
    "nmt": normalizers.Nmt,
    "strip_accents": normalizers.StripAccents,
    "strip_left": lambda: normalizers.Strip(right=False),
    "strip_right": lambda: normalizers.Strip(left=False),
    "collapse_blanks": lambda: normalizers.Replace(Regex(" {2,}"), " "),
    "quotes": lambda: normalizers.Sequence(
        [normalizers.Replace("``", '"'), normalizers.Replace("''", '"')]
    ),
}


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
    same.decoder = decoders.WordPiece(cleanup=False)
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


@peer.register
def _(tokenizer: Unigram) -> tokenizers.Tokenizer:
    if tokenizer.rule == "sentencepiece":
        raise NotImplementedError("tokenizers reads no text by the rule of SentencePiece.")
    hidden = {*tokenizer.special.names, *tokenizer.control}
    pieces = [
        (HIDDEN + piece if piece in hidden else piece, score)
        for piece, score in zip(tokenizer.vocabulary, tokenizer.scores)
    ]
    model = models.Unigram(pieces, tokenizer.unknown_id, tokenizer.byte_fallback)
    same = tokenizers.Tokenizer(model)
    rules = base64.b64decode(tokenizer.charsmap)
    same.normalizer = normalizers.Sequence(
        [
            normalizers.Precompiled(rules) if name == "precompiled" else STEPS[name]()
            for name in tokenizer.normalization
        ]
    )
    scheme = "always" if tokenizer.prefix_space else "never"
    meta = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    parted = [pre_tokenizers.WhitespaceSplit()] if tokenizer.rule == "whitespace" else []
    same.pre_tokenizer = pre_tokenizers.Sequence([*parted, meta])
    same.decoder = decoders.Metaspace(prepend_scheme=scheme)
    if tokenizer.byte_fallback:
        same.decoder = decoders.Sequence([decoders.ByteFallback(), same.decoder])
    return same


def _ids(vocabulary: tuple[str, ...]) -> dict[str, int]:
    return {piece: id_ for id_, piece in enumerate(vocabulary)}
