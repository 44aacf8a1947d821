"""`Text`: from what a person hands in to `token_ids`, and from a source to a vocabulary."""

import copy
import dataclasses
import json
import pickle
from collections.abc import Collection, Mapping
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.contracts.source import Encode, Source
from mmkeras.modalities.text import Text
from mmkeras.tokenizers.byte_bpe import ByteBPE, byte_alphabet
from mmkeras.tokenizers.hashed_ngrams import HashedNgrams
from mmkeras.tokenizers.wordpiece import WordPiece

TEXT = Text.tiny()
BYTES = ByteBPE(byte_alphabet(), ())
PREPROCESS = tf.function(TEXT.preprocess, input_signature=[tf.TensorSpec([], tf.string)])


def ids(text: Text, value: Any) -> list[int]:
    return text.preprocess(tf.constant(text.encode(value)))["token_ids"].numpy().tolist()


def test_a_text_becomes_cls_and_pieces_and_padding():
    piece = TEXT.tokenizer.vocabulary.index
    expected = [piece(p) for p in ("[CLS]", "the", "cat", "##s", ",", "and", "a", "dog", "!")]
    assert ids(TEXT, "The cats, and a dog!") == expected + [0] * 3


def test_a_long_text_is_cut():
    dog = TEXT.tokenizer.vocabulary.index("dog")
    assert ids(TEXT, "dog " * 50) == [TEXT.tokenizer.start_id] + [dog] * 11
    assert ids(TEXT, "cats" + " dog" * 50)[1:4] == [*ids(TEXT, "cats")[1:3], dog]


@pytest.mark.parametrize("value", [None, "", b"", "  \t\n", "\u00a0\u3000", "\x00\u200b", np.nan])
def test_a_text_without_words_is_absent(value):
    assert ids(TEXT, value) == TEXT.absent()["token_ids"].tolist() == [0] * 12


def test_tensors_are_as_the_specs_state():
    assert TEXT.specs().keys() == TEXT.absent().keys()
    dataset = tf.data.Dataset.from_tensor_slices(TEXT.samples()).map(TEXT.preprocess)
    for name, spec in TEXT.specs().items():
        assert dataset.element_spec[name] == tf.TensorSpec(spec.shape, spec.dtype)
        assert TEXT.absent()[name].shape == spec.shape
        assert TEXT.absent()[name].dtype == spec.dtype


def test_samples_differ():
    raws = TEXT.samples()
    assert len({tuple(ids(TEXT, raw)) for raw in raws}) == len(set(raws)) == len(raws)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=5))
def test_one_by_one_equals_a_batch(values):
    raws = [*TEXT.samples(), *map(TEXT.encode, values)]
    batch = TEXT.preprocess_batch(tf.constant(raws))["token_ids"].numpy()
    assert batch.shape == (len(raws), 12)
    assert batch.dtype == np.int32
    single = [PREPROCESS(tf.constant(raw))["token_ids"].numpy() for raw in raws]
    assert (batch == single).all()


def test_a_saved_model_gives_the_same(tmp_path):
    module = tf.Module()
    module.preprocess = tf.function(
        TEXT.preprocess_batch, input_signature=[tf.TensorSpec([None], tf.string, "raw")]
    )
    module.resources = TEXT.tokenizer.resources
    tf.saved_model.save(module, tmp_path)
    raws = tf.constant([*TEXT.samples(), b""])
    loaded = tf.saved_model.load(tmp_path).preprocess(raws)["token_ids"]
    assert (loaded.numpy() == TEXT.preprocess_batch(raws)["token_ids"].numpy()).all()


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        (None, b""),
        ("né", b"n\xc3\xa9"),
        (b"n\xc3\xa9", b"n\xc3\xa9"),
        (np.str_("a"), b"a"),
        (5, b"5"),
        (np.int64(5), b"5"),
        (2.5, b"2.5"),
        (float("nan"), b""),
        (np.float32("nan"), b""),
    ],
)
def test_encode(value, raw):
    assert TEXT.encode(value) == raw


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (b"ok \xff", ValueError, "not valid UTF-8 at byte 3"),
        ("a\ud83d", ValueError, "half a surrogate pair at character 1"),
        (["a"], TypeError, "of type list"),
        (np.zeros(3), TypeError, "of type ndarray"),
    ],
)
def test_encode_refuses_what_is_no_text(value, error, message):
    with pytest.raises(error, match=message):
        TEXT.encode(value)


