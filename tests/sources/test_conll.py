"""`CoNLL`: what was written is read, in every scheme and layout; what bad files are told."""

import itertools
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.layers import TagScheme
from mmkeras.sources import CoNLL

TYPES = ("LOC", "PER", "x-Y")


def write(folder: Path, content: str | bytes, name: str = "t.conll") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def column(*tags: str) -> str:
    """One sentence in which only the tags matter."""
    return "".join(f"word\t{tag}\n" for tag in tags) + "\n"


def as_iob1(bio: list[str]) -> list[str]:
    """B only where an entity of the same type stands right before."""
    needed = [a[2:] == b[2:] for a, b in itertools.pairwise(["O", *bio])]
    return [f"I-{tag[2:]}" if tag[0] == "B" and not needed[i] else tag for i, tag in enumerate(bio)]


# What is written.

tokens = st.text(
    st.characters(exclude_categories=["Cs", "Z"], exclude_characters="\0\ufeff"), min_size=1
).filter(lambda token: token.split() == [token] and not token.startswith("-DOCSTART-"))


@st.composite
def sentences(draw):
    """Tokens and the spans of entities, some side by side."""
    words = draw(st.lists(tokens, min_size=1, max_size=7))
    edges = sorted(draw(st.sets(st.integers(0, len(words)), max_size=6)))
    pairs = draw(st.sampled_from([list(itertools.pairwise(edges)), list(zip(*[iter(edges)] * 2))]))
    return words, [(*pair, draw(st.sampled_from(TYPES))) for pair in pairs]


@settings(max_examples=200, deadline=None)
@given(
    texts=st.lists(sentences(), min_size=1, max_size=5),
    scheme=st.sampled_from(["BIO", "IOB1", "BILOU", "BIOES"]),
    named=st.booleans(),
    separator=st.sampled_from(["\t", " ", ", "]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    bom=st.booleans(),
    final=st.sampled_from(["", "\n", "\n\n", "\n \n\t\n"]),
    gap=st.sampled_from(["\n", "\n\n", "\t\n", "\n-DOCSTART- -X- O O\n\n"]),
    order=st.sampled_from(["token tag", "tag token", "other token other tag"]),
)
def test_what_is_written_is_read(
    tmp_path_factory, texts, scheme, named, separator, end, bom, final, gap, order
):
    if separator == ", ":
        texts = [([word.replace(",", ";") for word in words], spans) for words, spans in texts]
    bio, written = TagScheme(TYPES), []
    expected = []
    for words, spans in texts:
        tags = [bio.tags[i] for i in bio.encode(spans, len(words))]
        expected.append(" ".join(tags))
        if scheme == "IOB1":
            tags = as_iob1(tags)
        elif scheme != "BIO":
            bilou = TagScheme(TYPES, "BILOU")
            tags = [bilou.tags[i] for i in bilou.encode(spans, len(words))]
            if scheme == "BIOES":
                letters = {"L-": "E-", "U-": "S-"}
                tags = [letters.get(tag[:2], tag[:2]) + tag[2:] for tag in tags]
        cells = [{"token": w, "tag": t, "other": "_"} for w, t in zip(words, tags, strict=True)]
        lines = [separator.join(cell[name] for name in order.split()) for cell in cells]
        written.append("\n".join(lines) + "\n")
    content = (gap.join(written).removesuffix("\n") + final).replace("\n", end)
    path = write(tmp_path_factory.getbasetemp(), content.encode("utf-8-sig" if bom else "utf-8"))
    names = order.split()
    source = CoNLL(
        path,
        token_column=names.index("token"),
        tag_column=names.index("tag") - len(names),
        separator=separator if separator == ", " or named else None,
        scheme=scheme if named else None,
    )
    assert source["text"] == [" ".join(words) for words, _ in texts]
    assert source["entities"] == expected
    assert source.types == tuple(sorted({kind for _, spans in texts for *_, kind in spans}))
    assert source.repaired == 0
    if named:
        assert source.scheme == scheme


def test_real_layouts(tmp_path):
    conll_2003 = (
        "-DOCSTART- -X- O O\n\nEU NNP I-NP I-ORG\nrejects VBZ I-VP O\n\nPeter NNP I-NP I-PER\n"
        "Blackburn NNP I-NP I-PER\n\n-DOCSTART- -X- O O\n\n"
    )
    source = CoNLL(write(tmp_path, conll_2003))
    assert (source["text"], source.scheme) == (["EU rejects", "Peter Blackburn"], "IOB1")
    assert source["entities"] == ["B-ORG O", "B-PER I-PER"]
    chunks = CoNLL(write(tmp_path, conll_2003), tag_column=2, tags="chunks")
    assert chunks["chunks"] == ["B-NP B-VP", "B-NP I-NP"]
    wikiann = CoNLL(
        write(tmp_path, "en:Red\tB-LOC\nen:Sea\tI-LOC\n\nen:en:\tO\n"), token_prefix="en:"
    )
    assert wikiann["text"] == ["Red Sea", "en:"]
    # Blank lines that hold a tab; a byte order mark of a file that was appended.
    wnut = CoNLL(write(tmp_path, "a\tO\n\t\n#b\tO\n\t\n\ufeff\n\ufeffc\tO\n".encode("utf-8-sig")))
    assert wnut["text"] == ["a", "#b", "c"]
    umls = CoNLL(write(tmp_path, "# id 1\n# x\na O\n# y\nb O\n\n#c O\n"), comment="# ")
    assert umls["text"] == ["a b", "#c"]
    latin = CoNLL(write(tmp_path, "Perú B-LOC\n".encode("latin1")), encoding="latin1", text="es")
    assert latin["es"] == ["Perú"]


def test_white_space_in_a_token_does_not_make_two(tmp_path):
    path = write(tmp_path, "New York\tB-LOC\na\u00a0b\u3000c\tO\nd \t O \n")
    source = CoNLL(path, separator="\t")
    assert source["text"] == ["New_York a_b_c d"]
    assert source["entities"] == ["B-LOC O O"]
    # Blanks and tabs alone stand between columns.
    assert CoNLL(write(tmp_path, "a\u00a0b O\n"))["text"] == ["a_b"]


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        (["O", "O"], "BIO"),
        (["B-x", "I-x"], "BIO"),
        (["I-x", "B-x", "I-x", "O", "I-y"], "IOB1"),
        (["I-x", "B-y"], "BIO"),
        (["I-x", "O", "I-y"], "IOB1"),
        (["B-x", "L-x"], "BILOU"),
        (["O", "U-x"], "BILOU"),
        (["B-x", "E-x"], "BIOES"),
        (["S-x", "B-x", "I-x", "E-x"], "BIOES"),
    ],
)
def test_the_scheme_is_recognised(tmp_path, tags, scheme):
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        assert CoNLL(write(tmp_path, column(*tags))).scheme == scheme


