"""Speech synthesis: from texts and recordings to a served model that speaks.

    python examples/speech_synthesis.py

Learns to say the names of emoji in two voices, says names that it never heard, faster and higher
on request, draws their spectrograms beside those of the voices it learned from, and lets the
exported model write a WAV file in plain TensorFlow. `main(epochs=1, config="tiny")` shows the way
in a minute. For recordings of your own, in a table with what is said and where it is recorded:

    train = mm.sources.Table("recordings.csv")  # columns: text, voice, speech
"""

import tempfile
from pathlib import Path

import tensorflow as tf

import mmkeras as mm
from mmkeras.recipes import emoji_voices


def main(epochs: int = 9, config: str = "two_voices") -> None:
    """The whole way."""
    folder = Path(tempfile.mkdtemp())
    spoken = mm.datasets.prepare_emoji_speech(config=config)
    sources = {part: mm.sources.TFDS(spoken, part) for part in ("train", "validation", "test")}
    recipe = emoji_voices.recipe.replace(sources=lambda: sources, epochs=epochs)
    model = mm.training.train(recipe, folder / "run").model

    scores = mm.evaluation.evaluate_scores(model, sources["test"])["speech"]
    print("  ".join(f"{name} {value:.2f}" for name, value in scores.items()))

    text, voice, speech = (
        next(iter(sources["test"].column(column, bytes))).numpy()
        for column in ("text", "voice", "speech")
    )
    sample = {"text": text.decode(), "voice": voice.decode()}
    answer = model.answer(sample)["speech"]
    for suffix, content in model.tasks["speech"].files(answer, speech).items():
        path = folder / f"{sample['text']}.{suffix}"
        if suffix == "png":
            content = tf.io.encode_png(content).numpy()
        path.write_bytes(content)
        print("See", path)

    # A third faster, and a quarter of an octave higher.
    control = {"speech": {"control": (1.33, 0.25, 0.0)}}
    faster = model.answer(sample, hints=control)["speech"]
    print(f"{answer['seconds']:.2f} s, faster {faster['seconds']:.2f} s")

    print(mm.export.saved_model(model, folder / "voices" / "1", samples=[sample]))
    served = tf.saved_model.load(str(folder / "voices" / "1")).signatures["serving_default"]
    made = served(**{name: tf.constant([value]) for name, value in sample.items()})
    (folder / "served.wav").write_bytes(made["speech_speech"].numpy()[0])
    print("served:", folder / "served.wav")


if __name__ == "__main__":
    main()
