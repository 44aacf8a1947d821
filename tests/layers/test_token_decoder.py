"""`TokenDecoder` and `TokenEmbedding`: steps are the whole, and the sum is the formula's."""

import numpy as np
import pytest

from mmkeras.layers import Attending, Prefix, Size, TokenDecoder, TokenEmbedding

SIZE = Size(dim=8, depth=2, num_heads=2, mlp_dim=16)


@pytest.mark.parametrize("kind", [Attending(), Prefix()])
def test_token_by_token_is_the_whole(kind):
    rng = np.random.default_rng(0)
    decoder = kind.layer(SIZE, num_classes=10, max_length=5)
    ids, source = rng.integers(1, 10, (3, 5)), rng.normal(size=(3, 4, 8)).astype("float32")
    mask = np.arange(4) < np.array([[4], [2], [0]])
    whole = np.array(decoder(ids, source, mask))
    source[~mask] = 1e9  # what is masked has no effect
    state = decoder.start(source, mask, 5)
    for t in range(5):
        logits, state = decoder.step(ids[:, t], state)
        np.testing.assert_allclose(np.array(logits), whole[:, t], atol=1e-4)
    assert int(state.position) == 5
    with pytest.raises(ValueError, match="at most max_length=5; got 6"):
        decoder.start(source, mask, 6)


def test_a_source_without_tokens_is_no_source():
    decoder = TokenDecoder(SIZE.decoder(), TokenEmbedding(10, 8, max_length=5))
    ids = np.array([[1, 2]])
    nothing = [
        decoder(ids, np.full((1, 4, 8), v, "float32"), np.zeros((1, 4), bool)) for v in (0, 9)
    ]
    np.testing.assert_allclose(*nothing, atol=1e-6)


def test_embedding_is_vaswanis():
    layer = TokenEmbedding(6, 4, max_length=3)
    made = np.array(layer(np.array([[2, 5, 2]])))[0]
    table = layer.embedding.embeddings.numpy()
    for place, token in enumerate((2, 5, 2)):
        angles = place / 10_000 ** (np.array([0, 2, 0, 2]) / 4)
        waves = np.where([True, True, False, False], np.sin(angles), np.cos(angles))
        np.testing.assert_allclose(made[place], 2 * table[token] + waves, atol=1e-5)
    np.testing.assert_allclose(np.array(layer.logits(made)), made @ table.T, atol=1e-5)
    np.testing.assert_allclose(
        np.array(layer(np.array([[5]]), position=1))[0, 0], made[1], atol=1e-6
    )
    with pytest.raises(ValueError, match="4 tokens are more than max_length=3"):
        layer(np.ones((1, 4), int))
    with pytest.raises(ValueError, match="dim must be at least 1"):
        TokenEmbedding(6, 0, 3)
