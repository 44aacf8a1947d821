"""`Conformer`: what a chunk hears, and what it refuses."""

import numpy as np
import pytest

from mmkeras.encoders import Conformer
from mmkeras.layers import AudioStem, GlobalNormalization, Size
from mmkeras.modalities import Audio

SIZE = Size(dim=16, depth=2, num_heads=2, mlp_dim=32)
AUDIO = Audio(sample_rate=8_000, seconds=1.0)
RNG = np.random.default_rng(0)
WAVEFORM = RNG.uniform(-0.1, 0.1, (1, 8_000)).astype("float32")


def chunked(chunk=4, left_chunks=1):
    return Conformer.for_modality(
        AUDIO,
        SIZE,
        kernel_size=3,
        num_mels=16,
        normalization=GlobalNormalization([-4.0] * 16, [3.0] * 16),
        chunk=chunk,
        left_chunks=left_chunks,
    )


def encoded(encoder, waveform, length=8_000):
    tensors = {"waveform": waveform, "length": np.array([length])}
    return np.array(encoder(tensors, training=False).values)


def test_what_comes_later_changes_no_chunk_that_was_heard():
    encoder = chunked()
    other = WAVEFORM.copy()
    # The third chunk's tokens, 8 to 11, see 3 frames and a frame's length beyond their own time.
    other[:, 12 * 320 + 300 :] = RNG.uniform(-0.1, 0.1, other[:, 12 * 320 + 300 :].shape)
    before, after = encoded(encoder, WAVEFORM), encoded(encoder, other)
    np.testing.assert_allclose(after[:, :12], before[:, :12], atol=1e-5)
    assert np.abs(after[:, 12:] - before[:, 12:]).max() > 1e-3


def test_a_chunk_sees_those_to_its_left_alone():
    encoder = chunked(left_chunks=0)
    other = WAVEFORM.copy()
    other[:, : 4 * 320] = RNG.uniform(-0.1, 0.1, other[:, : 4 * 320].shape)
    before, after = encoded(encoder, WAVEFORM), encoded(encoder, other)
    # Convolutions look back two tokens in each block, and the stem one: token 16 hears 14 and what
    # this heard in its chunk, 12, which heard 10, 8 and a frame of 7.
    np.testing.assert_allclose(after[:, 16:], before[:, 16:], atol=1e-5)
    assert np.abs(after[:, :4] - before[:, :4]).max() > 1e-3


def test_within_a_chunk_everything_is_seen():
    encoder = chunked()
    other = WAVEFORM.copy()
    other[:, 3 * 320 + 160 : 4 * 320] = 0.0
    before, after = encoded(encoder, WAVEFORM), encoded(encoder, other)
    assert np.abs(after[:, 0] - before[:, 0]).max() > 1e-4


def test_what_cannot_be_heard_in_chunks():
    stem = AudioStem(16, 8_000, num_mels=16)
    with pytest.raises(ValueError, match="normalization"):
        Conformer(stem, SIZE.conformer_stack(causal=True), chunk=4)
    stem = AudioStem(16, 8_000, 16, normalization=GlobalNormalization([-4.0] * 16, [3.0] * 16))
    with pytest.raises(ValueError, match="block_0"):
        Conformer(stem, SIZE.conformer_stack(), chunk=4)
    with pytest.raises(ValueError, match="chunk must be"):
        Conformer(stem, SIZE.conformer_stack(causal=True), chunk=0)