@pytest.mark.parametrize(
    ("tags", "repaired", "count", "first"),
    [
        ("B-x O I-x I-x", "B-x O B-x I-x", 1, "line 3: 'I-x' after 'O'"),
        ("B-x I-y I-x", "B-x B-y B-x", 2, "line 2: 'I-y' after 'B-x'"),
        ("U-x I-x L-x", "B-x B-x I-x", 1, "line 2: 'I-x' after 'U-x'"),
        ("O L-x L-x", "O B-x B-x", 2, "line 2: 'L-x' after 'O'"),
        ("B-x O U-x", "B-x O B-x", 1, "line 2: 'O' after 'B-x', which does not end"),
        ("U-y B-x I-x", "B-y B-x I-x", 1, "line 3: 'I-x', which does not end, is the last tag"),
        ("S-x B-x E-y", "B-x B-x B-y", 1, "line 3: 'E-y' after 'B-x'"),
        ("S-x B-x S-x", "B-x B-x B-x", 1, "line 3: 'S-x' after 'B-x', which does not end"),
    ],
)
def test_what_is_illegal_is_repaired_or_refused(tmp_path, tags, repaired, count, first):
    path = write(tmp_path, column(*tags.split()) + column("O"))
    total = len(tags.split()) + 1
    message = f"t.conll: repaired {count} of {total} tags, which .* the first is in {first}"
    with pytest.warns(UserWarning, match=message):
        source = CoNLL(path)
    assert source["entities"] == [repaired, "O"]
    assert source.repaired == count
    bio = TagScheme(("x", "y"))
    ids = [bio.tags.index(tag) for tag in repaired.split()]
    assert bio.encode(bio.decode(ids), len(ids)) == ids
    with pytest.raises(ValueError, match=rf"t\.conll, {first}; correct it, or pass on_i"):
        CoNLL(path, on_illegal="raise")


