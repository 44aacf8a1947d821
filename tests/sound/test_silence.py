"""Trimming against librosa."""

import librosa
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.sound import trim_silence

RNG = np.random.default_rng(0)
TRIM = {
    rate: tf.function(
        lambda waveform, db, rate=rate: trim_silence(waveform, rate, db),
        input_signature=[tf.TensorSpec([None]), tf.TensorSpec([], tf.float64)],
    )
    for rate in (8_000, 22_050)
}


@settings(max_examples=150, deadline=20_000)
@given(
    st.sampled_from(sorted(TRIM)),
    st.lists(st.tuples(st.integers(0, 3_000), st.floats(-90, 0)), min_size=1, max_size=5),
    st.floats(5, 80),
    st.integers(0, 2**32),
)
def test_is_where_librosa_cuts(rate, parts, top_db, seed):
    rng = np.random.default_rng(seed)
    waveform = np.float32(
        np.concatenate([rng.uniform(-1, 1, size) * 10 ** (db / 20) for size, db in parts])
    )
    if not len(waveform):
        waveform = np.float32([0.5])
    frame_length, hop = round(0.025 * rate), round(0.01 * rate)
    # Its own floor, 100 dB below 1, is out of the way.
    expected, _ = librosa.effects.trim(
        1e3 * waveform, top_db=top_db, frame_length=frame_length, hop_length=hop
    )
    trimmed = TRIM[rate](waveform, top_db).numpy()
    np.testing.assert_allclose(trimmed, expected / 1e3, rtol=1e-6)


@pytest.mark.parametrize("size", [0, 1, 2, 79, 80, 81, 5_000])
def test_silence_is_kept(size):
    silence = np.zeros(size, "float32")
    assert (TRIM[8_000](silence, 40.0).numpy() == silence).all()


def test_what_is_within_stays():
    waveform = np.float32(np.concatenate([np.zeros(900), [1], np.zeros(4_000), [-1]]))
    trimmed = TRIM[8_000](waveform, 40.0).numpy()
    # Around 880 stands the first of the frames, of 200 samples, that sees the first sample.
    np.testing.assert_array_equal(trimmed, waveform[880:])
