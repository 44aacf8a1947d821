"""`Vocoding`: what its target is, what of it is learned, and what comes out."""

import io
import wave

import keras
import numpy as np
import pytest
import tensorflow as tf

import mmkeras as mm
from mmkeras.contracts.task import Layout
from mmkeras.encoders import LogMelFrames
from mmkeras.fusions import Late
from mmkeras.layers import ShortTimeFourier, VocoderSize
from mmkeras.modalities import Audio
from mmkeras.tasks import Vocoding

AUDIO = Audio(sample_rate=8_000, seconds=0.5)
TASK = Vocoding(
    AUDIO, num_mels=20, frame_s=0.025, hop_s=0.01, vocoder=VocoderSize(24, 2, iterations=4)
)
RNG = np.random.default_rng(0)


def made():
    keras.utils.set_random_seed(0)
    return mm.MultimodalModel(
        {"speech": AUDIO},
        {"sound": TASK},
        encoders={"speech": LogMelFrames(**TASK.spectrogram)},
        fusion=Late(20),
    )


def tones():
    """Gliding voices."""
    time = np.arange(3_600) / 8_000
    for start, glide in ((140, 80), (180, -60), (220, 30)):
        phase = 2 * np.pi * (start * time + glide * time**2)
        yield sum(0.06 * np.cos(k * phase) for k in range(1, 14)).astype("float32")


def test_the_target_is_the_waveform_as_augmented():
    waveform = RNG.normal(size=4_000).astype("float32")
    inputs = {"speech": {"waveform": tf.constant(waveform), "length": tf.constant(4_000)}}
    same, target = TASK.prepare(inputs, TASK.target(tf.constant("")), tf.constant([0, 0]))
    assert same is inputs
    np.testing.assert_array_equal(target, waveform)


def test_the_truth_has_no_loss():
    waveform = RNG.normal(size=(1, 4_000)).astype("float32")
    waveform[:, 3_000:] = 0
    fourier = ShortTimeFourier(200, 80)
    frames = 40
    padded = np.pad(waveform, [[0, 0], [0, 400]])[:, : fourier.num_samples(frames)]
    real, imaginary = map(np.array, fourier.spectrum(padded))
    middle = 2 * np.pi * np.arange(fourier.bins) * 80 / 256
    turn = np.diff(np.angle(real + 1j * imaginary), axis=1) - middle
    outputs = {
        "num_frames": np.array([38.0]),
        "log_magnitude": np.log(np.hypot(real, imaginary) + 1e-9),
        "turn": np.pad(turn, [[0, 0], [1, 0], [0, 0]]).astype("float32"),
    }
    assert float(TASK.loss(waveform, outputs)[0]) < 1e-3
    assert float(TASK.loss(waveform, outputs | {"turn": -outputs["turn"]})[0]) > 0.1


def test_a_trained_vocoder_is_truer_than_an_untrained_one():
    model = made()
    data = mm.sources.Table([{"speech": tone} for tone in tones()])
    batches = model.pipeline(data, batch_size=3, augment=False).repeat(120)
    fourier = ShortTimeFourier(200, 80)

    def distance():
        far = []
        for tone in tones():
            answer = model.answer({"speech": tone})["sound"]
            with wave.open(io.BytesIO(answer["speech"])) as file:
                said = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 2**15
            assert len(said) == len(tone) == round(answer["seconds"] * 8_000)
            spectra = [
                np.hypot(*map(np.array, fourier.spectrum(sound[None, :3_560].astype("float32"))))
                for sound in (tone, said)
            ]
            far.append(np.linalg.norm(spectra[0] - spectra[1]) / np.linalg.norm(spectra[0]))
        return np.mean(far)

    before = distance()
    model.compile(keras.optimizers.Adam(5e-3))
    model.fit(batches, shuffle=False, verbose=0)
    assert distance() < 0.7 * before


def test_what_leaves_a_device_is_in_the_files():
    model = made()
    waveform = np.stack([np.pad(tone, (0, 400)) for tone in tones()])
    inputs = {"speech_waveform": waveform, "speech_length": np.array([3_600, 800, 1])}
    outputs = model(inputs)["sound"]
    concluded, files = TASK.conclude(outputs), TASK.decode(outputs)
    assert np.array(concluded["length"]).tolist() == [3_600, 800, 80]
    for said, length, file in zip(
        np.array(concluded["waveform"]), concluded["length"], files["speech"].numpy()
    ):
        with wave.open(io.BytesIO(file)) as sound:
            samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2") / 2**15
        np.testing.assert_allclose(samples, said[: int(length)], atol=2**-14)
        assert not said[int(length) :].any()


def test_other_steps_and_numbers_are_refused():
    with pytest.raises(ValueError, match=r"a frame every 80 samples, .* steps of 320; pass"):
        TASK.head("sound", {"speech": Layout(step_s=0.04)})
    with pytest.raises(ValueError, match="num_mels must be at least 1; got 0"):
        Vocoding(AUDIO, num_mels=0)
    with pytest.raises(ValueError, match="hop_length must be 1 to frame_length - 1"):
        Vocoding(AUDIO, frame_s=0.01, hop_s=0.01)
