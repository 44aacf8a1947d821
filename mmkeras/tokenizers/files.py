"""Tokenizers from the files that others write: `tokenizer.json`, `vocab.txt`, `vocab.json`.

`tokenizer.json` is what the `tokenizers` package saves, `vocab.txt` comes with BERT, and
`vocab.json` with `merges.txt` beside it comes with GPT-2, RoBERTa, Whisper and CLIP.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mmkeras.tokenizers.byte_bpe import ByteBPE
from mmkeras.tokenizers.normalization import STEPS
from mmkeras.tokenizers.pretokenization import CLIP_PATTERN
from mmkeras.tokenizers.subwords import SubwordTokenizer
from mmkeras.tokenizers.tokenizer import SpecialTokens
from mmkeras.tokenizers.wordpiece import CONTINUATION, MAX_WORD_LENGTH, WordPiece

_NAMES = ("tokenizer.json", "vocab.txt", "vocab.json")
#: The names that are commonly given to special tokens.
_KNOWN = {
    "pad": ("[PAD]", "<pad>"),
    "unknown": ("[UNK]", "<unk>"),
    "start": ("[CLS]", "<s>", "<|startoftext|>", "<|startoftranscript|>"),
    "end": ("[SEP]", "</s>", "<|endoftext|>"),
    "mask": ("[MASK]", "<mask>"),
}


def read(path: str | Path, **fields: Any) -> SubwordTokenizer:
    """The tokenizer that a file, or the files of a folder, describe.

    Special tokens are known by their usual names, such as `[PAD]` or `<pad>`.

    Args:
        path: a `tokenizer.json`, a `vocab.txt`, a `vocab.json` with a `merges.txt` beside it, or a
            folder that holds one of these.
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
    raise ValueError(f"model.type is {kind!r}; 'WordPiece' and 'BPE' are supported.")


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
    names = ["lowercase" if name == "Lowercase" else name for name in names]
    unknown = [name for name in names if name not in STEPS]
    if unknown:
        raise ValueError(f"normalizer has {unknown}; {list(STEPS)} are supported.")
    fields["normalization"] = tuple(names)
    fields["suffix"] = content["model"].get("end_of_word_suffix") or ""
    processor = content.get("post_processor") or {}
    fields["trim_offsets"] = bool(processor.get("trim_offsets", False))
    return fields


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
