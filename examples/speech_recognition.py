"""Speech recognition: from recordings and transcripts to a stream that is written down.

    python examples/speech_recognition.py

Learns to write down the names of emoji, spoken by many voices, measures it on voices and names that
are held out, listens to a recording as if it were being spoken, and hands the exported model a WAV
file in plain TensorFlow. Takes about an hour on 2 cores; `main(epochs=1, config="tiny")` shows the
way in a minute. For recordings of your own, in a table with their paths and what is said in them:

    train = mm.sources.Table("recordings.csv")  # columns: speech, text
"""

import tempfile
from pathlib import Path

import tensorflow as tf

import mmkeras as mm
from mmkeras.recipes import emoji_speech
from mmkeras.sound import wav
from mmkeras.transcription import Listener, transcribe


def main(epochs: int = 11, config: str = "full") -> None:
    """The whole way."""
    folder = Path(tempfile.mkdtemp())
    spoken = mm.datasets.prepare_emoji_speech(config=config)
    parts = ("train", "validation", "test_voice", "test", "test_accent")
    sources = {part: mm.sources.TFDS(spoken, part) for part in parts}
    recipe = emoji_speech.recipe.replace(sources=lambda: sources, epochs=epochs)
    model = mm.training.train(recipe, folder / "run").model

    for part in ("test_voice", "test", "test_accent"):
        scores = mm.evaluation.evaluate_scores(model, sources[part])["text"]
        print(f"{part}: CER {scores['cer']:.3f}, WER {scores['wer']:.3f}")

    recording = next(iter(sources["test"].column("speech", bytes))).numpy()
    for word in model.answer({"speech": recording})["text"]["words"]:
        print(f"{word['start_s']:5.2f} s to {word['end_s']:.2f} s: {word['text']}")

    listener = Listener(model)
    waveform = wav.decode(tf.constant(recording))[0].numpy()
    for start in range(0, len(waveform), 4_000):
        heard = listener.hear(waveform[start : start + 4_000])["text"]
        print(f"after {min(start + 4_000, len(waveform)) / 16_000:.2f} s: {heard!r}")
    print("at the end:", repr(listener.finish()["text"]))
    print("in windows:", repr(transcribe(model, recording)["text"]))

    print(mm.export.saved_model(model, folder / "names" / "1", samples=[{"speech": recording}]))
    served = tf.saved_model.load(str(folder / "names" / "1")).signatures["serving_default"]
    print("served:", served(speech=tf.constant([recording]))["text_text"].numpy()[0].decode())


if __name__ == "__main__":
    main()
