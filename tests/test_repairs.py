"""`Repairs` refuses at once, or counts and tells once."""

import warnings

import pytest

from mmkeras.repairs import Repairs


def told(repairs):
    def by_a_source():
        repairs.warn()

    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        by_a_source()
    assert all(warning.filename == __file__ for warning in found)
    return [str(warning.message) for warning in found]


def test_faults_are_counted_and_told_once():
    repairs = Repairs("f.json", "repair")
    assert told(repairs) == [] and repairs.count == 0
    repairs.add("dropped", "boxes", "box 1 is bad")
    repairs.add("left out", "pictures", "picture 2 is bad", times=3)
    repairs.add("dropped", "boxes", "box 3 is bad")
    assert repairs.count == 5
    assert told(repairs) == [
        "f.json is repaired: boxes dropped: 2, pictures left out: 3; the first: box 1 is bad."
    ]


def test_the_first_fault_is_refused():
    repairs = Repairs("f.json", "raise")
    message = "^box 1 is bad; correct it, or pass on_bad='repair': such boxes are then dropped.$"
    with pytest.raises(ValueError, match=message):
        repairs.add("dropped", "boxes", "box 1 is bad")
    assert told(repairs) == []


def test_a_bad_argument_is_refused():
    with pytest.raises(ValueError, match="on_bad must be 'repair' or 'raise'; got None"):
        Repairs("f.json", None)
