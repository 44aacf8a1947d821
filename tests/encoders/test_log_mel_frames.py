"""`LogMelFrames`: the tokens are the frames of the spectrogram."""

import numpy as np

from mmkeras.encoders import LogMelFrames
from mmkeras.layers import LogMelSpectrogram
from mmkeras.modalities import Audio

FRAMES = {"sample_rate": 8_000, "frame_length": 200, "hop_length": 80, "num_mels": 20}


def test_tokens_are_the_frames_and_the_last_ones_see_silence():
    noise = np.random.default_rng(0).normal(size=(2, 500)).astype("float32")
    encoder = LogMelFrames(**FRAMES)
    tokens = encoder({"waveform": noise, "length": np.array([500, 230])})
    assert np.array(tokens.mask).sum(axis=1).tolist() == [7, 3]
    padded = np.pad(noise[1:, :230], [[0, 0], [0, 200]])
    expected = LogMelSpectrogram(**FRAMES)(padded)
    np.testing.assert_allclose(tokens.values[1:, :3], expected[:, :3], atol=1e-4)
    assert encoder.step_s == 0.01 and not encoder.weights


def test_fits_an_audio():
    encoder = LogMelFrames.for_modality(Audio(sample_rate=16_000), "tiny", num_mels=40)
    assert (encoder.dim, encoder.config["hop_length"]) == (40, 200)
