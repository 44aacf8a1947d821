"""Recordings that are held out, made again from their spectrograms: the vocoder and Griffin-Lim.

    mmkeras train emoji_vocoder --out runs/vocoder
    CUDA_VISIBLE_DEVICES= python benchmarks/vocoders.py runs/vocoder/model.keras

Beside the recording: the mean difference of its log-mel energies, mel-cepstral distortion, and the
spectral convergence of its magnitudes, which are finer than the mel bands; and how many names
`pocketsphinx` takes for another name, of those whose words are all in its dictionary. It is wrong
more often on eSpeak NG's recordings, whose pauses are without any sound, than on copies that have a
little noise there. Needs `pip install pocketsphinx`. The table goes to
`benchmarks/results/vocoders.md`.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import contest
import keras
import numpy as np
import tensorflow as tf
from speech_synthesis import confused, dictionary

from mmkeras.layers import GriffinLim, LogMelSpectrogram
from mmkeras.metrics.speech import mel_cepstral_distortion
from mmkeras.recipes import emoji_vocoder
from mmkeras.sound import wav

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measures, and writes the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--samples", type=int, default=192)
    given = parser.parse_args()
    model: Any = keras.saving.load_model(given.model)
    vocoder = model.get_layer("sound").vocoder
    spectrogram = model.tasks["sound"].spectrogram
    fourier, mel = vocoder.fourier, LogMelSpectrogram(**spectrogram)
    test = emoji_vocoder.sources()["test"]
    texts, recordings = (
        list(test.column(name, bytes).take(given.samples).as_numpy_iterator())
        for name in ("text", "speech")
    )
    names = [text.decode() for text in texts]
    words = dictionary()
    known = [i for i, name in enumerate(names) if set(name.split()) <= words]
    waveforms = [wav.decode(tf.constant(recording))[0].numpy() for recording in recordings]
    # All of a recording is seen: a frame begins at every hop.
    waveforms = [np.pad(w, (0, -len(w) % fourier.hop_length)) for w in waveforms]
    frames = [mel.of_recordings(w[None], np.array([len(w)]))[0] for w in waveforms]
    makers: dict[str, Any] = {"the recording itself": None}
    for iterations in (32, 100):
        griffin_lim = GriffinLim(**spectrogram, iterations=iterations)
        makers[f"Griffin-Lim, {iterations} rounds"] = griffin_lim
    for iterations in (4, 8, 16, 32):
        copy = type(vocoder).from_config(vocoder.get_config() | {"iterations": iterations})
        copy.build((None, None, spectrogram["num_mels"]))
        copy.set_weights(vocoder.get_weights())
        makers[f"Vocoder, {iterations} rounds"] = copy
    lines = [
        contest.machine(2, "tensorflow", "keras", "pocketsphinx"),
        "",
        f"{len(names)} names that are held out, by two voices.",
        "",
        "| | log-mel L1 | MCD (dB) | spectral convergence | CPU time by that of the speech | "
        f"pocketsphinx, word error rate on {len(known)} names |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for who, maker in makers.items():
        made, spent = waveforms, 0.0
        if maker is not None:
            run = tf.function(
                maker,
                input_signature=[tf.TensorSpec([1, None, spectrogram["num_mels"]])],
                autograph=False,
            )
            run(frames[0])
            spent = time.process_time()
            made = [run(each).numpy()[0, : len(w)] for each, w in zip(frames, waveforms)]
            spent = time.process_time() - spent
        spent *= spectrogram["sample_rate"] / sum(map(len, waveforms))
        distances, distortions, convergences = [], [], []
        for true, log_mel, sound in zip(waveforms, frames, made):
            again = np.array(mel.of_recordings(sound[None], np.array([len(sound)]))[0])[0]
            distances.append(np.abs(again - log_mel[0]).mean())
            distortions.append(mel_cepstral_distortion(again, np.array(log_mel)[0])[0])
            size = fourier.num_samples((len(true) - fourier.frame_length) // fourier.hop_length + 1)
            spectra = [
                np.hypot(*map(np.array, fourier.spectrum(each[None, :size])))
                for each in (true, sound)
            ]
            far = np.linalg.norm(spectra[0] - spectra[1]) / np.linalg.norm(spectra[0])
            convergences.append(far)
        clipped = [np.clip(sound, -1, 1).astype("<f4") for sound in made]
        files = [wav.encode(sound, spectrogram["sample_rate"]) for sound in clipped]
        wrong = confused([files[i] for i in known], [names[i] for i in known])
        measures = " | ".join(
            f"{value:.3f}"
            for value in (*map(np.mean, (distances, distortions, convergences)), spent, wrong)
        )
        lines.append(f"| {who} | {measures} |")
        print(lines[-1], flush=True)
    (RESULTS / "vocoders.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
