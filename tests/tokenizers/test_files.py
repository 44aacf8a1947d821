"""Tokenizers read from files that the `tokenizers` package wrote, against that package."""

import json

import pytest
import sentencepiece
import tensorflow as tf
import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers

from mmkeras.testing.texts import many_scripts
from mmkeras.tokenizers import ByteBPE, SpecialTokens, Unigram, WordPiece, read

TRAINING = many_scripts(1_000, seed=2)
ALPHABET = pre_tokenizers.ByteLevel.alphabet()
CLIP = (
    r"<\|startoftext\|>|<\|endoftext\|>|"
    r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)


def bert(**options):
    made = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(**options)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(
        vocab_size=2_000, special_tokens=special, show_progress=False
    )
    made.train_from_iterator(TRAINING, trainer)
    return made


def bpe(special, suffix="", **parts):
    options = {"end_of_word_suffix": suffix} if suffix else {}
    made = tokenizers.Tokenizer(models.BPE(unk_token=special[0] if suffix else None, **options))
    for name, part in parts.items():
        setattr(made, name, part)
    trainer = trainers.BpeTrainer(
        vocab_size=2_000,
        special_tokens=special,
        initial_alphabet=ALPHABET,
        show_progress=False,
        **options,
    )
    made.train_from_iterator(TRAINING, trainer)
    return made


def unigram(normalizer, pre_tokenizer):
    made = tokenizers.Tokenizer(models.Unigram())
    made.normalizer = normalizer
    made.pre_tokenizer = pre_tokenizer
    trainer = trainers.UnigramTrainer(
        vocab_size=6_000,
        special_tokens=["<pad>", "</s>", "<unk>", "<extra_id_0>"],
        unk_token="<unk>",
        show_progress=False,
    )
    made.train_from_iterator(TRAINING, trainer)
    return made


MADE = {
    "sentencepiece by tokenizers": lambda: unigram(
        normalizers.Sequence(
            [
                normalizers.Nmt(),
                normalizers.NFKC(),
                normalizers.Replace(Regex(" {2,}"), " "),
            ]
        ),
        pre_tokenizers.Metaspace(),
    ),
    "t5 as converted": lambda: unigram(
        normalizers.Sequence(
            [
                normalizers.NFKC(),
                normalizers.Strip(left=False),
                normalizers.Replace(Regex(" {2,}"), "▁"),
            ]
        ),
        pre_tokenizers.Metaspace(),
    ),
    "xlnet": lambda: unigram(
        normalizers.Sequence(
            [
                normalizers.Replace("``", '"'),
                normalizers.Replace("''", '"'),
                normalizers.NFKD(),
                normalizers.StripAccents(),
                normalizers.Lowercase(),
                normalizers.Strip(left=False),
                normalizers.Replace(Regex(" {2,}"), " "),
            ]
        ),
        pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
        ),
    ),
    "bert uncased": lambda: bert(lowercase=True),
    "bert cased": lambda: bert(lowercase=False),
    "bert with accents": lambda: bert(lowercase=True, strip_accents=False),
    "gpt2": lambda: bpe(
        ["<|endoftext|>"],
        pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=False),
        decoder=decoders.ByteLevel(),
        post_processor=processors.ByteLevel(trim_offsets=False),
    ),
    "roberta": lambda: bpe(
        ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=True),
        decoder=decoders.ByteLevel(),
        post_processor=processors.RobertaProcessing(
            ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=True
        ),
    ),
    "clip": lambda: bpe(
        ["<|endoftext|>", "<|startoftext|>"],
        suffix="</w>",
        normalizer=normalizers.Sequence(
            [
                normalizers.NFC(),
                normalizers.Replace(Regex(r"\s+"), " "),
                normalizers.Lowercase(),
            ]
        ),
        pre_tokenizer=pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(CLIP), behavior="removed", invert=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False),
            ]
        ),
        decoder=decoders.ByteLevel(),
    ),
}


