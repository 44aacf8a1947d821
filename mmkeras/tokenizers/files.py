"""Tokenizers from the files that others write: `tokenizer.json`, `vocab.txt`, `spiece.model`, ...

`tokenizer.json` is what the `tokenizers` package saves, `vocab.txt` comes with BERT, `vocab.json`
with `merges.txt` beside it comes with GPT-2, RoBERTa, Whisper and CLIP, and a `.model` is what
SentencePiece saves, as it comes with T5, ALBERT and XLM-RoBERTa.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mmkeras.tokenizers.byte_bpe import ByteBPE
from mmkeras.tokenizers.normalization import STEPS
from mmkeras.tokenizers.pretokenization import CLIP_PATTERN
from mmkeras.tokenizers.sentencepiece_file import unigram
from mmkeras.tokenizers.subwords import SubwordTokenizer
from mmkeras.tokenizers.tokenizer import SpecialTokens
from mmkeras.tokenizers.unigram import BLANK, Unigram
from mmkeras.tokenizers.wordpiece import CONTINUATION, MAX_WORD_LENGTH, WordPiece

_NAMES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "sentencepiece.model",
    "tokenizer.model",
)
#: The names that are commonly given to special tokens.
_KNOWN = {
    "pad": ("[PAD]", "<pad>"),
    "unknown": ("[UNK]", "<unk>"),
    "start": ("[CLS]", "<s>", "<|startoftext|>", "<|startoftranscript|>"),
    "end": ("[SEP]", "</s>", "<|endoftext|>"),
    "mask": ("[MASK]", "<mask>"),
}

_STEP_NAMES = {"Lowercase": "lowercase", "StripAccents": "strip_accents", "Nmt": "nmt"}
#: What is replaced, and by what, to the step that does it.
_REPLACED = {
    (" {2,}", " "): ["collapse_blanks"],
    (" {2,}", BLANK): ["collapse_blanks"],
    ("``", '"'): ["quotes"],
    ("''", '"'): ["quotes"],
}


def read(path: str | Path, **fields: Any) -> SubwordTokenizer:
    """The tokenizer that a file, or the files of a folder, describe.

    Special tokens are known by their usual names, such as `[PAD]` or `<pad>`.

    Args:
        path: a `tokenizer.json`, a `vocab.txt`, a `vocab.json` with a `merges.txt` beside it, a
            SentencePiece `.model` of type unigram, or a folder that holds one of these.
        **fields: fields of the tokenizer that the file does not tell or that shall differ, such as
            `lowercase=False` for the `vocab.txt` of a cased BERT, or `special`.

    Raises:
        FileNotFoundError: there is no such file, or none of these in the folder.
        ValueError: the file is damaged, or describes what is not supported; the message names the
            file and what in it.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = Path(folder, "vocab.txt").write_text("[PAD]\\n[UNK]\\ncat\\n##s\\n")
    ...     tokenizer = read(folder)
    >>> tokenizer.tokenize(["Cats"]).to_list()
    [[2, 3]]
    """
    path = Path(path)
    if path.is_dir():
        found = [path / name for name in _NAMES if (path / name).is_file()]
        if not found:
            raise FileNotFoundError(f"{path} holds none of {list(_NAMES)}; name the file.")
        path = found[0]
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; name one of {list(_NAMES)}.")
    try:
        if path.suffix == ".txt":
            return _wordpiece(_lines(path), **fields)
        if path.suffix == ".model":
            return unigram(path.read_bytes(), _KNOWN, **fields)
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"the file holds a {type(content).__name__} instead of an object")
        if "model" in content:
            return _described(content, **fields)
        merges = path.with_name(path.name.replace("vocab.json", "merges.txt"))
        if merges == path or not merges.is_file():
            raise ValueError("there is no merges.txt beside it, without which it says too little")
        lines = [line for line in _lines(merges) if not line.startswith("#version")]
        return _byte_bpe(_in_order(content), lines, **fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{path}: {what}") from error


def _lines(path: Path) -> list[str]:
    """The lines of a file; what else Unicode knows to end a line is part of a piece."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = [line.rstrip("\r") for line in file.read().split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def _described(content: Mapping[str, Any], **fields: Any) -> SubwordTokenizer:
    """The tokenizer of a `tokenizer.json`."""
    model = content["model"]
    unknown = model.get("unk_token")
    kind = model.get("type") or ("BPE" if "merges" in model else "WordPiece")
    added = {token["content"]: token["id"] for token in content.get("added_tokens") or ()}
    if kind == "Unigram":
        return _unigram(content, added, **fields)
    vocabulary = _in_order({**model["vocab"], **added})
    if kind == "WordPiece":
        _expect("model", model, "continuing_subword_prefix", CONTINUATION)
        _expect("model", model, "max_input_chars_per_word", MAX_WORD_LENGTH)
        return _wordpiece(vocabulary, unknown, **_bert(content) | fields)
    if kind == "BPE":
        for name in ("dropout", "continuing_subword_prefix", "byte_fallback", "fuse_unk"):
            _expect("model", model, name, None)
        merges = (m if isinstance(m, str) else " ".join(m) for m in model["merges"])
        return _byte_bpe(vocabulary, merges, unknown, **_byte_level(content) | fields)
    raise ValueError(f"model.type is {kind!r}; 'WordPiece', 'BPE' and 'Unigram' are supported.")


