"""How well a recogniser of the embedded speech hears, how fast, and what a language model changes.

    mmkeras train emoji_speech --out runs/emoji_speech
    CUDA_VISIBLE_DEVICES= python benchmarks/speech_recognition.py runs/emoji_speech/model.keras

Error rates are those of `jiwer`. The weight of the language model and the bonus are the best of a
few for the validation samples; the other splits are measured once. Speed is how much longer
recordings last than decoding takes, by the clock and by CPU time; the stream is heard in pieces of
0.16 s. The table goes to `benchmarks/results/speech_recognition.md`.
"""

import argparse
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import contest
import keras
import tensorflow as tf

from mmkeras.evaluation import evaluate_scores
from mmkeras.metrics.error_rate import error_rate
from mmkeras.recipes import emoji_speech
from mmkeras.sound import wav
from mmkeras.transcription import Listener

PARTS = ("test_voice", "test", "test_accent")
WEIGHTS = ((0.3, 0.3), (0.5, 0.5), (0.7, 0.7), (0.7, 1.2), (0.9, 0.9), (0.9, 1.5))
RESULTS = Path(__file__).parent / "results" / "speech_recognition.md"


def heard(model: Any, source: Any) -> dict[str, float]:
    """CER and WER of a split."""
    return evaluate_scores(model, source)["text"]


def tuned(model: Any, validation: Any) -> tuple[float, float]:
    """The weight of the language model and the bonus that make the fewest errors; and sets them."""
    beams = model.tasks["text"].beams
    found = {}
    for weight, bonus in WEIGHTS:
        changed = dataclasses.replace(beams, lm_weight=weight, insertion_bonus=bonus)
        model.set_task("text", beams=changed)
        found[weight, bonus] = heard(model, validation)["cer"]
    best = min(found, key=lambda pair: found[pair])
    model.set_task(
        "text", beams=dataclasses.replace(beams, lm_weight=best[0], insertion_bonus=best[1])
    )
    print("validation CER by weight and bonus:", found, flush=True)
    return best


def by_speaker(voices: list[str], texts: list[str], answers: list[Any]) -> list[str]:
    """Rows of a table: CER and WER of each speaker."""
    pairs: dict[str, list[tuple[str, str]]] = {}
    for voice, text, answer in zip(voices, texts, answers, strict=True):
        pairs.setdefault(voice.split("+")[1], []).append((text, answer["text"]["text"]))
    rows = []
    for speaker, some in sorted(pairs.items()):
        rates = [
            error_rate(*map(list, zip(*some, strict=True)), unit).rate
            for unit in ("characters", "words")
        ]
        rows.append(f"| {speaker} | {len(some)} | {rates[0]:.3f} | {rates[1]:.3f} |")
    return rows


def unseen_words(texts: list[str], answers: list[Any], known: set[str]) -> tuple[int, float]:
    """How many words were never said in training, and the WER of the texts that hold one."""
    pairs = [
        (text, answer["text"]["text"])
        for text, answer in zip(texts, answers, strict=True)
        if set(text.split()) - known
    ]
    count = sum(word not in known for text in texts for word in text.split())
    return count, error_rate(*map(list, zip(*pairs, strict=True)), "words").rate


def speed(model: Any, recordings: list[bytes]) -> tuple[float, float]:
    """Seconds of recordings in a second, by the clock and by CPU time; all at once."""
    samples = [{"speech": recording} for recording in recordings]
    seconds = sum((len(recording) - 44) / 32_000 for recording in recordings)
    for _ in range(2):  # the first time it is traced
        start, spent = time.perf_counter(), time.process_time()
        model.answer(samples)
    return seconds / (time.perf_counter() - start), seconds / (time.process_time() - spent)


def stream(model: Any, recordings: list[bytes]) -> tuple[float, float, int]:
    """The same of a stream, and how many of its texts equal those of whole recordings."""
    listener = Listener(model)
    waveforms = [wav.decode(tf.constant(recording))[0].numpy() for recording in recordings]
    expected = [model.answer({"speech": recording})["text"]["text"] for recording in recordings]

    def texts() -> Iterator[str]:
        for waveform in waveforms:
            for begin in range(0, len(waveform), 2_560):
                listener.hear(waveform[begin : begin + 2_560])
            yield listener.finish()["text"]

    list(texts())
    start, spent = time.perf_counter(), time.process_time()
    same = sum(one == other for one, other in zip(texts(), expected, strict=True))
    wall, cpu = time.perf_counter() - start, time.process_time() - spent
    seconds = sum(map(len, waveforms)) / 16_000
    return seconds / wall, seconds / cpu, same


def main() -> None:
    """Measures and writes the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    model: Any = keras.saving.load_model(parser.parse_args().model)
    sources = emoji_speech.sources()
    columns = {
        part: [text.decode() for text in source.column("text", bytes).as_numpy_iterator()]
        for part, source in sources.items()
    }
    known = {word for text in columns["train"] for word in text.split()}
    weight, bonus = tuned(model, sources["validation"])
    beams = model.tasks["text"].beams
    lines = [
        contest.machine(2, "tensorflow", "keras", "jiwer"),
        "",
        f"Language model: order {beams.language_model.order}, {beams.num_beams} beams, weight "
        f"{weight}, bonus {bonus}.",
        "",
        "| split | CER | WER | CER, language model | WER, language model |",
        "|---|--:|--:|--:|--:|",
    ]
    for part in PARTS:
        model.set_task("text", beams=None)
        alone = heard(model, sources[part])
        model.set_task("text", beams=beams)
        both = heard(model, sources[part])
        row = (alone["cer"], alone["wer"], both["cer"], both["wer"])
        lines.append(f"| `{part}` | " + " | ".join(f"{value:.3f}" for value in row) + " |")
        print(lines[-1], flush=True)

    for part in PARTS[:2]:
        recordings = list(sources[part].column("speech", bytes).as_numpy_iterator())
        voices = [v.decode() for v in sources[part].column("voice", bytes).as_numpy_iterator()]
        answers = model.answer([{"speech": recording} for recording in recordings])
        lines += ["", f"| `{part}`, language model | recordings | CER | WER |", "|---|--:|--:|--:|"]
        lines += by_speaker(voices, columns[part], answers)
    count, rate = unseen_words(columns["test"], answers, known)
    total = sum(len(text.split()) for text in columns["test"])
    lines += [
        "",
        f"Of {total} words of `test`, {count} were never said in training; WER of the names that "
        f"hold one, with the language model: {rate:.3f}.",
        "",
        "| speed, times real time | by the clock | by CPU time |",
        "|---|--:|--:|",
    ]
    for says, options in (("likeliest pieces", None), ("beams and language model", beams)):
        model.set_task("text", beams=options)
        clock, spent = speed(model, recordings[:128])
        lines.append(f"| whole recordings, {says} | {clock:.1f} | {spent:.1f} |")
    model.set_task("text", beams=None)
    clock, spent, same = stream(model, recordings[:48])
    says = f"stream, likeliest pieces ({same} of 48 texts equal)"
    lines.append(f"| {says} | {clock:.1f} | {spent:.1f} |")
    RESULTS.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
