"""Sizes: the named ones, and what they build."""

import pytest

from mmkeras.layers import SIZES, Size, size_of


def test_are_found_by_name():
    assert size_of("base") is SIZES["base"]
    assert size_of(SIZES["tiny"]) is SIZES["tiny"]
    with pytest.raises(ValueError, match=r"\['base', 'small', 'tiny'\], or a Size; got 'huge'"):
        size_of("huge")


def test_say_what_their_blocks_are_made_of():
    stack = Size(dim=8, depth=3, num_heads=4, mlp_dim=24).stack(0.1, checkpoint=True)
    assert len(stack.blocks) == 3 and stack.checkpoint
    for block in stack.blocks:
        assert block.attention.num_heads == 4
        assert block.feed_forward.mlp_dim == 24
        assert block.feed_forward.dropout.rate == block.attention.dropout.rate == 0.1


def test_parts_get_the_dtype():
    stack = Size(8, 1, 2, 16).stack(dtype="mixed_bfloat16")
    stack.build((None, None, 8))
    layers = [layer for layer in stack._flatten_layers() if layer.weights]
    assert {layer.dtype_policy.name for layer in layers} == {"mixed_bfloat16"}
