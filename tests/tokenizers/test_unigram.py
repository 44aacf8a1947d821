"""`Unigram` against the `tokenizers` package: ids, offsets and texts of T5, XLM-R and ALBERT."""

import pytest
import sentencepiece
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.testing.peers import HIDDEN, peer
from mmkeras.testing.texts import many_scripts
from mmkeras.testing.tokenizer import check_tokenizer
from mmkeras.tokenizers import read
from mmkeras.tokenizers.subwords import BYTE_PIECES
from mmkeras.tokenizers.tokenizer import SpecialTokens
from mmkeras.tokenizers.unigram import Unigram

TRAINING = many_scripts(1_500, seed=2)
UNKNOWN = SpecialTokens(unknown="<unk>")


@pytest.fixture(scope="session")
def charsmap(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nmt_nfkc")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["low lower lowest"] * 10),
        model_prefix=str(folder / "model"),
        vocab_size=12,
        minloglevel=2,
    )
    return read(folder / "model.model").charsmap


FIELDS = {
    "nmt and NFKC": {},
    "t5": {"rule": "whitespace", "normalization": ("precompiled",)},
    "albert": {
        "normalization": (
            *("quotes", "NFKD", "strip_accents", "lowercase"),
            *("precompiled", "collapse_blanks"),
        )
    },
    "xlm-r with bytes": {
        "normalization": ("precompiled", "strip_right", "collapse_blanks"),
        "byte_fallback": True,
    },
    "no prefix": {"prefix_space": False, "normalization": ("NFC", "strip_left")},
}


@pytest.fixture(scope="session", params=FIELDS)
def learned(request, charsmap):
    """A tokenizer, and how it cuts in a graph."""
    fields = FIELDS[request.param]
    if "precompiled" in fields.get("normalization", ()):
        fields = fields | {"charsmap": charsmap}
    made = Unigram.learn(TRAINING, vocabulary_size=2_000, **fields)
    signature = [tf.TensorSpec([None], tf.string)]
    return made, tf.function(made.tokenize_with_offsets, input_signature=signature), peer(made)


def check_ids(learned, texts):
    _, cut, same = learned
    expected = [encoding.ids for encoding in same.encode_batch(texts)]
    assert cut(tf.constant(texts, tf.string)).token_ids.to_list() == expected


def test_ids_and_texts_equal_the_tokenizers_package_in_many_scripts(learned, lines):
    check_ids(learned, lines)
    tokenizer, cut, same = learned
    ids = cut(tf.constant(lines)).token_ids
    expected = [text.replace(HIDDEN, "") for text in same.decode_batch(ids.to_list())]
    assert [text.decode() for text in tokenizer.detokenize(ids).numpy()] == expected


def test_offsets_equal_the_tokenizers_package(learned, lines):
    tokenizer, cut, same = learned
    pieces = cut(tf.constant(lines))
    spans = [
        list(zip(*row)) for row in zip(pieces.starts.to_list(), pieces.ends.to_list(), strict=True)
    ]
    if tokenizer.byte_fallback:
        # There the bytes of unknown characters in a row have the offsets of all of them.
        known = [
            i
            for i, row in enumerate(pieces.token_ids.to_list())
            if not any(tokenizer.vocabulary[id_] in BYTE_PIECES for id_ in row)
        ]
    else:
        known = range(len(lines))
    expected = same.encode_batch(lines)
    differ = [i for i in known if spans[i] != expected[i].offsets]
    # What a charsmap deletes at the begin of a text moves all offsets there.
    assert all(tokenizer.charsmap and lines[i].lstrip() for i in differ)
    assert len(differ) < 0.02 * len(lines)


@settings(max_examples=10, deadline=None)
@given(
    texts=st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
        | st.text("the cat▁ \u3000\u0301猫'`\n", max_size=20),
        max_size=6,
    )
)
def test_ids_equal_the_tokenizers_package_on_any_text(learned, texts):
    check_ids(learned, texts)


def test_a_million_letters_equal_the_tokenizers_package(learned):
    check_ids(learned, ["abcdefghij" * 100_000, "猫" * 2_000])


