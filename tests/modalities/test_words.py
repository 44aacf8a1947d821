"""`Words`: the parts of each word as `HashedNgrams` gives them, and what augmentation leaves."""

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
