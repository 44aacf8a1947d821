"""`AttentionMask`: what its parts allow, block by block, against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.layers import AttentionMask


def whole(mask: AttentionMask, length: int, num_keys: int, shape=(2, 3)) -> np.ndarray:
    """bool [B, N, T, S] by its definition."""
    query = mask.offset + np.arange(length)[:, None]
    key = np.arange(num_keys)[None]
    allowed = np.ones((*shape, length, num_keys), bool)
    if mask.causal:
        allowed &= (key <= query) | (key < mask.prefix)
    if mask.window is not None:
        allowed &= abs(key - query) < mask.window
    if mask.keys is not None:
        allowed &= mask.keys[:, None, None]
    if mask.query_segments is not None:
        of_keys = mask.query_segments if mask.key_segments is None else mask.key_segments
        allowed &= (mask.query_segments[:, :, None] == of_keys[:, None])[:, None]
    if mask.dense is not None:
        allowed &= mask.dense
    return allowed


@st.composite
def masks(draw):
    length = draw(st.integers(1, 9))
    num_keys = draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    parts = {
        "keys": rng.random((2, num_keys)) < 0.6,
        "query_segments": rng.integers(0, 3, (2, length)).astype("int32"),
        "key_segments": rng.integers(0, 3, (2, num_keys)).astype("int32"),
        "dense": rng.random((2, draw(st.sampled_from([1, 3])), length, num_keys)) < 0.6,
    }
    kept = draw(st.sets(st.sampled_from(["keys", "query_segments", "dense"])))
    if "query_segments" in kept:
        kept = kept | {"key_segments"}
    mask = AttentionMask(
        causal=draw(st.booleans()),
        window=draw(st.none() | st.integers(1, 5)),
        offset=draw(st.integers(0, 4)),
        prefix=draw(st.integers(0, 9)),
        **{name: parts[name] for name in kept},
    )
    return mask, length, num_keys


@settings(max_examples=60, deadline=None)
@given(masks(), st.data())
def test_blocks_are_cut_from_the_whole(drawn, data):
    mask, length, num_keys = drawn
    expected = whole(mask, length, num_keys)
    start = data.draw(st.integers(0, length - 1))
    count = data.draw(st.integers(1, length - start))
    low = data.draw(st.integers(0, num_keys - 1))
    size = data.draw(st.integers(1, num_keys - low))
    block = mask.block(start, count, low, size)
    block = True if block is None else np.array(block)
    expected = expected[:, :, start : start + count, low : low + size]
    np.testing.assert_array_equal(np.broadcast_to(block, expected.shape), expected)


@settings(max_examples=60, deadline=None)
@given(masks(), st.data())
def test_beyond_the_range_nothing_is_seen(drawn, data):
    mask, length, num_keys = drawn
    start = data.draw(st.integers(0, length - 1))
    count = data.draw(st.integers(1, length - start))
    low, high = mask.key_range(start, count, num_keys)
    assert 0 <= low < high <= num_keys
    rows = whole(mask, length, num_keys)[:, :, start : start + count]
    assert not rows[..., :low].any() and not rows[..., high:].any()


@settings(max_examples=60, deadline=None)
@given(masks())
def test_knows_where_a_query_may_see_nothing(drawn):
    mask, length, num_keys = drawn
    if not mask.may_hide_all:
        assert whole(mask, length, num_keys).any(axis=-1).all()


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: AttentionMask(window=0), "window must be at least 1.*got 0"),
        (lambda: AttentionMask(keys=np.ones(3, bool)), r"keys must be bool \[B, S\].*\(3,\)"),
        (lambda: AttentionMask(keys=np.ones((1, 3))), r"keys must be bool.*float64 \(1, 3\)"),
        (lambda: AttentionMask(key_segments=np.ones((1, 3), int)), "need query_segments"),
        (lambda: AttentionMask(query_segments=np.ones((1, 3))), "query_segments must be int"),
        (lambda: AttentionMask.of(np.ones(3, bool)), r"attention_mask must be bool"),
        (lambda: AttentionMask.of("causal"), "attention_mask must be bool.*'causal'"),
    ],
)
def test_refuses_what_is_no_mask(build, says):
    with pytest.raises(ValueError, match=says):
        build()
