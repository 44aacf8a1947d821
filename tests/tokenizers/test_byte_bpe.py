"""`ByteBPE` against the `tokenizers` package: ids, offsets and texts of GPT-2, RoBERTa and CLIP."""

import copy
import json
import pickle

import pytest
import tensorflow as tf
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers

from mmkeras.testing.peers import peer
from mmkeras.testing.round_trip import round_trip
from mmkeras.testing.texts import many_scripts
from mmkeras.tokenizers.byte_bpe import ByteBPE, byte_alphabet
from mmkeras.tokenizers.tokenizer import SpecialTokens

TRAINING = many_scripts(1_500, seed=2)
FIELDS = {
    "gpt2": {},
    "roberta": {"prefix_space": True, "trim_offsets": True},
    "clip": {"rule": "clip", "suffix": "</w>", "normalization": ("NFC", "lowercase")},
}
TOKENIZERS = {
    name: ByteBPE.learn(TRAINING, vocabulary_size=3_000, **fields)
    for name, fields in FIELDS.items()
}


ORACLES = {name: peer(tokenizer) for name, tokenizer in TOKENIZERS.items()}
SIGNATURE = [tf.TensorSpec([None], tf.string)]
CUT = {
    name: tf.function(tokenizer.tokenize_with_offsets, input_signature=SIGNATURE)
    for name, tokenizer in TOKENIZERS.items()
}


def check(name: str, texts: list[str]) -> None:
    pieces = CUT[name](tf.constant(texts, tf.string))
    expected = ORACLES[name].encode_batch(texts)
    assert pieces.token_ids.to_list() == [encoding.ids for encoding in expected]
    spans = zip(pieces.starts.to_list(), pieces.ends.to_list())
    assert [list(zip(*span)) for span in spans] == [encoding.offsets for encoding in expected]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_equals_the_tokenizers_package_in_many_scripts(name, lines):
    check(name, lines)


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
        | st.text("'sretvlmd \n\u00a0é1-猫\u0301", max_size=20),
        max_size=6,
    )
)
def test_equals_the_tokenizers_package_on_any_text(name, texts):
    check(name, texts)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_detokenize_equals_the_tokenizers_package(name, lines):
    token_ids = TOKENIZERS[name].tokenize(tf.constant(lines))
    expected = ORACLES[name].decode_batch(token_ids.to_list())
    if name == "clip":
        expected = [text.replace("</w>", " ").rstrip(" ") for text in expected]
    got = [text.decode() for text in TOKENIZERS[name].detokenize(token_ids).numpy()]
    assert got == expected
    if name == "gpt2":
        assert got == lines


def test_offsets_in_bytes_are_those_of_the_same_characters(lines):
    tokenizer, texts = TOKENIZERS["gpt2"], tf.constant(lines)
    characters = tokenizer.tokenize_with_offsets(texts)
    in_bytes = tokenizer.tokenize_with_offsets(texts, unit="bytes")
    for line, *rows in zip(
        lines, *(r.to_list() for r in (*characters[1:], *in_bytes[1:])), strict=True
    ):
        raw = line.encode()
        for start, end, first, last in zip(*rows, strict=True):
            assert raw[first:last].decode() == line[start:end]
    with pytest.raises(ValueError, match="unit is 'words'"):
        tokenizer.tokenize_with_offsets(texts, unit="words")


def test_half_a_character_is_shown_as_the_replacement_character():
    tokenizer = TOKENIZERS["gpt2"]
    ids = [tokenizer.vocabulary.index(byte_alphabet()[byte]) for byte in b"a\xe7\x8cb\xff"]
    expected = ORACLES["gpt2"].decode(ids)
    assert tokenizer.detokenize(tf.constant([ids])).numpy()[0].decode() == expected


def test_special_tokens_in_a_text_are_text_and_are_not_shown():
    tokenizer = TOKENIZERS["gpt2"]
    ids = tokenizer.tokenize(["<s>a</s>"])
    assert not {tokenizer.start_id, tokenizer.end_id} & set(ids.to_list()[0])
    padded = tf.constant([[tokenizer.start_id, *ids.to_list()[0], tokenizer.pad_id]])
    assert tokenizer.detokenize(padded).numpy().tolist() == [b"<s>a</s>"]


def test_limit_keeps_the_first_words():
    tokenizer = TOKENIZERS["gpt2"]
    limited = tokenizer.tokenize_with_offsets(["red cat, dog", "", " a"], limit=2)
    whole = tokenizer.tokenize_with_offsets(["red cat", "", " a"])
    for a, b in zip(limited, whole, strict=True):
        assert a.to_list() == b.to_list()


