"""The rules of SentencePiece models against `sentencepiece` and `Precompiled`."""

import base64
import itertools
import random

import pytest
import sentencepiece
import tensorflow as tf
import tokenizers

from mmkeras.tokenizers.characters import decode
from mmkeras.tokenizers.charsmap import CharsMap, ClusterCharsMap, protected, rules
from mmkeras.tokenizers.normalization import step


def trained(folder, **options):
    """A SentencePiece model, whose normalization is what is wanted of it."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["low lower lowest"] * 10),
        model_prefix=str(folder / "model"),
        vocab_size=12,
        minloglevel=2,
        **options,
    )
    return str(folder / "model.model")


@pytest.fixture(scope="module", params=["nmt_nfkc", "nmt_nfkc_cf"])
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return trained(folder, normalization_rule_name=request.param)


@pytest.fixture(scope="module")
def charsmap(model):
    from mmkeras.tokenizers import read

    return read(model).charsmap


@pytest.fixture(scope="module")
def texts(charsmap, lines):
    """Lines, and strings of rules with marks, controls and line ends between them."""
    draw, strings = random.Random(0), list(rules(charsmap))
    parts = ["\u0301", "\u0327", "\u200d", "\ufe0f", "\u0600", "\r", "\n", "\u200b", "a", " ", "É"]
    mixed = [
        "".join(draw.choice([draw.choice(strings), *parts]) for _ in range(draw.randint(1, 7)))
        for _ in range(3_000)
    ]
    return [*lines, *mixed, "\r\n\r\n a", "\u0600A\u0301", "\u200d\u0301"]


def replaced(charsmap, texts):
    characters = tf.function(charsmap)(decode(tf.constant(texts)))
    codes, splits = characters.codes.numpy(), characters.splits.numpy()
    return ["".join(map(chr, codes[a:b])) for a, b in itertools.pairwise(splits)]


def test_longest_rules_first_as_sentencepiece(model, charsmap, texts):
    same = sentencepiece.SentencePieceNormalizer(
        model_file=model,
        add_dummy_prefix=False,
        escape_whitespaces=False,
        remove_extra_whitespaces=False,
    )
    assert replaced(CharsMap(rules(charsmap)), texts) == [same.normalize(text) for text in texts]


def test_clusters_as_the_tokenizers_package(charsmap, texts):
    same = tokenizers.normalizers.Precompiled(base64.b64decode(charsmap))
    expected = [same.normalize_str(text) for text in texts]
    assert replaced(ClusterCharsMap(rules(charsmap)), texts) == expected


def test_a_deleted_character_leaves_the_others_where_they_were():
    characters = CharsMap({"x": "", "yy": "z"})(decode(tf.constant(["xaxyyyx", "x", "b"])))
    assert characters.splits.numpy().tolist() == [0, 3, 3, 4]
    assert characters.origins.numpy().tolist() == [1, 3, 5, 8]


def test_symbols_stay_as_they_are():
    assert protected({"a": "1", "ab": "2", "abc": "3", "d": "4"}, ["ab"]) == {
        "a": "1",
        "ab": "ab",
        "d": "4",
    }


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("&", "is not base 64"),
        ("", "0 bytes do not hold the trie"),
        (base64.b64encode(b"\x08\0\0\0abc").decode(), "7 bytes do not hold"),
        (base64.b64encode(b"\xff\xff\0\0" + b"a" * 40).decode(), "44 bytes do not hold the trie"),
        (base64.b64encode(b"\x04\0\0\0\0\xff\xff\xffa\0").decode(), "is damaged"),
    ],
)
def test_what_is_no_charsmap_is_refused(written, message):
    with pytest.raises(ValueError, match=message):
        rules(written)


@pytest.mark.parametrize("name", ["strip_left", "strip_right", "collapse_blanks", "quotes"])
def test_steps_equal_the_tokenizers_package(name):
    from mmkeras.testing.peers import STEPS

    draw = random.Random(0)
    texts = ["".join(draw.choices("a '`\u3000\t", k=draw.randint(0, 9))) for _ in range(500)]
    same = STEPS[name]()
    assert replaced(step(name), texts) == [same.normalize_str(text) for text in texts]