def test_samples_have_places_and_parts(tmp_path):
    path = write(tmp_path, "".join(f"\nword{i}\tB-x\n.\tO\n" for i in range(10)))
    source = CoNLL(path)
    assert repr(source) == "CoNLL(t.conll, 10 rows, columns ['text', 'entities'])"
    assert source.locate(3) == "t.conll, sentence 4 (line 11)"
    assert source.cell(3, "text") == "'word3 .'"
    train, test = source.split(test=0.3)
    assert (len(train), len(test)) == (7, 3)
    assert train.types == test.types == ("x",)
    loaded = list(
        test.rows({"text": str.encode, "entities": str.encode})
        .map(lambda index, row: (index, test.load(row)))
        .as_numpy_iterator()
    )
    for index, row in loaded:
        assert row == {"text": f"word{index} .".encode(), "entities": b"B-x O"}
        assert test.locate(index) == f"t.conll, sentence {index + 1} (line {3 * index + 2})"


# Bad files.

BAD = {
    "no bytes": (b"", r"t\.conll holds no sentence; write a token and its tag"),
    "blank lines": (b"\n \n\t\n", "holds no sentence"),
    "documents alone": (b"-DOCSTART- -X- O\n\n-DOCSTART- -X- O\n", "holds no sentence"),
    "ragged": (b"a b O\n\nc O\n", r"t\.conll, line 3: 2 columns, but line 1 has 3: 'c O'; leave"),
    "one column": (b"\na\n", r"line 2: the token and the tag are both column 0 of 1: 'a'; name"),
    "no tag": (b"a b\n", r"line 1: 'b' is no tag, such as O, B-PER or I-PER: 'a b'; .*tag_column="),
    "no type": (b"a\tO\nb\tB-\n", "line 2: 'B-' is no tag"),
    "two schemes": (
        b"a L-x\n\nb S-x\n",
        r"line 3: the tag 'S-x' is none of BILOU, which kno",
    ),
    "Latin-1": ("a O\ngrün O\n".encode("latin1"), r"line 2: byte 6 \(0xfc\) is not UTF-8; save"),
    "UTF-16": ("a O\n".encode("utf-16-le"), "line 1: a NUL character"),
}


@pytest.mark.parametrize("content, message", BAD.values(), ids=BAD)
def test_a_bad_file_is_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        CoNLL(write(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("a\tO\n\tO\n", {"separator": "\t"}, r"line 2: the token is empty: '\\tO'"),
        ("en: O\n", {"token_prefix": "en:"}, "line 1: the token is empty: 'en: O'"),
        ("a\tB-New York\n", {"separator": "\t"}, "line 1: 'B-New York' is no tag"),
        ("a O\n", {"token_column": 2}, "line 1 has 2 columns, and no token_column=2: 'a O'"),
        ("a O\n", {"tag_column": -3}, "line 1 has 2 columns, and no tag_column=-3"),
        ("a O\n", {"separator": "\t"}, "are both column 0 of 1: 'a O'; name what stands between"),
        ("a U-x\n", {"scheme": "BIO"}, r"line 1: the tag 'U-x' is none of BIO, .* O, B-x, I-x; "),
        ("é O\n", {"encoding": "ascii"}, r"line 1: byte 0 \(0xc3\) is not ASCII; save the file as"),
        ("a O\n", {"scheme": "IOB2"}, r"scheme must be one of \['BIO', .*got 'IOB2'"),
        ("a O\n", {"on_illegal": "skip"}, "on_illegal must be 'repair' or 'raise'; got 'skip'"),
        ("a O\n", {"separator": ""}, "separator and comment must be None or hold a character"),
        ("a O\n", {"tags": "text"}, "text and tags must have different names; both are 'text'"),
    ],
)
def test_bad_arguments_are_refused(tmp_path, content, options, message):
    with pytest.raises(ValueError, match=message):
        CoNLL(write(tmp_path, content), **options)


def test_a_missing_file_is_guessed(tmp_path):
    write(tmp_path, "a O\n", "train.conll")
    with pytest.raises(FileNotFoundError, match=r"trian\.conll does not exist\. .*train\.conll\?"):
        CoNLL(tmp_path / "trian.conll")
