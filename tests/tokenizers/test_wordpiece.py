"""`WordPiece` against the `tokenizers` package, and everywhere that TensorFlow may run it."""

import copy
import pickle

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.testing.peers import peer
from mmkeras.testing.texts import many_scripts
from mmkeras.tokenizers.wordpiece import BERT, WordPiece

TEXTS = (
    "The quick brown fox jumps over the lazy dog, unbelievably quickly.",
    "Größe, Straße & Äpfel: naïve façade; l'été à l'œuvre — 50 %!",
    "Быстрая лиса прыгает через ленивую собаку. ΟΔΥΣΣΕΥΣ Οδυσσεύς",
    "敏捷的棕色狐狸跳过了懒狗。すばやい茶色の狐。빠른 갈색 여우",
    "الثعلب البني السريع हिन्दी में लोमड़ी İstanbul ISPARTA ÌÍĨĮ",
    "don't stop-me now... [MASK] ##ing #tag @me a_b $5 3.14 x²+y³ ≠ ∞ 🐈 👩‍👩‍👧",
    "tab\there\nnew\r\nline\u00a0nbsp\u3000wide\u2028sep zero\u200bwidth \ufeffbom \x00nul \ufffd",
)
SPECIAL_TOKENS = tuple(BERT.get_config().values())
TOKENIZERS = {
    lowercase: WordPiece.learn(TEXTS * 2, vocabulary_size=400, lowercase=lowercase)
    for lowercase in (True, False)
}


ORACLES = {lowercase: peer(tokenizer) for lowercase, tokenizer in TOKENIZERS.items()}
TOKENIZE = {
    lowercase: tf.function(t.tokenize, input_signature=[tf.TensorSpec([None], tf.string)])
    for lowercase, t in TOKENIZERS.items()
}


@pytest.mark.parametrize("lowercase", [True, False])
def test_equals_the_tokenizers_package_on_many_languages(lowercase):
    expected = [e.ids for e in ORACLES[lowercase].encode_batch(list(TEXTS))]
    assert TOKENIZE[lowercase](tf.constant(TEXTS)).to_list() == expected
    assert sum(map(len, expected)) > 100


@pytest.mark.parametrize("lowercase", [True, False])
@settings(max_examples=100, deadline=None)
@given(
    texts=st.lists(
        st.text(
            st.characters(exclude_categories=["Cs"]) | st.sampled_from("".join(TEXTS)),
            max_size=60,
        )
        | st.lists(st.sampled_from(" ".join(TEXTS).split()), max_size=12).map("".join),
        max_size=8,
    )
)
def test_equals_the_tokenizers_package_on_any_text(lowercase, texts):
    expected = [e.ids for e in ORACLES[lowercase].encode_batch(texts)]
    assert TOKENIZE[lowercase](tf.constant(texts, tf.string)).to_list() == expected


@pytest.mark.parametrize(
    ("lowercase", "strip_accents"), [(True, True), (True, False), (False, False), (False, True)]
)
def test_offsets_equal_the_tokenizers_package_in_many_scripts(lines, lowercase, strip_accents):
    fields = {"lowercase": lowercase, "strip_accents": strip_accents}
    tokenizer = WordPiece.learn(many_scripts(1_000, seed=2), vocabulary_size=2_000, **fields)
    pieces = tokenizer.tokenize_with_offsets(tf.constant(lines))
    expected = peer(tokenizer).encode_batch(lines)
    assert pieces.token_ids.to_list() == [encoding.ids for encoding in expected]
    spans = zip(pieces.starts.to_list(), pieces.ends.to_list())
    assert [list(zip(*span)) for span in spans] == [encoding.offsets for encoding in expected]


@settings(max_examples=50, deadline=None)
@given(
    pieces=st.sets(st.text("ab猫é", min_size=1, max_size=5), min_size=1, max_size=12),
    inner=st.sets(st.text("abé", min_size=1, max_size=4), max_size=12),
    texts=st.lists(st.text("abé猫 ", max_size=20), min_size=1, max_size=6),
)
def test_greedy_search_equals_the_tokenizers_package_for_any_vocabulary(pieces, inner, texts):
    vocabulary = (*SPECIAL_TOKENS, *sorted(pieces), *sorted("##" + piece for piece in inner))
    expected = [e.ids for e in peer(WordPiece(vocabulary)).encode_batch(texts)]
    assert WordPiece(vocabulary).tokenize(tf.constant(texts)).to_list() == expected


@pytest.mark.parametrize("letter", ["a", "é"])
def test_a_word_over_the_limit_is_unknown(letter):
    tokenizer = WordPiece((*SPECIAL_TOKENS, letter, "##" + letter, letter * 101))
    texts = [letter * 100, letter * 101, letter * 102]
    expected = [e.ids for e in peer(tokenizer).encode_batch(texts)]
    assert tokenizer.tokenize(tf.constant(texts)).to_list() == expected
    assert expected[1:] == [[1], [1]]


def test_limit_keeps_the_first_words():
    tokenizer = TOKENIZERS[True]
    texts = tf.constant(["fox dog the lazy", "", "dog", "over the quickly"])
    limited = tokenizer.tokenize(texts, limit=2)
    cut = tokenizer.tokenize(tf.constant(["fox dog", "", "dog", "over the"]))
    assert limited.to_list() == cut.to_list()


