"""`WordTransformer`: words are what their parts are, in any order."""

import numpy as np

from mmkeras.encoders import WordTransformer
from mmkeras.layers import Size


def test_a_word_is_the_scaled_sum_of_its_parts():
    stack = Size(dim=8, depth=0, num_heads=1, mlp_dim=1).stack()
    encoder = WordTransformer(20, max_length=3, stack=stack, dropout=0.0)
    ids = np.array([[[3, 7, 5, 0], [4, 0, 0, 0], [0, 0, 0, 0]]])
    tokens = encoder({"part_ids": ids})
    assert np.array(tokens.mask).tolist() == [[True, True, False]]
    table = encoder.embedding.get_weights()[0]
    words = np.stack([table[[3, 7, 5]].sum(axis=0) / np.sqrt(3), table[4]])
    position = encoder.positions.get_weights()[0][:2]

    def normal(x):
        return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)

    expected = normal(normal(words + position))
    np.testing.assert_allclose(np.array(tokens.values)[0, :2], expected, atol=1e-4)
    again = encoder({"part_ids": ids[:, :, [1, 3, 0, 2]]})
    np.testing.assert_allclose(again.values, tokens.values, atol=1e-5)
