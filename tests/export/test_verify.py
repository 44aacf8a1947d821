"""`verify` sees every way in which an export can be wrong."""

import numpy as np
import pytest

from mmkeras.export.verify import ExportError, _difference, verify


def test_difference_of_numbers_and_texts():
    assert _difference(np.array([1.0, 0.25]), np.array([1.0, 0.75])) == 0.5
    # Whole numbers, such as ids, are no roundings.
    assert _difference(np.array([30_001]), np.array([30_000])) == 1.0
    # Of numbers above 1, as a share of them.
    assert _difference(np.array([640.0]), np.array([400.0])) == 0.6
    assert _difference(np.array([b"a"], object), np.array([b"a"], object)) == 0.0
    assert _difference(np.array([b"a"], object), np.array([b"b"], object)) == float("inf")
    assert _difference(np.zeros((2, 1)), np.zeros(2)) == float("inf")


def test_not_a_number_is_never_close_enough():
    difference = _difference(np.array([np.nan]), np.array([0.0]))
    assert not difference <= 1e-4


def test_a_model_that_does_not_load_is_an_error(tmp_path):
    with pytest.raises(ExportError, match="does not run in a fresh process"):
        verify(tmp_path, "saved_model", inputs={}, expected={})