def test_is_the_same_eagerly_in_a_function_in_tf_data_and_one_by_one():
    tokenizer = TOKENIZERS[True]
    texts = tf.constant([*TEXTS, "", " \t "])
    expected = tokenizer.tokenize(texts).to_list()
    assert TOKENIZE[True](texts).to_list() == expected
    dataset = tf.data.Dataset.from_tensor_slices(texts)
    for size in (1, 4):
        got = [ids for r in dataset.batch(size).map(tokenizer.tokenize) for ids in r.to_list()]
        assert got == expected


def test_no_text_gives_no_row():
    assert TOKENIZERS[True].tokenize(tf.constant([], tf.string)).to_list() == []


def test_a_saved_model_of_core_operations_gives_the_same(tmp_path):
    tokenizer = TOKENIZERS[True]
    module = tf.Module()
    module.tokenize = tf.function(
        lambda texts: {"ids": tokenizer.tokenize(texts).to_tensor()},
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    module.resources = tokenizer.resources
    tf.saved_model.save(module, tmp_path)
    loaded = tf.saved_model.load(tmp_path)
    expected = tokenizer.tokenize(tf.constant(TEXTS)).to_tensor()
    assert (loaded.tokenize(tf.constant(TEXTS))["ids"].numpy() == expected.numpy()).all()
    graph = loaded.tokenize.concrete_functions[0].graph.as_graph_def()
    operations = {n.op for f in graph.library.function for n in f.node_def}
    assert not operations & {"PyFunc", "EagerPyFunc", "PyFuncStateless"}


@pytest.mark.parametrize(
    "raw",
    [b"\xff", b"cut \xc3", b"\xed\xa0\x80 half a pair", b"\xc0\x80 overlong", b"\xf4\x90\x80\x80"],
)
def test_bytes_that_are_not_utf8_raise(raw):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"not valid UTF-8.*\ufffd"):
        TOKENIZERS[True].tokenize(tf.constant([b"fine", raw, b"x" * 1_000 + raw]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="not valid UTF-8"):
        TOKENIZE[True](tf.constant([raw]))


def test_a_written_replacement_character_is_valid():
    assert TOKENIZERS[True].tokenize(tf.constant(["dog\ufffd"])).to_list() == (
        TOKENIZERS[True].tokenize(tf.constant(["dog"])).to_list()
    )


def test_detokenize_joins_pieces_to_words():
    tokenizer = WordPiece((*SPECIAL_TOKENS, "un", "##believ", "##able", "cat", ".", "#"))
    texts = ["Unbelievable cat.", "", "un cat dog", "# cat"]
    ids = tokenizer.tokenize(tf.constant(texts))
    expected = ["unbelievable cat .", "", "un cat [UNK]", "# cat"]
    assert [t.decode() for t in tokenizer.detokenize(ids).numpy()] == expected
    padded = tf.pad(ids.to_tensor(), [[0, 0], [1, 2]], constant_values=tokenizer.start_id)
    assert [t.decode() for t in tokenizer.detokenize(padded).numpy()] == expected


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(st.sampled_from("".join(TEXTS)), max_size=30), min_size=1, max_size=4))
def test_detokenized_text_has_the_same_pieces(texts):
    tokenizer = TOKENIZERS[True]
    ids = TOKENIZE[True](tf.constant(texts))
    known = [row for row in ids.to_list() if row and tokenizer.unknown_id not in row]
    if known:
        again = tokenizer.tokenize(tokenizer.detokenize(tf.ragged.constant(known, tf.int32)))
        assert again.to_list() == known


def test_learning_is_deterministic_whatever_the_order():
    texts = [f"{a}{b} {b}{a}" for a in ("ka", "lo", "mi", "猫") for b in ("ter", "an", "сен")]
    vocabularies = {
        WordPiece.learn(order, vocabulary_size=60).vocabulary
        for order in (texts, texts[::-1], texts, [t.encode() for t in texts])
    }
    assert len(vocabularies) == 1
    assert vocabularies.pop()[: len(SPECIAL_TOKENS)] == SPECIAL_TOKENS


@pytest.mark.parametrize("size", [6, 7, 9, 40, 100])
def test_learned_vocabulary_keeps_to_its_size(size):
    assert len(WordPiece.learn(TEXTS, vocabulary_size=size).vocabulary) == size


def test_learned_vocabulary_knows_every_word_it_saw_where_there_is_room():
    assert not any(1 in row for row in TOKENIZERS[True].tokenize(tf.constant(TEXTS)).to_list())


def test_copies_and_pickles_after_use():
    tokenizer = WordPiece(TOKENIZERS[True].vocabulary, lowercase=False)
    expected = tokenizer.tokenize(tf.constant(TEXTS)).to_list()
    for other in (copy.deepcopy(tokenizer), pickle.loads(pickle.dumps(tokenizer))):
        assert other == tokenizer
        assert other.tokenize(tf.constant(TEXTS)).to_list() == expected


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        ((), "lacks"),
        (("a", "b"), "lacks '\\[PAD\\]'"),
        ((*SPECIAL_TOKENS, "a", "b", "a"), r"more than once.*\['a'\]"),
        ((*SPECIAL_TOKENS, "a", ""), "piece 6 of the vocabulary is empty"),
    ],
)
def test_a_wrong_vocabulary_is_refused(vocabulary, message):
    with pytest.raises(ValueError, match=message):
        WordPiece(vocabulary)


def test_learning_wants_room():
    with pytest.raises(ValueError, match="vocabulary_size is 5"):
        WordPiece.learn(["a"], vocabulary_size=5)
