"""Does a tokenizer keep its contract?"""

import copy
import pickle
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mmkeras.testing.peers import HIDDEN, peer
from mmkeras.testing.round_trip import round_trip
from mmkeras.tokenizers import Tokenizer
from mmkeras.tokenizers.subwords import SubwordTokenizer

_PYTHON_OPS = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}
#: Texts that need care: nothing, white space, controls, marks, right to left, what looks special.
HARD = (
    "",
    " ",
    "\t\n\u3000",
    "\x00",
    "a\x00b",
    "e\u0301\u0323 \u0301",
    "שלום עולם مرحبا بالعالم",
    "न्यूयॉर्क 한국어 \u1112\u1161\u11ab",
    "👩‍👩‍👧🇩🇪",
    "<s> [CLS] <pad></s> <unk>[UNK]",
    "\ufffd\uffff\U0010fffd",
    "  two  blanks  ",
    "a" * 600,
    "▁▁ ▁a ##b Ġc",
)
_INVALID = (b"\xff", b"cut \xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80")
_SIGNATURE = [tf.TensorSpec([None], tf.string)]


def check_tokenizer(tokenizer: Tokenizer, texts: Sequence[str]) -> None:
    """Raises an AssertionError unless the tokenizer keeps its contract; see `Tokenizer`.

    It writes and reads its configuration, copies and pickles; gives the same ids eagerly, in
    `tf.function`, in `tf.data`, one by one, and in a SavedModel without Python; reads no special
    token in a text; cuts the first words alone if asked to; refuses what is not UTF-8; and, where
    it tells offsets, they stand in the text in order; and its ids, offsets and texts are those of
    its peer, if it has one.

    Args:
        tokenizer: any instance.
        texts: what to cut besides some hard ones.

    Example:

    >>> from mmkeras.tokenizers import ByteTokenizer
    >>> check_tokenizer(ByteTokenizer(), ["a text"])
    """
    texts = [*HARD, *texts]
    expected = tokenizer.tokenize(tf.constant(texts))
    _check_ids(tokenizer, expected)
    ids = expected.to_list()
    _check_configuration(tokenizer, texts[:12], ids[:12])
    _check_everywhere(tokenizer, texts, ids)
    _check_saved(tokenizer, texts, ids)
    _check_limit(tokenizer, texts, ids)
    _check_invalid(tokenizer)
    if isinstance(tokenizer, SubwordTokenizer):
        _check_offsets(tokenizer, texts, ids)
        _check_peer(tokenizer, texts, expected)


def _check_ids(tokenizer: Tokenizer, ids: tf.RaggedTensor) -> None:
    assert ids.dtype == tf.int32, f"ids must be int32; they are {ids.dtype}"
    flat = ids.flat_values.numpy()
    assert (flat >= 0).all() and (flat < tokenizer.vocabulary_size).all(), (
        f"ids must be from 0 to {tokenizer.vocabulary_size - 1}; they are from {flat.min()} to "
        f"{flat.max()}"
    )
    for role in ("pad", "start", "end", "mask"):
        id_ = tokenizer.special_id(role)
        assert id_ is None or id_ not in flat, f"a text was read as the special token {role!r}"
    assert tokenizer.tokenize(tf.constant([], tf.string)).to_list() == [], (
        "no texts must give no rows"
    )


def _check_configuration(tokenizer: Tokenizer, texts: list[str], ids: list[list[int]]) -> None:
    for says, other in {
        "the configuration": round_trip(tokenizer),
        "a copy": copy.deepcopy(tokenizer),
        "a pickle": pickle.loads(pickle.dumps(tokenizer)),
    }.items():
        assert other == tokenizer, f"{says} gives another tokenizer: {other} for {tokenizer}"
        assert hash(other) == hash(tokenizer), "equal tokenizers must have equal hashes"
        _check_same(other.tokenize(tf.constant(texts)).to_list(), ids, texts, f"{says} differs")


def _check_everywhere(tokenizer: Tokenizer, texts: list[str], ids: list[list[int]]) -> None:
    in_graph = tf.function(tokenizer.tokenize, input_signature=_SIGNATURE)
    _check_same(in_graph(tf.constant(texts)).to_list(), ids, texts, "it differs in tf.function")
    for size in (1, 5):
        batches = tf.data.Dataset.from_tensor_slices(texts).batch(size).map(tokenizer.tokenize)
        got = [row for batch in batches for row in batch.to_list()]
        _check_same(got, ids, texts, f"it differs in tf.data, in batches of {size}")


