"""`Trie` against `str.startswith`."""

import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.tokenizers.trie import Trie


@settings(max_examples=20, deadline=None)
@given(
    st.sets(st.text("ab猫", min_size=1, max_size=4), max_size=10),
    st.text("ab猫c", min_size=1, max_size=15),
    st.data(),
)
def test_finds_all_strings_that_begin_at_a_place(strings, text, data):
    strings = sorted(strings)
    places = data.draw(st.lists(st.integers(0, len(text) - 1), max_size=6))
    ends = [data.draw(st.integers(place + 1, len(text))) for place in places]
    found = Trie(strings).matches(
        tf.constant([ord(c) for c in text]),
        tf.constant(places, tf.int32),
        tf.constant(ends, tf.int32),
    )
    for place, end, column in zip(places, ends, found.numpy().T, strict=True):
        expected = {i for i, s in enumerate(strings) if text[place:end].startswith(s)}
        assert {i for i in column if i >= 0} == expected
        assert all(len(strings[i]) == length for length, i in enumerate(column, 1) if i >= 0)
