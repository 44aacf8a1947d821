"""`Words`: the parts of each word as `HashedNgrams` gives them, and what augmentation leaves."""

import re

import numpy as np
import pytest
import tensorflow as tf

from mmkeras.modalities import Words
from mmkeras.tokenizers import HashedNgrams, WordPiece

NGRAMS = HashedNgrams(buckets=10_000)
WORDS = Words(NGRAMS, max_length=6, max_parts=10, word_dropout=0.4, part_dropout=0.4)


def parts(text):
    return WORDS.preprocess(tf.constant(text))["part_ids"].numpy()


def test_each_row_is_a_word_with_its_last_parts():
    made = parts("a cats!")
    for row, word in zip(made, ["a", "cats", "!"]):
        expected = NGRAMS.tokenize([word])[0].numpy()[-10:]
        np.testing.assert_array_equal(row[: len(expected)], expected)
        assert not row[len(expected) :].any()
    assert not made[3:].any()


def test_a_word_has_the_same_parts_wherever_it_stands():
    np.testing.assert_array_equal(parts("a b naïve c")[2], parts("naïve")[0])
    assert len(parts("one two three four five six seven")) == 6


@pytest.mark.parametrize(
    "text",
    ["Anna-Lena, lives in  Köln.", "", "  猫和狗。 x\v y \u00a0z a🐈", "é e\u0301a b c d e f"],
)
def test_origins_are_where_each_word_stands(text):
    raw = tf.constant([text, "before", text])
    made = WORDS.preprocess_batch(raw, origins=True)
    alone = re.sub(r"[^\w\s\u0301]", r" \g<0> ", text, flags=re.ASCII if text.isascii() else 0)
    words = re.split(r"[ \t\n\v\f\r]+", alone.replace("\u00a0", " \u00a0 "))
    words = [word for word in words if word][:6]
    for row in (0, 2):
        there = (made["part_ids"][row].numpy() != 0).any(axis=1)
        assert there.sum() == len(words)
        for start, end, number, word in zip(
            made["starts"][row].numpy(),
            made["ends"][row].numpy(),
            made["words"][row].numpy(),
            words,
        ):
            assert number == -1 if word.isspace() else text[start:end] == word


def test_augment_hides_words_and_parts():
    before = WORDS.preprocess(tf.constant("some words of a text"))
    ids = before["part_ids"].numpy()
    runs = [
        WORDS.augment(before, tf.constant([seed, 0]))["part_ids"].numpy() for seed in range(300)
    ]
    unknown = NGRAMS.special_id("unknown")
    for run in runs:
        hidden = (run == unknown).any(axis=1)
        assert (run[hidden, 1:] == 0).all()
        kept = ~hidden[:, None] & (run != 0)
        np.testing.assert_array_equal(run[kept], ids[kept])
        assert WORDS.length({"part_ids": tf.constant(run)}) == 5
    hidden = np.mean([(run[:4] == unknown).any(axis=1) for run in runs])
    assert 0.35 < hidden < 0.5  # 0.4, and words that would lose all parts
    left = np.mean([(run[0] != 0).sum() / (ids[0] != 0).sum() for run in runs if run[0, 0] != 1])
    assert 0.5 < left < 0.7


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"has to be a HashedNgrams"):
        Words(WordPiece(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a")))
    for name, value in (("max_length", 0), ("max_parts", 0), ("word_dropout", 1.0)):
        with pytest.raises(ValueError, match=f"{name} is {value}"):
            Words(NGRAMS, **{name: value})