def _check_saved(tokenizer: Tokenizer, texts: list[str], ids: list[list[int]]) -> None:
    module = tf.Module()
    module.tokenize = tf.function(
        lambda raw: {"ids": tokenizer.tokenize(raw).to_tensor(-1)}, input_signature=_SIGNATURE
    )
    module.resources = tokenizer.resources
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder)
        loaded = tf.saved_model.load(folder)
        got = loaded.tokenize(tf.constant(texts))["ids"].numpy()
    rows = [[int(id_) for id_ in row if id_ >= 0] for row in got]
    _check_same(rows, ids, texts, "it differs in a SavedModel")
    graph = loaded.tokenize.concrete_functions[0].graph.as_graph_def()
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    python = sorted({node.op for node in nodes} & _PYTHON_OPS)
    assert not python, f"its graph runs Python ({python}), which no export can take along"


def _check_limit(tokenizer: Tokenizer, texts: list[str], ids: list[list[int]]) -> None:
    for limit in (0, 1, 3):
        limited = tokenizer.tokenize(tf.constant(texts), limit=limit).to_list()
        for text, some, whole in zip(texts, limited, ids, strict=True):
            assert some == whole[: len(some)], f"limit={limit} changes the pieces of {text!r:.60}"
            assert len(some) >= min(limit, len(whole)), (
                f"limit={limit} gives {len(some)} pieces of {text!r:.60}, which has {len(whole)}"
            )


def _check_invalid(tokenizer: Tokenizer) -> None:
    calls: list[Callable[..., Any]] = [tokenizer.tokenize, tf.function(tokenizer.tokenize)]
    for raw in _INVALID:
        for call in calls:
            try:
                call(tf.constant([b"fine", raw]))
            except tf.errors.InvalidArgumentError as error:
                assert "not valid UTF-8" in error.message, f"{raw!r}: {error.message}"
                continue
            raise AssertionError(f"{raw!r} is no UTF-8 and must raise an InvalidArgumentError")


def _check_offsets(tokenizer: SubwordTokenizer, texts: list[str], ids: list[list[int]]) -> None:
    pieces = tokenizer.tokenize_with_offsets(tf.constant(texts))
    in_bytes = tokenizer.tokenize_with_offsets(tf.constant(texts), unit="bytes")
    for made in (pieces, in_bytes):
        _check_same(made.token_ids.to_list(), ids, texts, "it differs with offsets")
    rows = (*pieces[1:], *in_bytes[1:])
    for text, *spans in zip(texts, *(row.to_list() for row in rows), strict=True):
        starts, ends, *_ = spans
        assert all(0 <= a <= b <= len(text) for a, b in zip(starts, ends)), (
            f"offsets {list(zip(starts, ends))[:9]} do not stand in {text!r:.60}"
        )
        raw = text.encode()
        for start, end, first, last in zip(*spans, strict=True):
            assert start == end or raw[first:last].decode() == text[start:end], (
                f"bytes {first} to {last} are not the characters {start} to {end} of {text!r:.60}"
            )


def _check_peer(tokenizer: SubwordTokenizer, texts: list[str], ids: tf.RaggedTensor) -> None:
    try:
        same = peer(tokenizer)
    except NotImplementedError:
        return
    expected = same.encode_batch(texts)
    _check_same(ids.to_list(), [e.ids for e in expected], texts, "its peer cuts otherwise")
    joined = [text.decode() for text in tokenizer.detokenize(ids).numpy()]
    decoded = [text.replace(HIDDEN, "") for text in same.decode_batch(ids.to_list())]
    _check_same(joined, decoded, texts, "its peer joins otherwise")
    padded = tf.pad(ids.to_tensor(tokenizer.pad_id or 0), [[0, 0], [0, 1]])
    if tokenizer.pad_id == 0:
        again = [text.decode() for text in tokenizer.detokenize(padded).numpy()]
        assert again == joined, "padding shows in texts"


def _check_same(got: Sequence[Any], expected: Sequence[Any], texts: list[str], says: str) -> None:
    for text, mine, right in zip(texts, got, expected, strict=True):
        assert np.array_equal(mine, right), (
            f"{says}: {text!r:.60} gives {mine!r:.200} and not {right!r:.200}"
        )
