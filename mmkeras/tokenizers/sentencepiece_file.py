"""SentencePiece's `.model` files: the fields of `sentencepiece_model.proto` that say how to cut.

The wire format is that of https://protobuf.dev/programming-guides/encoding.
"""

import base64
import struct
from collections import defaultdict
from typing import Any

from mmkeras.tokenizers.tokenizer import SpecialTokens
from mmkeras.tokenizers.unigram import Unigram

_NORMAL, _UNKNOWN, _CONTROL, _SYMBOL, _UNUSED, _BYTE = range(1, 7)
_MODELS = {1: "unigram", 2: "BPE", 3: "word", 4: "character"}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIZES = {_FIXED64: 8, _FIXED32: 4}

#: The values of each field of a message: bytes, or an integer.
Fields = defaultdict[int, list[Any]]


def message(raw: bytes) -> Fields:
    """The fields of a message by their numbers.

    Raises:
        ValueError: it is cut or damaged; the message says at which byte.

    Example:

    >>> dict(message(b"\\x0a\\x02hi\\x18\\x96\\x01"))
    {1: [b'hi'], 3: [150]}
    """
    fields: Fields = defaultdict(list)
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while place < len(raw) and shift < 64:
            byte = raw[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
        raise ValueError(f"it is cut or damaged at byte {place}, within a number")

    while place < len(raw):
        begin = place
        number, wire = divmod(varint(), 8)
        if wire == _VARINT:
            fields[number].append(varint())
            continue
        if wire != _BYTES and wire not in _SIZES:
            raise ValueError(f"it is damaged at byte {begin}: there is no wire type {wire}")
        size = varint() if wire == _BYTES else _SIZES[wire]
        if place + size > len(raw):
            raise ValueError(
                f"it is cut or damaged at byte {begin}: field {number} has {size} bytes, of which "
                f"{len(raw) - place} are there"
            )
        fields[number].append(raw[place : place + size])
        place += size
    return fields


def unigram(raw: bytes, special: dict[str, tuple[str, ...]], **fields: Any) -> Unigram:
    """The tokenizer that a SentencePiece model of type unigram describes.

    Args:
        raw: the bytes of the file.
        special: the names that control pieces have which are special tokens, by their roles.
        **fields: fields of the tokenizer that shall differ.

    Raises:
        ValueError: the bytes are no such model, or ask for what is not supported.
    """
    model = message(raw)
    pieces = [_piece(number, one) for number, one in enumerate(model[1])]
    if not pieces:
        raise ValueError("it holds no pieces; it is no SentencePiece model")
    trained, normalized = (message(_last(model, number, b"")) for number in (2, 3))
    kind = _last(trained, 3, 1)
    if kind != 1:
        raise ValueError(
            f"trainer_spec.model_type is {_MODELS.get(kind, kind)}; unigram is supported"
        )
    if _last(trained, 24, 0):
        raise ValueError("trainer_spec.treat_whitespace_as_suffix is true; false is supported")
    if not _last(normalized, 5, 1):
        raise ValueError("normalizer_spec.escape_whitespaces is false; true is supported")
    named: dict[int, list[str]] = defaultdict(list)
    for piece, _, of_kind in pieces:
        named[of_kind].append(piece)
    roles = {
        role: next((name for name in names if name in named[_CONTROL]), None)
        for role, names in special.items()
    }
    roles["unknown"] = next(iter(named[_UNKNOWN]), None)
    hidden = set(roles.values())
    charsmap = _last(normalized, 2, b"")
    told: dict[str, Any] = {
        "special": SpecialTokens(**roles),
        "control": tuple(p for p in named[_CONTROL] + named[_UNUSED] if p not in hidden),
        "symbols": tuple(named[_SYMBOL]),
        "normalization": ("charsmap",) * bool(charsmap)
        + ("extra_blanks",) * bool(_last(normalized, 4, 1)),
        "charsmap": base64.b64encode(charsmap).decode(),
        "rule": "sentencepiece",
        "prefix_space": bool(_last(normalized, 3, 1)),
        "byte_fallback": bool(named[_BYTE]),
    }
    vocabulary, scores, _ = zip(*pieces)
    return Unigram(vocabulary, scores, **told | fields)


def _piece(number: int, raw: bytes) -> tuple[str, float, int]:
    """A piece, its score and its kind."""
    if not isinstance(raw, bytes):
        raise ValueError(f"piece {number} is a number; the file is damaged")
    try:
        fields = message(raw)
        (score,) = struct.unpack("<f", _last(fields, 2, b"\0" * 4))
        return _last(fields, 1, b"").decode(), score, _last(fields, 3, _NORMAL)
    except (ValueError, struct.error, TypeError, AttributeError) as error:
        raise ValueError(f"piece {number} is damaged: {error}") from error


def _last(fields: Fields, number: int, default: Any) -> Any:
    """The value of a field that stands once, of the type of the default."""
    value = fields[number][-1] if number in fields else default
    if not isinstance(value, type(default)):
        raise ValueError(f"field {number} is a {type(value).__name__}; the file is damaged")
    return value
