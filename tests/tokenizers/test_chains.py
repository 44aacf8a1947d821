"""`reached` against going step by step."""

import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.tokenizers.chains import reached


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9)), max_size=40))
def test_equals_going_step_by_step(places):
    size = len(places)
    following = [min(i + jump, size) for i, (_, jump) in enumerate(places)]
    expected = [first for first, _ in places]
    for i, there in enumerate(expected):
        if there and following[i] < size:
            expected[following[i]] = True
    got = reached(
        tf.constant([first for first, _ in places], tf.bool), tf.constant(following, tf.int32)
    )
    assert got.numpy().tolist() == expected