def test_keeps_the_contract_with_a_charsmap_and_bytes(charsmap):
    fields = FIELDS["xlm-r with bytes"] | {"charsmap": charsmap}
    check_tokenizer(Unigram.learn(TRAINING[:300], 600, **fields), TRAINING[300:320])


def test_the_unknown_is_one_piece_in_each_word():
    tokenizer = Unigram(("<unk>", "▁", "a", "▁a"), (0.0, -1.0, -2.0, -2.0), UNKNOWN)
    pieces = tokenizer.tokenize_with_offsets(["猫狗a 猫 a"])
    assert pieces.token_ids.to_list() == [[1, 0, 2, 1, 0, 3]]
    assert pieces.starts.to_list() == [[0, 0, 2, 3, 4, 5]]
    assert pieces.ends.to_list() == [[1, 2, 3, 4, 5, 7]]
    assert tokenizer.detokenize(pieces.token_ids).numpy()[0].decode() == "<unk>a <unk> a"


def test_the_name_of_a_byte_in_a_text_is_text():
    pieces = ("<unk>", "▁", *BYTE_PIECES)
    tokenizer = Unigram(pieces, (0.0, -1.0, *[-2.0] * 256), UNKNOWN, byte_fallback=True)
    (ids,) = tokenizer.tokenize(["<0x0A>"]).to_list()
    assert ids == [1, *(2 + byte for byte in b"<0x0A>")]


def test_a_piece_may_hold_blanks_by_the_rule_of_sentencepiece():
    pieces = {"<unk>": 0.0, "▁": -3.0, "a": -3.0, "▁a": -3.5, "▁a▁a": -4.0, "▁▁": -3.0}
    tokenizer = Unigram(
        tuple(pieces), tuple(pieces.values()), UNKNOWN, rule="sentencepiece", normalization=()
    )
    assert tokenizer.tokenize(["a a", " a", "▁a"]).to_list() == [[4], [5, 2], [5, 2]]


def test_learned_scores_are_exact_in_sums():
    tokenizer = Unigram.learn(TRAINING[:200], vocabulary_size=300)
    assert all((score * 1_024).is_integer() for score in tokenizer.scores)
    assert len(tokenizer.vocabulary) == 300


def test_learning_from_nothing_knows_nothing():
    tokenizer = Unigram.learn(["", " "], vocabulary_size=10)
    assert tokenizer.vocabulary == tokenizer.special.names
    assert tokenizer.tokenize(["a b", ""]).to_list() == [[1, 1], []]


BYTES = ("<unk>", *BYTE_PIECES)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"vocabulary": ("<unk>", "a", "a")}, r"more than once.*\['a'\]"),
        ({"vocabulary": ("<unk>", "a", "")}, "piece 2 of the vocabulary is empty"),
        ({"vocabulary": ("a", "b", "c")}, "lacks '<unk>', which special.unknown names"),
        ({"scores": (0.0,)}, "1 scores for 3 pieces"),
        ({"scores": (0.0, float("nan"), 0.0)}, "score of piece 'a' is nan"),
        ({"scores": (0.0, 0.0, float("-inf"))}, "score of piece 'b' is -inf"),
        ({"special": SpecialTokens()}, "special.unknown is None"),
        ({"byte_fallback": True}, "it has 0|has 0 of them"),
        ({"rule": "bert"}, "rule is 'bert'; it has to be one of"),
        ({"normalization": ("nfx",)}, r"normalization names \['nfx'\]"),
        ({"normalization": ("charsmap",)}, "go together"),
        ({"charsmap": "AAAA"}, "go together"),
        ({"charsmap": "AAAA", "normalization": ("charsmap",)}, "do not hold the trie"),
        ({"control": ("x",)}, r"control names \['x'\]"),
        ({"symbols": ("x",)}, r"symbols names \['x'\]"),
    ],
)
def test_wrong_fields_are_refused(fields, message):
    right = {"vocabulary": ("<unk>", "a", "b"), "scores": (0.0, -1.0, -2.0), "special": UNKNOWN}
    with pytest.raises(ValueError, match=message):
        Unigram(**right | fields)


def test_learning_wants_room():
    with pytest.raises(ValueError, match="vocabulary_size is 5, and 5 of the pieces"):
        Unigram.learn(["a"], vocabulary_size=5)