@pytest.mark.parametrize("name", MADE)
def test_a_saved_tokenizer_cuts_as_before(name, tmp_path, lines):
    theirs = MADE[name]()
    theirs.save(str(tmp_path / "tokenizer.json"))
    ours = read(tmp_path)
    theirs.encode_special_tokens = True
    expected = theirs.encode_batch(lines, add_special_tokens=False)
    pieces = ours.tokenize_with_offsets(tf.constant(lines))
    assert pieces.token_ids.to_list() == [encoding.ids for encoding in expected]
    if name != "clip":  # whose offsets are those of the blank-free words there
        spans = zip(pieces.starts.to_list(), pieces.ends.to_list())
        assert [list(zip(*span)) for span in spans] == [e.offsets for e in expected]


def test_a_vocabulary_and_merges_cut_as_before(tmp_path, lines):
    told = {
        "gpt2": {},
        "roberta": {"prefix_space": True},
        "clip": {"special": SpecialTokens(unknown="<|endoftext|>")},
    }
    for name, fields in told.items():
        theirs = MADE[name]()
        folder = tmp_path / name
        folder.mkdir()
        theirs.model.save(str(folder))
        theirs.encode_special_tokens = True
        expected = theirs.encode_batch(lines, add_special_tokens=False)
        ours = read(folder / "vocab.json", **fields)
        assert isinstance(ours, ByteBPE)
        got = ours.tokenize(tf.constant(lines)).to_list()
        assert got == [encoding.ids for encoding in expected]


def test_a_vocabulary_file_cuts_as_before(tmp_path, lines):
    theirs = MADE["bert cased"]()
    theirs.model.save(str(tmp_path))
    ours = read(tmp_path / "vocab.txt", lowercase=False)
    assert isinstance(ours, WordPiece)
    assert (ours.pad_id, ours.unknown_id, ours.mask_id) == (0, 1, 4)
    expected = [encoding.ids for encoding in theirs.encode_batch(lines)]
    assert ours.tokenize(tf.constant(lines)).to_list() == expected


def test_an_id_without_a_piece_stays_unused(tmp_path):
    content = json.loads(MADE["bert cased"]().to_str())
    content["model"]["vocab"] = {"[PAD]": 0, "[UNK]": 1, "cat": 5}
    content["added_tokens"] = []
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    ours = read(tmp_path)
    assert ours.vocabulary_size == 6
    assert ours.tokenize(tf.constant(["cat dog"])).to_list() == [[5, 1]]


BAD = {
    "no object": ("[1]", "holds a list"),
    "no json": ("{", "tokenizer.json: Expecting"),
    "word level": ('{"model": {"type": "WordLevel", "vocab": {}}}', "model.type is 'WordLevel'"),
    "unk_id": (
        '{"model": {"type": "Unigram", "vocab": [["a", 0]], "unk_id": 3}}',
        "unk_id is 3; there are 1",
    ),
    "twice": ('{"model": {"type": "Unigram", "vocab": [["a", 0], ["a", 1]]}}', "more than once"),
    "no metaspace": ('{"model": {"type": "Unigram", "vocab": [["a", 0]]}}', "type is None"),
    "not split": (
        '{"model": {"type": "Unigram", "vocab": [["a", 0]]}, "pre_tokenizer":'
        '{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": false}}',
        "pre_tokenizer.split is false",
    ),
    "normalizer": (
        '{"model": {"type": "Unigram", "vocab": [["a", 0]], "unk_id": 0}, "pre_tokenizer":'
        '{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},'
        '"normalizer": {"type": "Prepend", "prepend": "x"}}',
        "normalizer has ..Prepend",
    ),
    "no vocabulary": ('{"model": {"type": "BPE", "merges": []}}', "lacks 'vocab'"),
    "two pieces": ('{"model": {"type": "BPE", "vocab": {"a": 0, "b": 0}}}', "share an id"),
    "dropout": ('{"model": {"type": "BPE", "vocab": {}, "dropout": 0.1}}', "dropout is 0.1"),
    "no level": ('{"model": {"type": "BPE", "vocab": {}, "merges": []}}', "type is None"),
    "no merges": ('{"a": 0}', "no merges.txt"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_by_name(name, tmp_path):
    content, message = BAD[name]
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ValueError, match=message) as info:
        read(tmp_path)
    assert "tokenizer.json" in str(info.value)


def test_merges_of_unknown_pieces_and_repeated_pieces_are_refused(tmp_path):
    ids = {piece: id_ for id_, piece in enumerate(sorted(ALPHABET))}
    (tmp_path / "vocab.json").write_text(json.dumps(ids))
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n")
    with pytest.raises(ValueError, match=r"vocab.json: ByteBPE: merge 0 is 'a b'"):
        read(tmp_path)
    (tmp_path / "vocab.txt").write_text("[UNK]\na\na\n")
    with pytest.raises(ValueError, match=r"vocab.txt: WordPiece: 1 pieces stand more than once"):
        read(tmp_path / "vocab.txt")


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds none of"):
        read(tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read(tmp_path / "tokenizer.json")


OPTIONS = {
    "as usual": {},
    "bytes": {"byte_fallback": True},
    "symbols": {"user_defined_symbols": ["<sep>", "(", "ab"], "control_symbols": ["<ctl>"]},
    "identity": {"normalization_rule_name": "identity", "remove_extra_whitespaces": False},
    "case folded": {"normalization_rule_name": "nmt_nfkc_cf", "add_dummy_prefix": False},
}


def sentencepiece_model(folder, **options):
    known = [line for line in TRAINING if line.isascii()] + ["猫 und 狗, ябълка"] * 20
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line.replace("\n", " ") for line in known),
        model_prefix=str(folder / "spiece"),
        vocab_size=600,
        hard_vocab_limit=False,
        minloglevel=2,
        **options,
    )
    return folder / "spiece.model"


