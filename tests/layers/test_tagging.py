"""Tag schemes: their definitions, seqeval's strict reading, spans and back."""

import itertools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval import scheme as seqeval

from mmkeras.layers import TagScheme

SCHEMES = {"BIO": seqeval.IOB2, "BILOU": seqeval.BILOU}
NAMES = ("PER", "B-LOC", "O")


def schemes():
    return st.builds(
        TagScheme, st.permutations(NAMES).map(lambda names: names[:2]), st.sampled_from([*SCHEMES])
    )


def by_seqeval(scheme, tag_ids):
    """What seqeval's strict mode reads."""
    tokens = seqeval.Tokens([scheme.tags[tag] for tag in tag_ids], SCHEMES[scheme.scheme])
    return [(entity.start, entity.end, entity.tag) for entity in tokens.entities]


@st.composite
def texts(draw):
    """A number of words, and spans (begin, end, index of the type) in them, some side by side."""
    edges = sorted(draw(st.sets(st.integers(0, 12), max_size=8)))
    spans = draw(st.sampled_from([list(itertools.pairwise(edges)), list(zip(*[iter(edges)] * 2))]))
    return 12, [(*span, draw(st.integers(0, 1))) for span in spans]


@settings(max_examples=200, deadline=None)
@given(scheme=schemes(), text=texts(), order=st.randoms())
def test_spans_come_back_and_are_seqevals(scheme, text, order):
    length, spans = text
    spans = [(begin, end, scheme.types[which]) for begin, end, which in spans]
    given_in = spans[:]
    order.shuffle(given_in)
    tag_ids = scheme.encode(given_in, length)
    assert len(tag_ids) == length
    assert scheme.decode(tag_ids) == spans == by_seqeval(scheme, tag_ids)
    assert legal(scheme, tag_ids)


@settings(max_examples=300, deadline=None)
@given(scheme=schemes(), data=st.data())
def test_what_is_illegal_is_read_as_seqeval_does(scheme, data):
    tag_ids = data.draw(st.lists(st.integers(0, scheme.size - 1), max_size=9))
    assert scheme.decode(tag_ids) == by_seqeval(scheme, tag_ids)


def legal(scheme, tag_ids):
    if not tag_ids:
        return True
    pairs = itertools.pairwise(tag_ids)
    return bool(
        scheme.starts[tag_ids[0]]
        and scheme.ends[tag_ids[-1]]
        and all(scheme.transitions[pair] for pair in pairs)
    )


@pytest.mark.parametrize("name", SCHEMES)
def test_legal_is_what_spans_give(name):
    scheme = TagScheme(("a", "b"), name)
    for length in range(5):
        made = set()
        for edges in itertools.product(range(3), repeat=length):
            # 0 outside, 1 goes on with the span before or begins one, 2 begins one.
            begins = [
                e == 2 or (e == 1 and (i == 0 or not edges[i - 1])) for i, e in enumerate(edges)
            ]
            at = [i for i, begin in enumerate(begins) if begin]
            for names in itertools.product("ab", repeat=len(at)):
                spans = []
                for begin, kind in zip(at, names):
                    end = begin + 1
                    while end < length and edges[end] and not begins[end]:
                        end += 1
                    spans.append((begin, end, kind))
                made.add(tuple(scheme.encode(spans, length)))
        every = itertools.product(range(scheme.size), repeat=length)
        assert {ids for ids in every if legal(scheme, list(ids))} == made


def test_tables():
    bio, bilou = TagScheme(["x", "y"]), TagScheme(("x",), "BILOU")
    assert bio.tags == ("O", "B-x", "I-x", "B-y", "I-y")
    assert bilou.tags == ("O", "B-x", "I-x", "L-x", "U-x")
    assert (bio.size, bilou.size) == (5, 5)
    assert bio.type_ids.tolist() == [-1, 0, 0, 1, 1]
    assert bio.starts.tolist() == [True, True, False, True, False]
    assert bio.ends.all()
    assert bilou.starts.tolist() == [True, True, False, False, True]
    assert bilou.ends.tolist() == [True, False, False, True, True]
    # O B I L U, after O B I L U.
    assert bilou.transitions.astype(int).tolist() == [
        [1, 1, 0, 0, 1],
        [0, 0, 1, 1, 0],
        [0, 0, 1, 1, 0],
        [1, 1, 0, 0, 1],
        [1, 1, 0, 0, 1],
    ]
    assert all(part.dtype == bool for part in (bio.starts, bio.ends, bio.transitions))


def test_it_is_a_value():
    scheme = TagScheme(["x", "y"], "BILOU")
    assert scheme == TagScheme(("x", "y"), "BILOU") != TagScheme(("y", "x"), "BILOU")
    written = keras.saving.serialize_keras_object(scheme)
    assert keras.saving.deserialize_keras_object(written) == scheme
    assert hash(scheme) == hash(TagScheme(("x", "y"), "BILOU"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["x"], "IOB"), r"scheme must be one of \['BIO', 'BILOU'\]; got 'IOB'"),
        (([],), "types must name at least one type"),
        (("PER",), "types must be a list of names; got the string 'PER'"),
        ((["x", ""],), "non-empty string without white space; got ''"),
        ((["x y"],), "white space; got 'x y'"),
        ((["x\u00a0"],), "white space"),
        (([3],), "white space; got 3"),
        ((["x", "y", "x"],), r"type 'x' is named twice in \['x', 'y', 'x'\]"),
    ],
)
def test_a_bad_scheme_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TagScheme(*arguments)


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([(0, 1, "z")], r"span \(0, 1, 'z'\): the type is unknown; the types are \['x', 'y'\]"),
        ([(0, 4, "x")], r"span \(0, 4, 'x'\) must lie within the 3 words and hold one"),
        ([(-1, 1, "x")], "within the 3"),
        ([(1, 1, "x")], "hold one"),
        ([(0, 2, "x"), (1, 3, "y")], r"span \(1, 3, 'y'\) overlaps another"),
        ([(1, 2, "x"), (0, 3, "x")], r"span \(0, 3, 'x'\) overlaps another"),
    ],
)
@pytest.mark.parametrize("name", SCHEMES)
def test_bad_spans_are_refused(name, spans, message):
    with pytest.raises(ValueError, match=message):
        TagScheme(("x", "y"), name).encode(spans, 3)


@pytest.mark.parametrize("tag", [-1, 5])
def test_a_bad_tag_is_refused(tag):
    with pytest.raises(ValueError, match=rf"tag id {tag} at word 1 is not in \[0, 5\)"):
        TagScheme(("x", "y")).decode(np.array([0, tag]))
