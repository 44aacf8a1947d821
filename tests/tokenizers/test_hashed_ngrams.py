"""`HashedNgrams` against its definition, in Python."""

import dataclasses
import re
import unicodedata

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.tokenizers import HashedNgrams

TOKENIZER = HashedNgrams(buckets=512, shortest=2, longest=3)


def parts(word: str) -> list[str]:
    """Bojanowski et al. 2017, section 3.2: the n-grams of the marked word, and that word."""
    marked = f"\x02{word[:100]}\x03"
    ngrams = [marked[i : i + n] for n in (2, 3) for i in range(len(marked) - n + 1)]
    return [*ngrams, marked]


def words(text: str) -> list[str]:
    kept = "LNM"
    apart = (c if unicodedata.category(c)[0] in kept or c.isspace() else f" {c} " for c in text)
    return re.split(r"[\t\n\v\f\r ]+", "".join(apart).strip("\t\n\v\f\r "))


def expected(text: str) -> list[int]:
    made = [part for word in words(text) if word for part in parts(word)]
    return (tf.strings.to_hash_bucket_fast(made, 512) + 2).numpy().tolist() if made else []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("ab猫é1 .-\t\n\u0301🐈", max_size=12), max_size=5))
def test_equals_its_definition(texts):
    got = TOKENIZER.tokenize(tf.constant(texts, tf.string)).to_list()
    assert got == [expected(text) for text in texts]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("ab é.", max_size=12), max_size=5), st.integers(1, 4))
def test_runs_of_words_end_with_their_word(texts, longest):
    """Joulin et al. 2017: bags of word n-grams, here beside each word."""
    made = HashedNgrams(buckets=512, longest=0, words=longest)
    got = made.tokenize(tf.constant(texts, tf.string)).to_list()
    for text, ids in zip(texts, got, strict=True):
        marked = [f"\x02{word}\x03" for word in words(text) if word]
        runs = [
            "".join(marked[end - n : end])
            for end in range(1, len(marked) + 1)
            for n in range(1, min(longest, end) + 1)
        ]
        hashed = tf.strings.to_hash_bucket_fast(runs, 512) + 2 if runs else tf.constant([])
        assert ids == hashed.numpy().tolist()


def test_capitals_may_count_as_small_letters():
    small = HashedNgrams(buckets=512, shortest=2, longest=3, lowercase=True)
    texts = tf.constant(["CÔTE d'Ivoire", "ΑΒΓ Ж"])
    lowered = tf.constant(["côte d'ivoire", "αβγ ж"])
    assert small.tokenize(texts).to_list() == TOKENIZER.tokenize(lowered).to_list()
    for one, other in zip(small.offsets(texts), TOKENIZER.offsets(lowered)):
        assert one.to_list() == other.to_list()


def test_runs_stand_behind_the_parts_of_their_last_word():
    plain, runs = (
        dataclasses.replace(TOKENIZER, words=n).tokenize(tf.constant(["a cat"])).to_list()[0]
        for n in (1, 2)
    )
    assert runs[:-1] == plain


def test_is_the_same_eagerly_in_a_function_and_one_by_one(lines):
    texts = tf.constant(lines)
    tokenize = tf.function(TOKENIZER.tokenize, input_signature=[tf.TensorSpec([None], tf.string)])
    got = TOKENIZER.tokenize(texts)
    assert tokenize(texts).to_list() == got.to_list()
    assert [TOKENIZER.tokenize(texts[i : i + 1])[0].numpy().tolist() for i in range(50)] == (
        got[:50].to_list()
    )
    assert 2 <= tf.reduce_min(got.flat_values) <= tf.reduce_max(got.flat_values) < 514


def test_limit_keeps_the_first_words():
    limited = TOKENIZER.tokenize(tf.constant(["a cat, too", "", "dog"]), limit=2)
    assert limited.to_list() == TOKENIZER.tokenize(tf.constant(["a cat", "", "dog"])).to_list()


def test_a_long_word_takes_no_more_than_its_first_characters():
    long, cut = TOKENIZER.tokenize(tf.constant(["é" * 1_000_000, "é" * 100])).to_list()
    assert long == cut


def test_bytes_that_are_not_utf8_raise():
    tokenize = tf.function(TOKENIZER.tokenize)
    for run in (TOKENIZER.tokenize, tokenize):
        with pytest.raises(tf.errors.InvalidArgumentError, match="not valid UTF-8"):
            run(tf.constant([b"fine", b"\xff"]))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"buckets": 0}, "buckets is 0"),
        ({"shortest": 0}, "shortest is 0"),
        ({"shortest": 5}, "shortest is 5 and longest 4"),
        ({"words": 0}, "words is 0"),
    ],
)
def test_wrong_fields_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        HashedNgrams(**fields)
