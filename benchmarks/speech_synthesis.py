"""How near a trained voice comes to its model, whether others understand it, and how fast it is.

    mmkeras train emoji_voices --out runs/voices
    mmkeras train emoji_speech --out runs/names
    CUDA_VISIBLE_DEVICES= python benchmarks/speech_synthesis.py runs/voices/model.keras \\
        --recogniser runs/names/model.keras

Of the names that are held out: mel-cepstral distortion, pitch and duration beside eSpeak NG's own
rendering; the word error rate of our recogniser on both, if one is named; and how many names
`pocketsphinx`, which knows nothing of either, takes for another name, of those whose words are all
in its dictionary: as they are, and with a little noise. Pauses of eSpeak NG are without any sound,
which no microphone gives, and confuses pocketsphinx. Needs `pip install pocketsphinx`. The table
goes to `benchmarks/results/speech_synthesis.md`, and spectrograms of five names beside their
references to `benchmarks/results/speech_synthesis.png`.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import contest
import keras
import numpy as np
import pocketsphinx
import tensorflow as tf

from mmkeras.drawing import sheet
from mmkeras.metrics.error_rate import error_rate
from mmkeras.recipes import emoji_voices
from mmkeras.sound import wav

RESULTS = Path(__file__).parent / "results"
#: The deviation of a little noise, of the loudest that there is: 70 dB below it.
NOISE = 3e-4


def dictionary() -> set[str]:
    """The words that pocketsphinx can pronounce."""
    lines = (Path(pocketsphinx.get_model_path()) / "en-us" / "cmudict-en-us.dict").read_text()
    return {line.split()[0] for line in lines.splitlines() if line.strip()}


def confused(recordings: list[bytes], names: list[str], noise: float = 0.0) -> float:
    """The word error rate of pocketsphinx, which may hear these names alone.

    Args:
        recordings: WAV files of 16 kHz.
        names: what is said in each.
        noise: the deviation of white noise that is added.
    """
    chance = np.random.default_rng(0)
    grammar = "#JSGF V1.0;\ngrammar names;\npublic <name> = " + " | ".join(sorted({*names})) + ";\n"
    path = Path(tempfile.mkdtemp()) / "names.gram"
    path.write_text(grammar)
    decoder = pocketsphinx.Decoder(samprate=16_000, jsgf=str(path), loglevel="FATAL")
    heard = []
    for recording in recordings:
        waveform, _ = wav.decode(tf.constant(recording))
        samples = np.pad(waveform.numpy(), 3_200)
        samples = np.clip(samples + chance.normal(0, noise, len(samples)), -1, 1)
        samples = (samples * 32_767).astype("<i2")
        decoder.start_utt()
        decoder.process_raw(samples.tobytes(), full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        heard.append(found.hypstr if found else "")
    return error_rate(names, heard, "words").rate


def main() -> None:
    """Measures, and writes the table and the picture."""
    parser = argparse.ArgumentParser()
    parser.add_argument("voices", type=Path)
    parser.add_argument("--recogniser", type=Path)
    given = parser.parse_args()
    voices: Any = keras.saving.load_model(given.voices)
    ears: Any = given.recogniser and keras.saving.load_model(given.recogniser)
    test = emoji_voices.sources()["test"]
    columns = {
        name: list(test.column(name, bytes).as_numpy_iterator())
        for name in ("text", "voice", "speech")
    }
    names = [text.decode() for text in columns["text"]]
    samples = [
        {"text": name, "voice": voice.decode()}
        for name, voice in zip(names, columns["voice"], strict=True)
    ]
    voices.answer(samples[:32])
    start, spent = time.perf_counter(), time.process_time()
    answers = [answer["speech"] for answer in voices.answer(samples)]
    wall, cpu = time.perf_counter() - start, time.process_time() - spent
    seconds = sum(answer["seconds"] for answer in answers)
    scores = voices.tasks["speech"].scores(answers, columns["speech"])

    spoken = {"eSpeak NG": columns["speech"], "mmkeras": [a["speech"] for a in answers]}
    words = dictionary()
    known = [i for i, name in enumerate(names) if set(name.split()) <= words]
    lines = [
        contest.machine(2, "tensorflow", "keras", "jiwer", "pocketsphinx"),
        "",
        f"{len(names)} names that are held out, by two voices. Mel-cepstral distortion "
        f"{scores['mcd_db']:.2f} dB, pitch {scores['f0_cents']:.0f} cents (root mean square), "
        f"voicing {scores['voicing_error']:.3f} of the frames, duration "
        f"{scores['duration_ratio']:.3f} of eSpeak NG's. {seconds / wall:.1f} times real time by "
        f"the clock, {seconds / cpu:.1f} by CPU time, Griffin-Lim included.",
        "",
        f"| word error rate | our recogniser | pocketsphinx, {len(known)} names | "
        "with a little noise |",
        "|---|--:|--:|--:|",
    ]
    for who, recordings in spoken.items():
        ours = "-"
        if ears is not None:
            heard = ears.answer([{"speech": recording} for recording in recordings])
            texts = [answer["text"]["text"] for answer in heard]
            ours = f"{error_rate(names, texts, 'words').rate:.3f}"
        asked = [recordings[i] for i in known], [names[i] for i in known]
        theirs = [f"{confused(*asked, noise):.3f}" for noise in (0.0, NOISE)]
        lines.append(f"| {who} | {ours} | {' | '.join(theirs)} |")
        print(lines[-1], flush=True)
    (RESULTS / "speech_synthesis.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))

    pictures = [
        voices.tasks["speech"].files(answers[i], columns["speech"][i])["png"] for i in range(5)
    ]
    picture = tf.io.encode_png(sheet(pictures, 1, names[:5]))
    (RESULTS / "speech_synthesis.png").write_bytes(picture.numpy())


if __name__ == "__main__":
    main()
