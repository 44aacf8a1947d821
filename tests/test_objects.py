"""What people write of objects in pictures, and what is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmkeras.objects import read, written

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
            (o["label"], o["crowd"]) for o in objects
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
