"""Layers of layers: what is saved, and that copies share nothing."""

import keras
import numpy as np

from mmkeras.layers import (
    FeedForward,
    MultiHeadAttention,
    Residual,
    TransformerEncoderBlock,
    copied,
)


def block():
    return TransformerEncoderBlock(
        MultiHeadAttention(8, num_heads=2, name="mine"),
        FeedForward(8, 16, activation="relu"),
        Residual(keras.layers.RMSNormalization(epsilon=0.5), norm_first=False),
    )


def test_parts_come_back():
    first = block()
    second = TransformerEncoderBlock.from_config(first.get_config())
    assert second.get_config() == first.get_config()
    assert second.attention.name == "mine" and second.attention is not first.attention
    assert second.residual.norm.epsilon == 0.5 and not second.residual.norm_first


def test_copies_share_no_weights():
    first = block()
    first(np.ones((1, 2, 8), "float32"))
    second = copied(first, name="second")
    assert second.name == "second" and not second.built
    second(np.ones((1, 2, 8), "float32"))
    assert not {id(w) for w in first.weights} & {id(w) for w in second.weights}
    assert len(first.weights) == len(second.weights)