def test_length_and_trim_follow_the_longest_text():
    batch = TEXT.preprocess_batch(tf.constant(["cats", "a dog and a cat", ""]))
    rows = [{"token_ids": row} for row in batch["token_ids"]]
    lengths = [int(TEXT.length(row)) for row in rows]
    assert lengths == [3, 6, 0]
    trimmed = TEXT.trim(batch, tf.constant(6))["token_ids"]
    assert trimmed.shape == (3, 6)
    assert not batch["token_ids"][:, 6:].numpy().any()


def test_augment_hides_a_share_of_the_pieces():
    text = dataclasses.replace(TEXT, token_dropout=0.3, max_length=32)
    tensors = text.preprocess(tf.constant("the cats and a dog " * 4))
    before = tensors["token_ids"].numpy()
    augment = tf.function(text.augment)
    after = np.stack(
        [augment(tensors, tf.constant([7, i]))["token_ids"].numpy() for i in range(200)]
    )
    assert after.dtype == np.int32
    assert (after[:, 0] == text.tokenizer.start_id).all()
    assert ((after == before) | (after == text.tokenizer.unknown_id)).all()
    assert (after[:, before == 0] == 0).all()
    hidden = (after != before)[:, before > 2].mean()
    assert 0.25 < hidden < 0.35
    again = augment(tensors, tf.constant([7, 0]))["token_ids"].numpy()
    assert (again == after[0]).all()


def test_augment_leaves_a_piece_and_an_absent_text_alone():
    text = dataclasses.replace(TEXT, token_dropout=0.9)
    for raw in ("dog", ""):
        tensors = text.preprocess(tf.constant(raw))
        for i in range(20):
            after = text.augment(tensors, tf.constant([i, 1]))["token_ids"]
            assert (after.numpy() == tensors["token_ids"].numpy()).all()
    tensors = text.preprocess(tf.constant("dog cat"))
    for i in range(50):
        assert set(text.augment(tensors, tf.constant([i, 1]))["token_ids"].numpy()) - {0, 1, 2}


class Memory(Source):
    """A source of two columns, in memory."""

    columns = ("review", "nothing")

    def __init__(self, reviews: list[Any]):
        self.reviews = reviews

    def __len__(self) -> int:
        return len(self.reviews)

    def rows(self, columns: Mapping[str, Encode], files: Collection[str] = ()) -> tf.data.Dataset:
        cells = {"review": self.reviews, "nothing": [None] * len(self)}
        raws = {name: [encode(c) for c in cells[name]] for name, encode in columns.items()}
        return tf.data.Dataset.from_tensor_slices(raws).enumerate()

    def load(self, row: Any) -> dict[str, tf.Tensor]:
        return row

    def locate(self, index: int) -> str:
        return f"row {index}"

    def cell(self, index: int, column: str) -> str:
        return str(self.reviews[index])


def test_adapt_learns_the_words_of_a_column():
    source = Memory(["Cats purr", None, "cats and dogs", 7, "dogs bark"] * 3)
    text = Text.adapt(source, "review", vocabulary_size=60, max_length=8, token_dropout=0.2)
    assert text.tokenizer.vocabulary[0] == "[PAD]"
    assert {"cats", "dogs", "bark", "7"} < set(text.tokenizer.vocabulary)
    assert text.vocabulary_size == len(text.tokenizer.vocabulary) <= 60
    assert (text.max_length, text.token_dropout) == (8, 0.2)
    assert text == Text.adapt(source, "review", 60, max_length=8, token_dropout=0.2)


def test_without_padding_at_0_ids_are_one_higher():
    text = Text(BYTES, max_length=4, token_dropout=0)
    assert ids(text, "ab") == [ord("a") + 1, ord("b") + 1, 0, 0]
    assert text.vocabulary_size == 257
    assert ids(text, "\0") == [1, 0, 0, 0]


@pytest.mark.parametrize("kind", [WordPiece, ByteBPE, HashedNgrams])
def test_every_tokenizer_learns_serialises_and_hides_pieces(kind):
    source = Memory(["Cats purr", "cats and dogs", "dogs bark"] * 3)
    text = Text.adapt(source, "review", 300, max_length=20, token_dropout=0.5, tokenizer=kind)
    assert text.vocabulary_size <= 300
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(text))
    assert again == text
    tensors = text.preprocess(tf.constant("cats bark"))
    before = tensors["token_ids"].numpy()
    assert ids(again, "cats bark") == before.tolist()
    assert 0 < before.max() < text.vocabulary_size
    after = [text.augment(tensors, tf.constant([i, 1]))["token_ids"].numpy() for i in range(20)]
    changed = np.array([row != before for row in after])
    assert changed.any() and len({row[c] for row in after for c in np.where(row != before)[0]}) == 1
    assert not changed[:, before == 0].any()


