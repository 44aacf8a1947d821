"""Every tokenizer that the folder exports keeps the contract: a new one is tested by existing."""

import inspect

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras import tokenizers
from mmkeras.testing import check_tokenizer
from mmkeras.testing.texts import many_scripts
from mmkeras.tokenizers import Tokenizer
from mmkeras.tokenizers.subwords import SubwordTokenizer

KINDS = {
    name: kind
    for name, kind in vars(tokenizers).items()
    if inspect.isclass(kind) and issubclass(kind, Tokenizer) and not inspect.isabstract(kind)
}
TRAINING = many_scripts(300, seed=2)
LEARNED = {name: kind.learn(TRAINING, vocabulary_size=600) for name, kind in KINDS.items()}
IN_GRAPH = {
    name: tf.function(kind.tokenize, input_signature=[tf.TensorSpec([None], tf.string)])
    for name, kind in LEARNED.items()
}
SUBWORDS = [name for name, kind in KINDS.items() if issubclass(kind, SubwordTokenizer)]


@pytest.mark.parametrize("name", KINDS)
def test_keeps_the_contract(name):
    check_tokenizer(LEARNED[name], many_scripts(60, seed=1))


@pytest.mark.parametrize("name", KINDS)
def test_learning_is_deterministic_and_keeps_to_its_size(name):
    again = KINDS[name].learn((text.encode() for text in TRAINING[::-1]), vocabulary_size=600)
    assert again == LEARNED[name]
    assert again.vocabulary_size <= 600


@pytest.mark.parametrize("name", SUBWORDS)
def test_spellings_are_what_texts_are_of(name):
    tokenizer = LEARNED[name]
    ids = np.random.default_rng(0).integers(tokenizer.vocabulary_size, size=(200, 12))
    for row, text in zip(ids, tokenizer.detokenize(tf.constant(ids, tf.int32)).numpy()):
        spelled = b"".join(tokenizer.spellings[each] for each in row)
        assert spelled.decode("utf-8", "replace").strip(" ") == text.decode().strip(" ")


@pytest.mark.parametrize("name", SUBWORDS)
def test_a_million_letters_take_seconds(name):
    text = "abcdefghij" * 100_000
    ids = IN_GRAPH[name](tf.constant([text])).to_list()[0]
    assert ids
    joined = LEARNED[name].detokenize(tf.constant([ids], tf.int32)).numpy()[0].decode()
    assert joined in (text, "[UNK]")


@pytest.mark.parametrize("name", SUBWORDS)
@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=5))
def test_pieces_stand_in_their_texts_in_order(name, texts):
    pieces = LEARNED[name].tokenize_with_offsets(tf.constant(texts, tf.string))
    assert pieces.token_ids.to_list() == IN_GRAPH[name](tf.constant(texts, tf.string)).to_list()
    for text, starts, ends in zip(texts, pieces.starts.to_list(), pieces.ends.to_list()):
        assert all(0 <= start <= end <= len(text) for start, end in zip(starts, ends))


def test_the_contract_is_broken_by_a_wrong_piece():
    class Wrong(tokenizers.ByteTokenizer):
        def word_pieces(self, words):
            pieces = super().word_pieces(words)
            return pieces._replace(token_ids=pieces.token_ids * 0)

    with pytest.raises(AssertionError, match="special token 'pad'"):
        check_tokenizer(Wrong(), ["a"])
