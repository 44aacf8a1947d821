"""`AudioTransformer`: how long its tokens are, and what it does not hear."""

import numpy as np
import pytest

from mmkeras.encoders import AudioTransformer
from mmkeras.layers import AudioStem, Size

SIZE = Size(dim=16, depth=1, num_heads=2, mlp_dim=32)
RNG = np.random.default_rng(0)
WAVEFORM = RNG.uniform(-0.1, 0.1, (1, 1_600)).astype("float32")


def encoded(encoder, waveform, length=1_600):
    return encoder({"waveform": waveform, "length": np.array([length])}, training=False)


@pytest.mark.parametrize(("length", "kept"), [(0, 0), (1, 1), (320, 1), (321, 2), (1_600, 5)])
def test_a_token_stands_for_forty_milliseconds(length, kept):
    encoder = AudioTransformer(1_600, AudioStem(16, 8_000, num_mels=16), SIZE.stack())
    assert int(np.array(encoded(encoder, WAVEFORM, length).mask).sum()) == kept


def test_loudness_has_no_effect():
    encoder = AudioTransformer(1_600, AudioStem(16, 8_000, num_mels=16), SIZE.stack())
    expected = encoded(encoder, WAVEFORM).values
    np.testing.assert_allclose(encoded(encoder, 8 * WAVEFORM).values, expected, atol=1e-3)


def test_half_precision_begins_behind_the_spectrogram(monkeypatch):
    half = {"dtype": "mixed_bfloat16"}
    stem = AudioStem(16, 8_000, num_mels=16, **half)
    encoder = AudioTransformer(1_600, stem, SIZE.stack(**half), **half)
    heard = []
    listen = stem.spectrogram.call
    monkeypatch.setattr(stem.spectrogram, "call", lambda w: heard.append(w) or listen(w))
    encoded(encoder, WAVEFORM)
    np.testing.assert_array_equal(np.array(heard[-1])[:, :1_600], WAVEFORM)