@pytest.mark.parametrize("name", OPTIONS)
def test_a_sentencepiece_model_cuts_as_before(name, tmp_path, lines):
    path = sentencepiece_model(tmp_path, **OPTIONS[name])
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(path))
    ours = read(tmp_path)
    assert isinstance(ours, Unigram)
    texts = [*lines, "▁", "▁a▁ ▁", "a(b)ab<sep>(<ctl><s>", " x  y ", "\r\n", "cat\u0301 Ａ㍿"]
    got = tf.function(ours.tokenize)(tf.constant(texts)).to_list()
    differ = [i for i, row in enumerate(theirs.encode(texts)) if row != got[i]]
    # The 32-bit sums there decide between ways that are equally probable.
    scores = dict(enumerate(ours.scores))
    for i in differ:
        ways = (sum(scores[id_] for id_ in row) for row in (got[i], theirs.encode(texts[i])))
        assert pytest.approx(next(ways), rel=1e-6) == next(ways), texts[i]
    assert len(differ) <= 3


def test_a_sentencepiece_model_joins_as_before(tmp_path):
    path = sentencepiece_model(tmp_path, byte_fallback=True)
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(path))
    ours = read(path)
    texts = ["a cat, and 狗!", "Größe", "", "  two  blanks"]
    ids = ours.tokenize(tf.constant(texts))
    joined = [text.decode() for text in ours.detokenize(ids).numpy()]
    assert joined == [theirs.decode(row) for row in ids.to_list()]


def test_a_cut_or_damaged_sentencepiece_model_is_refused_by_name(tmp_path):
    path = sentencepiece_model(tmp_path)
    whole = path.read_bytes()
    bad = {
        b"": "holds no pieces",
        whole[: len(whole) // 2]: "cut or damaged|damaged",
        whole[:5]: "cut or damaged at byte 0: field 1 has",
        b"\x0b" + whole: "there is no wire type 3",
        b"\x08\x01": "piece 0 is a number",
        b"\x0a\x03\x0a\x01\xff": "piece 0 is damaged",
        b"\xff" * 20: "within a number",
        b"{}": "there is no wire type 3",
    }
    for raw, message in bad.items():
        path.write_bytes(raw)
        with pytest.raises(ValueError, match=message) as info:
            read(path)
        assert "spiece.model: " in str(info.value)


def test_a_bpe_model_of_sentencepiece_is_refused(tmp_path):
    path = sentencepiece_model(tmp_path, model_type="bpe")
    with pytest.raises(ValueError, match="model_type is BPE; unigram is supported"):
        read(path)