def test_a_million_letters_take_seconds():
    tokenizer = TOKENIZERS["gpt2"]
    tokenize = tf.function(tokenizer.tokenize, input_signature=SIGNATURE)
    texts = ["abcdefghij" * 100_000]
    assert tokenize(tf.constant(texts)).to_list()[0] == ORACLES["gpt2"].encode(texts[0]).ids


def test_a_saved_model_gives_the_same(tmp_path, lines):
    tokenizer = TOKENIZERS["clip"]
    module = tf.Module()
    module.tokenize = tf.function(
        lambda texts: {"ids": tokenizer.tokenize(texts).to_tensor()}, input_signature=SIGNATURE
    )
    module.resources = tokenizer.resources
    tf.saved_model.save(module, tmp_path)
    loaded = tf.saved_model.load(tmp_path)
    texts = tf.constant(lines[:200])
    expected = tokenizer.tokenize(texts).to_tensor().numpy()
    assert (loaded.tokenize(texts)["ids"].numpy() == expected).all()
    graph = loaded.tokenize.concrete_functions[0].graph.as_graph_def()
    operations = {node.op for f in graph.library.function for node in f.node_def}
    assert not operations & {"PyFunc", "EagerPyFunc", "PyFuncStateless"}


def test_works_in_tf_data(lines):
    tokenizer = TOKENIZERS["gpt2"]
    dataset = tf.data.Dataset.from_tensor_slices(lines[:300]).batch(100).map(tokenizer.tokenize)
    got = [row for batch in dataset for row in batch.to_list()]
    assert got == tokenizer.tokenize(lines[:300]).to_list()


def test_bytes_that_are_not_utf8_raise():
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"not valid UTF-8.*cut \ufffd"):
        TOKENIZERS["gpt2"].tokenize([b"fine", b"cut \xc3"])


def test_learning_is_deterministic_whatever_the_order():
    texts = [f"{a}{b} {b}{a}" for a in ("ka", "lo", "mi", "猫") for b in ("ter", "an", "сен")]
    learned = {
        ByteBPE.learn(order, vocabulary_size=320)
        for order in (texts, texts[::-1], [text.encode() for text in texts])
    }
    assert len(learned) == 1


def test_learns_what_the_tokenizers_package_learns():
    same = tokenizers.Tokenizer(models.BPE())
    same.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=3_000,
        min_frequency=2,
        special_tokens=[*TOKENIZERS["gpt2"].special.get_config().values(), *byte_alphabet()],
        show_progress=False,
    )
    same.train_from_iterator(TRAINING, trainer)
    merges = json.loads(same.to_str())["model"]["merges"]
    assert [" ".join(merge) for merge in merges] == list(TOKENIZERS["gpt2"].merges)


def test_serialises_copies_and_pickles_after_use():
    tokenizer = TOKENIZERS["roberta"]
    expected = tokenizer.tokenize(["the cat"]).to_list()
    for other in (
        round_trip(tokenizer),
        copy.deepcopy(tokenizer),
        pickle.loads(pickle.dumps(tokenizer)),
    ):
        assert other == tokenizer
        assert hash(other) == hash(tokenizer)
        assert other.tokenize(["the cat"]).to_list() == expected


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"vocabulary": (*byte_alphabet(), "a")}, r"more than once.*\['a'\]"),
        ({"vocabulary": (*byte_alphabet(), "")}, "piece 256 of the vocabulary is empty"),
        ({"vocabulary": byte_alphabet()[:200]}, "lacks pieces for 56 of 256 bytes"),
        ({"merges": ("a b",)}, r"merge 0 is 'a b'.*\['ab'\] are not"),
        ({"merges": ("a",)}, "merge 0 is 'a'; it has to be two pieces"),
        ({"merges": ("a x y",)}, "merge 0 is 'a x y'; it has to be two pieces"),
        ({"special": SpecialTokens(pad="<pad>")}, "lacks '<pad>', which special.pad names"),
        ({"rule": "bert"}, "rule is 'bert'; it has to be one of"),
        ({"normalization": ("nfx",)}, r"normalization names \['nfx'\]"),
    ],
)
def test_wrong_fields_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        ByteBPE(**{"vocabulary": byte_alphabet(), "merges": ()} | fields)


def test_a_repeated_merge_is_refused():
    with pytest.raises(ValueError, match="merge 'a b' stands more than once"):
        ByteBPE((*byte_alphabet(), "ab"), ("a b", "a b"))


def test_learning_wants_room():
    with pytest.raises(ValueError, match="vocabulary_size is 260, and 261 of the pieces"):
        ByteBPE.learn(["a"], vocabulary_size=260)
