"""What people write of objects in pictures, and what is refused."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmkeras.objects import clipped, read, written

NUMBERS = st.floats(-1e4, 1e4, width=32)
LABELS = st.text(
    st.characters(exclude_characters="\n", exclude_categories=["Cs", "Cc", "Zl", "Zp"])
)


@given(st.lists(st.tuples(*[NUMBERS] * 2, st.floats(1, 1e3), st.floats(1, 1e3), LABELS)))
def test_objects_are_read_as_they_were_written(rows):
    objects = [
        {"box": [x, y, x + w, y + h], "label": f"a{label}b", "crowd": len(label) > 3}
        for x, y, w, h, label in rows
    ]
    for given_ in (objects, json.dumps(objects)):
        again = read(written(given_))
        assert [(o["label"], o["crowd"]) for o in again] == [
            (" ".join(o["label"].split()), o["crowd"]) for o in objects
        ]
        for made, object_ in zip(again, objects):
            assert made["box"] == pytest.approx(object_["box"], rel=1e-7)


@pytest.mark.parametrize(
    ("box", "why"),
    [
        ([0, 0, float("nan"), 2], "not every number is finite"),
        ([3, 0, 3, 2], "x2 is not above x1"),
        ([0, 4, 3, 2], "y2 is not above y1"),
        ([0, 4, 3], "3 numbers instead of 4"),
    ],
)
def test_a_box_that_is_none_is_refused(box, why):
    with pytest.raises(ValueError, match=rf"of 'cat' is none: .*{why}"):
        written([{"box": box, "label": "cat"}])


@pytest.mark.parametrize(
    "objects",
    ["no json", 7, [{"label": "cat"}], [{"box": [0, 0, 1, 1]}], [{"box": 3, "label": "a"}]],
)
def test_what_is_no_object_is_refused(objects):
    with pytest.raises(TypeError):
        written(objects)


SIDES = st.one_of(st.floats(-20, 40), st.integers(-20, 40), st.sampled_from([math.nan, math.inf]))


@given(st.tuples(*[SIDES] * 4), st.integers(1, 30), st.integers(1, 30))
def test_a_clipped_box_is_what_it_shares_with_its_picture(box, width, height):
    inside, why = clipped(box, width, height)
    x1, y1, x2, y2 = box
    if not all(map(math.isfinite, box)):
        assert inside is None and why == "is none: not every number is finite"
        return
    shared = (max(x1, 0), max(y1, 0), min(x2, width), min(y2, height))
    is_box = x1 < x2 and y1 < y2
    if is_box and shared[0] < shared[2] and shared[1] < shared[3]:
        assert inside == list(shared)
        beyond = max(-x1, -y1, x2 - width, y2 - height)
        assert (why is None) == (beyond <= 1e-3)
        assert why is None or f"goes beyond the picture, which is {width} x {height} " in why
    else:
        assert inside is None and ("is none" if not is_box else "lies outside of the p") in why


def test_white_space_in_labels_becomes_single_blanks():
    objects = [{"box": [0, 0, 2, 2], "label": label} for label in ("cat ", " red\u2028 \r cell")]
    assert [found["label"] for found in read(written(objects))] == ["cat", "red cell"]
    assert read(b" ") == read(b"") == []
