"""Search across modalities: what is written, said and drawn in one space.

    python examples/retrieval.py

Learns from rows alone which name, recording and drawing of the embedded emoji belong together.
Measures on emoji that training does not show how well each is found by each other, tells their
categories by a few words about these, which no training named, and draws a sheet of searches: what
is looked for, and the best five of the test, the right one marked. Takes half an hour of CPU time;
`main(epochs=1, config="tiny")` shows the way in a few minutes. For a collection of your own:

    train = mm.sources.Table("photos.csv")  # columns: photo, caption
"""

import itertools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

import mmkeras as mm
from mmkeras.drawing import draw_spectrograms, sheet
from mmkeras.layers import LogMelSpectrogram
from mmkeras.recipes import emoji_retrieval
from mmkeras.retrieval import Index, zero_shot
from mmkeras.sound import wav

#: What is looked for by what, and how a query is asked; a name that was found stands below its
#: drawing.
_SEARCHES = (("name", "image"), ("speech", "image"), ("speech", "name"), ("image", "name"))
_ASKED = {"name": "written", "speech": "said", "image": "drawn"}


def main(epochs: int = emoji_retrieval.recipe.epochs, config: str = "full") -> Path:
    """The whole way; the path of the sheet."""
    parts = emoji_retrieval.sources(config)
    recipe = emoji_retrieval.recipe.replace(sources=lambda: parts, epochs=epochs)
    folder = Path(tempfile.mkdtemp())
    model = mm.training.train(recipe, folder / "run").model

    scores = mm.evaluation.evaluate_scores(model, parts["test"])["space"]
    for way in itertools.permutations(model.fields, 2):
        first, five, rank = (
            scores["_to_".join(way) + f"_{name}"]
            for name in ("recall_at_1", "recall_at_5", "median_rank")
        )
        print(f"{way[1]} by {way[0]}: {first:.3f} first, {five:.3f} in five, median {rank:.0f}")

    test = _samples(parts["test"])
    for field in ("image", "speech"):
        samples = [{field: sample[field]} for sample in test]
        told = zero_shot(model, samples, emoji_retrieval.DESCRIPTIONS, by="name")
        right = [a["label"] == sample["category"].decode() for a, sample in zip(told, test)]
        print(f"category by {field}, never learned: {np.mean(right):.3f} are right")

    path = folder / "searches.png"
    Image.fromarray(searches(model, test)).save(path)
    print("drawn:", path)

    index = Index.of(model, parts["test"], "image")
    index.save(folder / "pictures.npz")
    query = model.embed({"name": "a tree with green leaves"})["name"]
    for hit in Index.load(folder / "pictures.npz").search(query, k=3):
        print(f"{hit.similarity:.2f} {hit.value}: {test[hit.row]['name'].decode()}")
    print(mm.export.saved_model(model, folder / "space" / "1", samples=[{"name": "a tree"}]))
    return path


def searches(model: mm.MultimodalModel, test: list[dict[str, Any]], each: int = 2) -> np.ndarray:
    """A sheet, uint8 [H, W, 3]: a line for each search, what is looked for and the best five.

    Args:
        model: of the recipe.
        test: samples with name, speech and image, as bytes; each is a candidate.
        each: how many searches there are in each direction.
    """
    names = [sample["name"].decode() for sample in test]
    vectors = model.embed([{field: s[field] for field in model.fields} for s in test])
    pictures, captions = [], []
    for query, wanted in _SEARCHES:
        index = Index(vectors[wanted])
        for place in range(0, len(test), -(-len(test) // each)):
            pictures.append(_shown(query, test[place]))
            captions.append(f"{_ASKED[query]}: {names[place]} (its {wanted}?)")
            for hit in index.search(vectors[query][place], k=5):
                right = names[hit.row] == names[place]
                pictures.append(_framed(_drawing(test[hit.row]["image"]), right))
                captions.append(f"{'✓ ' if right else ''}{names[hit.row]}")
    return sheet(pictures, columns=6, captions=captions)


def _samples(source: mm.contracts.Source) -> list[dict[str, Any]]:
    """Raw values."""
    columns = dict.fromkeys(("name", "speech", "image", "category"), str.encode)
    rows: Any = source.rows(columns).map(lambda _, row: source.load(row))
    return list(rows.as_numpy_iterator())


def _shown(field: str, sample: dict[str, Any]) -> np.ndarray:
    """What is looked for, as a picture: a written name is told by its caption alone."""
    if field == "image":
        return _drawing(sample["image"])
    if field == "speech":
        waveform, rate = wav.decode(tf.constant(sample["speech"]))
        # As many frames as fill the column, however long it is.
        hop = max(len(waveform) // 96, 1)
        frames = LogMelSpectrogram(int(rate), frame_length=400, hop_length=hop, num_mels=48)
        return draw_spectrograms({"": np.array(frames(waveform[None])[0])})
    return np.full((192, 192, 3), 255, "uint8")


def _drawing(png: bytes) -> np.ndarray:
    """uint8 [H, W, 3], twice as large, on white."""
    rgba = tf.io.decode_png(png, channels=4).numpy().astype("float32")
    opaque = rgba[..., 3:] / 255
    drawn = rgba[..., :3] * opaque + 255 * (1 - opaque)
    return drawn.round().astype("uint8").repeat(2, 0).repeat(2, 1)


def _framed(picture: np.ndarray, right: bool) -> np.ndarray:
    """In a green frame if it is what was looked for."""
    framed = np.empty((picture.shape[0] + 12, picture.shape[1] + 12, 3), "uint8")
    framed[:] = (0, 150, 60) if right else (255, 255, 255)
    framed[6:-6, 6:-6] = picture
    return framed


if __name__ == "__main__":
    main()