def test_adapt_refuses_a_column_without_text():
    with pytest.raises(ValueError, match="'nothing' holds no text in its 1 rows"):
        Text.adapt(Memory(["cats"]), "nothing")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_length": 1}, "max_length is 1; it has to be at least 2"),
        ({"token_dropout": 1.0}, r"token_dropout is 1.0; it has to be in \[0, 1\)"),
        ({"tokenizer": ("a", "b")}, "it has to be a tokenizer, such as"),
        (
            {"tokenizer": HashedNgrams(), "max_length": 0},
            "max_length is 0; it has to be at least 1",
        ),
        ({"tokenizer": BYTES}, "neither an unknown token nor a mask"),
    ],
)
def test_wrong_fields_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(TEXT, **fields)


def test_serialises_copies_and_pickles_after_use():
    text = Text(WordPiece(TEXT.tokenizer.vocabulary, lowercase=False), max_length=12)
    expected = ids(text, "the Cats")
    config = keras.saving.serialize_keras_object(text)
    for other in (
        keras.saving.deserialize_keras_object(config),
        Text.from_config(json.loads(json.dumps(text.get_config()))),
        copy.deepcopy(text),
        pickle.loads(pickle.dumps(text)),
    ):
        assert other == text
        assert hash(other) == hash(text)
        assert ids(other, "the Cats") == expected
    assert "'cat'" not in repr(text)


def test_layouts_and_sides():
    tokenizer = TEXT.tokenizer
    pieces = tokenizer.tokenize(["the cats and a dog"])[0].numpy().tolist()
    start, end = tokenizer.start_id, tokenizer.end_id
    made = {
        (layout, side): Text(tokenizer, max_length=4, layout=layout, truncation_side=side)
        .preprocess(tf.constant("the cats and a dog"))["token_ids"]
        .numpy()
        .tolist()
        for layout in ("start", "none", "bert")
        for side in ("right", "left")
    }
    assert made["start", "right"] == [start, *pieces[:3]]
    assert made["start", "left"] == [start, *pieces[-3:]]
    assert made["none", "right"] == pieces[:4]
    assert made["bert", "left"] == [start, *pieces[-2:], end]
    with pytest.raises(ValueError, match="layout is 'gpt'"):
        Text(tokenizer, layout="gpt")
    with pytest.raises(ValueError, match="at least 3"):
        Text(tokenizer, max_length=2, layout="bert")


def test_origins_follow_what_is_cut_off():
    text = "the cats and a dog"
    field = Text(TEXT.tokenizer, max_length=5, layout="bert", truncation_side="left")
    made = field.preprocess_batch(tf.constant([text, ""]), origins=True)
    spans = list(zip(made["starts"].numpy()[0], made["ends"].numpy()[0]))
    assert [text[start:end] for start, end in spans[1:-1]] == ["and", "a", "dog"]
    assert made["words"].numpy().tolist() == [[-1, 0, 1, 2, -1], [-1] * 5]
    assert not made["token_ids"].numpy()[1].any()


def test_swapped_pieces_are_of_their_kind():
    names = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    pieces = ("cat", "dog", "Cat", "Dog", "##s", "##ed", "12", "7", "!", "?")
    tokenizer = WordPiece((*names, *pieces), lowercase=False)
    field = Text(tokenizer, max_length=8, token_dropout=0.0, token_swap=0.5)
    before = field.preprocess(tf.constant("cats Dog 12!"))
    runs = [
        field.augment(before, tf.constant([seed, 0]))["token_ids"].numpy() for seed in range(200)
    ]
    shown = [{tokenizer.vocabulary[run[place]] for run in runs} for place in range(8)]
    assert shown[:6] == [
        {"[CLS]"},
        {"cat", "dog"},
        {"##s", "##ed"},
        {"Cat", "Dog"},
        {"12", "7"},
        {"!", "?"},
    ]
    assert shown[6:] == [{"[PAD]"}] * 2
    # Half of them are swapped, half of these by themselves.
    assert 0.15 < np.mean([run[1] != runs[0][1] for run in runs]) < 0.85
    with pytest.raises(ValueError, match="token_swap is 1"):
        Text(tokenizer, token_swap=1.0)
    with pytest.raises(ValueError, match="HashedNgrams has no vocabulary"):
        Text(HashedNgrams(98), token_dropout=0.0, token_swap=0.1)
