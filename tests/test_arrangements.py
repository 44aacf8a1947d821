"""Arrangements: captions are read back, answers found by looking, questions tell nothing."""

import collections
import itertools

import numpy as np
import pytest

from mmkeras import arrangements
from mmkeras.arrangements import KINDS, LAYOUTS, PLACES, TIMES, about, asked, caption, places

CATEGORIES = {"cat": "animals", "red ant": "animals", "sled": "sports", "kite": "sports"}


def read(told):
    """The arrangement that a caption tells."""
    rows = []
    for row in told.split(" above "):
        rows.append(())
        for run in row.split(" left of "):
            times = {"twice": 2, "three times": 3}
            word = next((word for word in times if run.endswith(word)), "")
            rows[-1] += (run.removesuffix(word).strip(),) * times.get(word, 1)
    return tuple(rows)


def every_arrangement():
    for layout in LAYOUTS:
        for names in itertools.product(CATEGORIES, repeat=sum(layout)):
            left = iter(names)
            yield tuple(tuple(itertools.islice(left, count)) for count in layout)


def test_a_caption_tells_one_arrangement():
    told = {caption(rows): rows for rows in every_arrangement()}
    assert len(told) == len(list(every_arrangement()))
    assert all(read(text) == rows for text, rows in told.items())


def answer_by_looking(question, rows):
    """What a person would say who sees the rows."""
    where = dict(zip(places([len(row) for row in rows]), itertools.chain(*rows)))
    words = question.rstrip("?").split()
    if words[0] == "where":
        (place,) = [place for place, name in where.items() if name == " ".join(words[3:])]
        return place
    if words[0] == "how":
        name = " ".join(words[4:-1])
        return TIMES[sum(one == name for one in where.values())]
    name = where[question.rstrip("?").split(" at the ")[1]]
    return name if words[0] == "what" else CATEGORIES[name]


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_right_and_no_likelier_for_a_question(kind):
    chance = np.random.default_rng(0)
    made = [asked(kind, CATEGORIES, chance) for _ in range(3_000)]
    given = collections.defaultdict(collections.Counter)
    for one in made:
        assert one.kind == kind and one.answer == answer_by_looking(one.question, one.rows)
        given[one.question][one.answer] += 1
    answers = {
        "what": set(CATEGORIES),
        "where": set(PLACES),
        "how often": set(TIMES),
        "category": set(CATEGORIES.values()),
    }[kind]
    assert len(given) == (len(CATEGORIES) if kind in ("where", "how often") else len(PLACES))
    for counts in given.values():
        assert set(counts) == answers
        # Pearson's chi square against equal chances; a thousandth of fair draws is above.
        expected = counts.total() / len(answers)
        chi_square = sum((n - expected) ** 2 / expected for n in counts.values())
        assert chi_square < {1: 10.83, 3: 16.27, 10: 29.59}[len(answers) - 1]


@pytest.mark.parametrize("kind", KINDS)
def test_questions_about_an_arrangement_have_its_answers(kind):
    chance = np.random.default_rng(0)
    given = collections.Counter()
    for rows in every_arrangement():
        one, standing = about(kind, rows, CATEGORIES, chance), collections.Counter()
        for row in rows:
            standing.update(row)
        if one is None:
            # Where all stand several times, none stands somewhere.
            assert kind == "where" and 1 not in standing.values()
            continue
        assert (one.kind, one.rows) == (kind, rows)
        assert one.answer == answer_by_looking(one.question, rows)
        given[one.answer] += 1
    answers = {"what": CATEGORIES, "where": PLACES, "category": CATEGORIES.values()}
    assert set(given) == set(answers.get(kind, TIMES))


def test_places_are_read_from_the_top_left():
    assert places((2, 1)) == ["top left", "top right", "bottom"]
    assert places((1, 3)) == ["top", "bottom left", "bottom centre", "bottom right"]
    assert all(len(set(places(layout))) == sum(layout) for layout in LAYOUTS)
    assert len(PLACES) == 11


def test_only_arrangements_that_are_allowed_are_drawn():
    chance = np.random.default_rng(0)
    for kind in KINDS:
        for _ in range(20):
            made = asked(kind, CATEGORIES, chance, lambda rows: len(caption(rows)) % 2 == 0)
            assert len(caption(made.rows)) % 2 == 0
    with pytest.raises(ValueError, match=r"1000 arrangements .* 'what is at the .*' with"):
        asked("what", CATEGORIES, chance, lambda rows: False)


def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match=r"kind is 'why'.*'how often'"):
        asked("why", CATEGORIES, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"kind is 'why'.*'how often'"):
        about("why", (("cat",),), CATEGORIES, np.random.default_rng(0))
    assert arrangements.caption((("cat", "cat"),)) == "cat twice"
