"""From a table to a served model: texts, pictures and recordings of one's own.

    python examples/table_to_served_model.py

Makes a small table with two files for each row, as a user would have it, trains on it, answers with
a field missing, exports, and asks the exported model in plain TensorFlow. Takes about a minute.
"""

import csv
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import mmkeras as mm


def make_table(folder: Path, rows: int = 80) -> Path:
    """A table in which colour, pitch and wording tell a warm sample from a cold one."""
    chance = np.random.default_rng(0)
    words = {"warm": ["sun", "fire", "red"], "cold": ["snow", "ice", "blue"]}
    with (folder / "weather.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["note", "photo", "sound", "feels"])
        for i in range(rows):
            feels = ("warm", "cold")[i % 2]
            colour = np.array([220, 60, 30] if feels == "warm" else [30, 60, 220])
            picture = chance.normal(colour, 40, (24, 24, 3)).clip(0, 255).astype("uint8")
            (folder / f"{i}.png").write_bytes(tf.io.encode_png(picture).numpy())
            hertz = 300 if feels == "warm" else 900
            wave = np.sin(2 * np.pi * hertz * np.arange(4000) / 8000) * 0.5
            noisy = (wave + chance.normal(0, 0.1, 4000)).astype("float32")
            (folder / f"{i}.wav").write_bytes(tf.audio.encode_wav(noisy[:, None], 8000).numpy())
            note = f"much {chance.choice(words[feels])} today"
            table.writerow([note, f"{i}.png", f"{i}.wav", feels])
    return folder / "weather.csv"


def main() -> None:
    """The whole way."""
    folder = Path(tempfile.mkdtemp())
    data = mm.sources.Table(make_table(folder))
    train, test = data.split(test=0.25, seed=0)
    model = mm.MultimodalModel(
        fields={
            "note": mm.Text.adapt(train, "note", vocabulary_size=200, max_length=8),
            "photo": mm.Image(size=16),
            "sound": mm.Audio(sample_rate=8_000, seconds=0.5),
        },
        tasks={"feels": mm.Classification(["warm", "cold"])},
        size="tiny",
        modality_dropout=0.3,
    )
    model.compile(optimizer=keras.optimizers.AdamW(3e-3))
    model.fit(
        model.pipeline(train, batch_size=16, shuffle=True),
        epochs=15,
        shuffle=False,
        verbose=0,
    )
    for subset, metrics in mm.evaluation.evaluate_subsets(model, test).items():
        print(f"{' + '.join(subset):22} {metrics['feels_accuracy']:.2f}")
    print(model.answer({"note": "much ice today"})["feels"])

    print(mm.export.saved_model(model, folder / "weather" / "1"))
    print(mm.export.litert(model, folder / "weather" / "weather.tflite"))
    served = tf.saved_model.load(str(folder / "weather" / "1")).signatures["serving_default"]
    photo = (folder / "0.png").read_bytes()
    answer = served(note=tf.constant([""]), photo=tf.constant([photo]), sound=tf.constant([b""]))
    print("served:", answer["feels_label"].numpy())


if __name__ == "__main__":
    main()
