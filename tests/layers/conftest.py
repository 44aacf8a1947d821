"""Weights of PyTorch's layers given to ours."""

import sys

import numpy as np
import pytest


def randomise(module, seed=0):
    """Random weights, norms and biases among them, so that none can be forgotten unseen."""
    import torch

    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(torch.tensor(rng.normal(scale=0.4, size=weight.shape)))


def array(tensor):
    return tensor.detach().numpy()


def dense(theirs, ours):
    ours.set_weights([array(theirs.weight).T, array(theirs.bias)])


def norm(theirs, ours):
    ours.set_weights([array(theirs.weight), array(theirs.bias)])


def attention(theirs, ours):
    weights = np.split(array(theirs.in_proj_weight), 3)
    biases = np.split(array(theirs.in_proj_bias), 3)
    for name, weight, bias in zip(("query", "key", "value"), weights, biases):
        getattr(ours, name).set_weights([weight.T, bias])
    dense(theirs.out_proj, ours.output_projection)


def encoder_block(theirs, ours):
    attention(theirs.self_attn, ours.attention)
    dense(theirs.linear1, ours.feed_forward.expand)
    dense(theirs.linear2, ours.feed_forward.contract)
    norm(theirs.norm1, ours.attention_residual.norm)
    norm(theirs.norm2, ours.feed_forward_residual.norm)


def decoder_block(theirs, ours):
    attention(theirs.self_attn, ours.self_attention)
    attention(theirs.multihead_attn, ours.cross_attention)
    dense(theirs.linear1, ours.feed_forward.expand)
    dense(theirs.linear2, ours.feed_forward.contract)
    norm(theirs.norm1, ours.self_attention_residual.norm)
    norm(theirs.norm2, ours.cross_attention_residual.norm)
    norm(theirs.norm3, ours.feed_forward_residual.norm)


def transformer(theirs, ours):
    for one, other in zip(theirs.encoder.layers, ours.encoder.blocks):
        encoder_block(one, other)
    for one, other in zip(theirs.decoder.layers, ours.decoder.blocks):
        decoder_block(one, other)
    norm(theirs.encoder.norm, ours.encoder.norm)
    norm(theirs.decoder.norm, ours.decoder.norm)


@pytest.fixture
def from_torch():
    """The functions of this file, each of which fills one of our layers from one of PyTorch's."""
    pytest.importorskip("torch")
    return sys.modules[__name__]
