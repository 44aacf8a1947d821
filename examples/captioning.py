"""Captions: from pictures with a text about each to a served model that writes what it sees.

    python examples/captioning.py

Learns to say which emoji stand where, in the arrangements of the embedded dataset, measures how
many captions of new arrangements are right to the word, draws a sheet of pictures with what it says
of them, and asks the exported model in plain TensorFlow. Takes a quarter of an hour on 2 cores;
`main(epochs=1, config="tiny")` shows the way in a minute. For pictures of your own, in a table:

    train = mm.sources.Table("pictures.csv")  # columns: image, caption
"""

import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

import mmkeras as mm
from mmkeras.drawing import sheet
from mmkeras.recipes import emoji_captions


def main(epochs: int = emoji_captions.recipe.epochs, config: str = "full") -> Path:
    """The whole way; the path of the sheet."""
    folder = Path(tempfile.mkdtemp())
    parts = emoji_captions.sources(config)
    recipe = emoji_captions.recipe.replace(sources=lambda: parts, epochs=epochs)
    model = mm.training.train(recipe, folder / "run").model

    scores = mm.evaluation.evaluate_scores(model, parts["test"])["caption"]
    print(", ".join(f"{name} {value:.3f}" for name, value in scores.items()))

    samples = list(_columns(parts["test"], "image", "caption").take(12).as_numpy_iterator())
    said = model.answer([{"image": sample["image"]} for sample in samples])
    texts = [answer["caption"]["text"] for answer in said]
    drawn = folder / "captions.png"
    Image.fromarray(
        sheet(
            [_large(sample["image"]) for sample in samples],
            columns=4,
            captions=[
                f"✓ {text}"
                if text == (right := sample["caption"].decode())
                else f"✗ {text} ({right})"
                for text, sample in zip(texts, samples)
            ],
        )
    ).save(drawn)
    print("drawn:", drawn)

    picture = {"image": samples[0]["image"]}
    model.set_task("caption", search=mm.decoding.Beams(4))
    print("by beams:", model.answer(picture)["caption"])
    print(mm.export.saved_model(model, folder / "captions" / "1", samples=[picture]))
    served = tf.saved_model.load(str(folder / "captions" / "1")).signatures["serving_default"]
    answer = served(image=tf.constant([picture["image"]]))
    print("served:", answer["caption_text"].numpy()[0].decode())
    return drawn


def _columns(source: mm.contracts.Source, *names: str) -> tf.data.Dataset:
    """Dicts of raw values."""
    return source.rows(dict.fromkeys(names, str.encode)).map(lambda _, row: source.load(row))


def _large(png: bytes) -> np.ndarray:
    """uint8 [H, W, 3], four times as large."""
    return tf.io.decode_png(png, channels=3).numpy().repeat(4, 0).repeat(4, 1)


if __name__ == "__main__":
    main()