def _bert(content: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `WordPiece`."""
    normalizer = content.get("normalizer") or {}
    _expect("normalizer", normalizer, "type", "BertNormalizer")
    _expect("normalizer", normalizer, "clean_text", True)
    _expect("normalizer", normalizer, "handle_chinese_chars", True)
    _expect("pre_tokenizer", content.get("pre_tokenizer") or {}, "type", "BertPreTokenizer")
    lowercase, strip = normalizer["lowercase"], normalizer.get("strip_accents")
    return {"lowercase": lowercase, "strip_accents": lowercase if strip is None else strip}


def _byte_level(content: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `ByteBPE`."""
    *before, level = _parts(content.get("pre_tokenizer"), "pretokenizers")
    _expect("pre_tokenizer", level, "type", "ByteLevel")
    fields: dict[str, Any] = {"prefix_space": level["add_prefix_space"]}
    patterns = [split.get("pattern", {}).get("Regex", "") for split in before]
    if patterns:
        if len(patterns) > 1 or not patterns[0].endswith(CLIP_PATTERN):
            raise ValueError(f"pre_tokenizer splits by {patterns}; CLIP's pattern is supported.")
        fields["rule"] = "clip"
    elif not level.get("use_regex", True):
        raise ValueError("pre_tokenizer.use_regex is false; true is supported.")
    steps = _parts(content.get("normalizer"), "normalizers")
    # White space becomes blanks, which these words do not hold.
    names = [step["type"] for step in steps if not (patterns and step["type"] == "Replace")]
    names = [_STEP_NAMES.get(name, name) for name in names]
    unknown = [name for name in names if name not in STEPS]
    if unknown:
        raise ValueError(f"normalizer has {unknown}; {list(STEPS)} are supported.")
    fields["normalization"] = tuple(names)
    fields["suffix"] = content["model"].get("end_of_word_suffix") or ""
    processor = content.get("post_processor") or {}
    fields["trim_offsets"] = bool(processor.get("trim_offsets", False))
    return fields


def _unigram(content: Mapping[str, Any], added: Mapping[str, int], **fields: Any) -> Unigram:
    """The tokenizer of a `tokenizer.json` whose model is `Unigram`."""
    model = content["model"]
    scores = {piece: float(score) for piece, score in model["vocab"]}
    if len(scores) < len(model["vocab"]):
        raise ValueError("model.vocab holds a piece more than once; every piece has to stand once.")
    unknown = model.get("unk_id")
    if unknown is not None and not 0 <= unknown < len(scores):
        raise ValueError(f"model.unk_id is {unknown}; there are {len(scores)} pieces.")
    name = None if unknown is None else list(scores)[unknown]
    vocabulary = _in_order({**{piece: id_ for id_, piece in enumerate(scores)}, **added})
    special = _special((*added, *([] if name is None else [name])), name)
    told = _metaspace(content) | {
        "special": special,
        "control": tuple(p for p in added if p not in special.names),
        "byte_fallback": bool(model.get("byte_fallback")),
    }
    told |= _charsmap(content, told["rule"] == "whitespace")
    return Unigram(vocabulary, tuple(scores.get(p, 0.0) for p in vocabulary), **told | fields)


def _metaspace(content: Mapping[str, Any]) -> dict[str, Any]:
    """What a pre-tokenizer says of white space, as fields of a `Unigram`."""
    *before, meta = _parts(content.get("pre_tokenizer"), "pretokenizers")
    _expect("pre_tokenizer", meta, "type", "Metaspace")
    _expect("pre_tokenizer", meta, "replacement", BLANK)
    if not meta.get("split", True):
        raise ValueError("pre_tokenizer.split is false; true is supported.")
    if before and [part.get("type") for part in before] != ["WhitespaceSplit"]:
        raise ValueError(
            f"pre_tokenizer has {[part.get('type') for part in before]} before Metaspace; "
            "'WhitespaceSplit' is supported."
        )
    scheme = meta.get("prepend_scheme") or ("always" if meta.get("add_prefix_space") else "never")
    if scheme not in ("always", "never", "first") or (before and scheme == "first"):
        raise ValueError(
            f"pre_tokenizer.prepend_scheme is {scheme!r}; 'always' and 'never' are supported, and "
            "'first' without WhitespaceSplit."
        )
    return {"rule": "whitespace" if before else "metaspace", "prefix_space": scheme != "never"}


def _charsmap(content: Mapping[str, Any], parted: bool) -> dict[str, Any]:
    """What a normalizer says, before text is parted at white space or not, as fields."""
    steps: list[str] = []
    charsmap = ""
    parts = _parts(content.get("normalizer"), "normalizers")
    for part in parts:
        kind = part["type"]
        if kind == "Precompiled":
            if charsmap:
                raise ValueError("normalizer has more than one Precompiled; one is supported.")
            charsmap = part["precompiled_charsmap"] or ""
            steps += ["precompiled"] if charsmap else []
        elif kind == "Strip":
            sides = ("left", "right")
            steps += [f"strip_{side}" for side in sides if part.get(f"strip_{side}", True)]
        elif kind == "Replace" and part["content"] == BLANK and (parted or part != parts[-1]):
            raise ValueError(
                f"normalizer replaces {part['pattern']} by {BLANK!r} before another step or "
                "WhitespaceSplit; as the last step, without WhitespaceSplit, it is supported."
            )
        elif kind == "Replace":
            steps += _REPLACED.get((*part["pattern"].values(), part["content"]), [str(part)])
        else:
            steps.append(_STEP_NAMES.get(kind, kind))
    known = (*STEPS, "precompiled")
    unknown = [name for name in steps if name not in known]
    if unknown:
        raise ValueError(f"normalizer has {unknown}; {list(known)} are supported.")
    # Both replacements of quotes are one step.
    if steps.count("quotes") != 2 * (steps[:2] == ["quotes"] * 2):
        raise ValueError("normalizer replaces one kind of quotes; both, first, are supported.")
    steps = steps[steps[:1] == ["quotes"] :]
    return {"normalization": tuple(steps), "charsmap": charsmap}


def _wordpiece(vocabulary: Iterable[str], unknown: str | None = None, **fields: Any) -> WordPiece:
    vocabulary = tuple(vocabulary)
    return WordPiece(vocabulary, **{"special": _special(vocabulary, unknown)} | fields)


def _byte_bpe(
    vocabulary: Iterable[str], merges: Iterable[str], unknown: str | None = None, **fields: Any
) -> ByteBPE:
    vocabulary, merges = tuple(vocabulary), tuple(merges)
    told: dict[str, Any] = {"special": _special(vocabulary, unknown)}
    if any(merge.endswith("</w>") for merge in merges):
        told |= {"rule": "clip", "suffix": "</w>", "normalization": ("NFC", "lowercase")}
    return ByteBPE(vocabulary, merges, **told | fields)


def _special(vocabulary: Iterable[str], unknown: str | None) -> SpecialTokens:
    pieces = set(vocabulary)
    found = {role: next((n for n in names if n in pieces), None) for role, names in _KNOWN.items()}
    return SpecialTokens(**found | ({} if unknown is None else {"unknown": unknown}))


def _in_order(ids: Mapping[str, int]) -> tuple[str, ...]:
    """Pieces by their ids; an id that no piece has gets one that no text is cut into."""
    pieces = {id_: piece for piece, id_ in ids.items()}
    if len(pieces) < len(ids):
        twice = sorted(piece for piece, id_ in ids.items() if pieces[id_] != piece)
        raise ValueError(f"pieces share an id, such as {twice[:3]}; every piece needs its own.")
    if not all(isinstance(id_, int) and id_ >= 0 for id_ in pieces):
        raise ValueError("an id is no integer from 0 on.")
    return tuple(pieces.get(id_, f"<unused {id_}>") for id_ in range(max(pieces, default=-1) + 1))


def _parts(part: Mapping[str, Any] | None, name: str) -> list[Mapping[str, Any]]:
    """The parts of a sequence, one part, or none."""
    if part is None:
        return [] if name == "normalizers" else [{}]
    return list(part[name]) if part["type"] == "Sequence" else [part]


def _expect(where: str, part: Mapping[str, Any], name: str, value: Any) -> None:
    """Raises ValueError if a setting is another one than what is supported."""
    given = part.get(name)
    if given != value and (given or value):
        raise ValueError(f"{where}.{name} is {given!r}; {value!r} is supported.")
