"""`PrefixDecoder`: the prefix sees all of itself, the text what is before it."""

import numpy as np
import pytest

from mmkeras.layers import Prefix, Size

SIZE = Size(dim=8, depth=2, num_heads=2, mlp_dim=16)


@pytest.fixture
def decoder():
    return Prefix().layer(SIZE, num_classes=10, max_length=5)


@pytest.fixture
def given():
    rng = np.random.default_rng(0)
    return rng.integers(1, 10, (3, 5)), rng.normal(size=(3, 4, 8)).astype("float32")


def test_the_prefix_has_no_order_and_the_text_has(decoder, given):
    ids, source = given
    everything = np.ones((3, 4), bool)
    whole = np.array(decoder(ids, source, everything))
    # Every token of the prefix sees all others, so that none of them is the first.
    mixed = np.array(decoder(ids, source[:, [2, 0, 3, 1]], everything))
    np.testing.assert_allclose(mixed, whole, atol=1e-5)
    # And each has an effect on the first logits.
    for place in range(4):
        changed = source.copy()
        changed[:, place] += 1
        assert np.abs(np.array(decoder(ids, changed, everything)) - whole)[:, 0].max() > 1e-3
    later = ids.copy()
    later[:, 3] = later[:, 3] % 9 + 1
    after = np.abs(np.array(decoder(later, source, everything)) - whole).max(axis=(0, 2))
    assert after[:3].max() < 1e-5 < 1e-3 < after[3:].min()


def test_without_a_source_it_is_a_causal_language_model(decoder, given):
    ids, source = given
    made = np.array(decoder(ids, source, np.zeros((3, 4), bool)))
    alone = decoder.embedding.logits(decoder.decoder(decoder.embedding(ids)))
    np.testing.assert_allclose(made, np.array(alone), atol=1e-5)
