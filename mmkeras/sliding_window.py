"""`segment_large`: pictures much larger than a model sees, window by window."""

import itertools
from typing import Any

import numpy as np
import tensorflow as tf

from mmkeras.class_map import colours, write_mask
from mmkeras.modalities import Image
from mmkeras.model import MultimodalModel
from mmkeras.tasks import SemanticSegmentation


def segment_large(
    model: MultimodalModel,
    picture: Any,
    window: int | tuple[int, int] | None = None,
    overlap: float = 0.25,
    batch_size: int = 8,
) -> dict[str, dict[str, Any]]:
    """Segments a picture in windows that overlap, each answered as a picture of its own.

    Where windows overlap, their probabilities are averaged, those near the middle of a window
    counting more than those near its edge.

    Args:
        model: of one field, an `Image`, with tasks `SemanticSegmentation` alone.
        picture: as `model.answer` takes it, but for a path: encoded bytes or an array.
        window: pixels of the side of a window, or (height, width); those that the model sees if
            None, so that nothing is made smaller.
        overlap: the least share that neighbours have in common, in [0, 1).
        batch_size: windows in one forward pass.

    Returns:
        For each task what `model.answer` gives: `mask` uint8 [h, w], `png` and `shares`.

    Raises:
        ValueError: the model has other fields or tasks, or `overlap` is out of its range.
    """
    if not 0 <= overlap < 1:
        raise ValueError(f"overlap must be in [0, 1), such as 0.25; got {overlap}.")
    ((field, image), *others) = model.fields.items()
    fits = isinstance(image, Image) and not others
    if not fits or not all(isinstance(t, SemanticSegmentation) for t in model.tasks.values()):
        raise ValueError(
            "segment_large needs a model of one field, an Image, with tasks SemanticSegmentation "
            f"alone; this one has fields {dict(model.fields)} and tasks {model.tasks}."
        )
    pixels = image.picture(image.encode(picture))
    if window is None:
        window = (image.height, image.width)
    sides = window if isinstance(window, tuple) else (window, window)
    starts = [_starts(*pair, overlap) for pair in zip(pixels.shape[:2], sides)]
    corners = list(itertools.product(*starts))
    sums = {
        name: np.zeros((*pixels.shape[:2], len(task.classes)), "float32")
        for name, task in model.tasks.items()
    }
    for begin in range(0, len(corners), batch_size):
        places = [
            np.s_[y : y + sides[0], x : x + sides[1]]
            for y, x in corners[begin : begin + batch_size]
        ]
        raw = tf.constant([image.encode(pixels[place]) for place in places])
        tensors = model.fields.preprocess_batch({field: raw}, origins=[field])
        outputs = model.predict_on_batch({name: tensors[name] for name in model.fields.specs()})
        origins = model.fields.origins_in(tensors, [field])[field]
        for (name, task), (i, place) in itertools.product(model.tasks.items(), enumerate(places)):
            logits = task.enlarged(  # type: ignore[attr-defined]
                outputs[name]["logits"][i], origins["size"][i], origins["view"][i]
            )
            near = _nearness(*logits.shape[:2])[..., None]
            sums[name][place] += near * tf.nn.softmax(logits).numpy()
    answers = {}
    for name, task in model.tasks.items():
        mask = sums[name].argmax(axis=-1).astype("uint8")
        shares = np.bincount(mask.ravel(), minlength=len(task.classes)) / mask.size
        png = write_mask(tf.constant(mask), colours(len(task.classes))).numpy()
        answers[name] = task.read({"png": png, "shares": shares.tolist()})
    return answers


def _starts(length: int, side: int, overlap: float) -> list[int]:
    """Where windows begin so that they cover a length evenly."""
    if length <= side:
        return [0]
    steps = int(np.ceil((length - side) / max(side * (1 - overlap), 1)))
    return [round(i * (length - side) / steps) for i in range(steps + 1)]


def _nearness(height: int, width: int) -> np.ndarray:
    """float32 [h, w]: 1 in the middle, little at the edge."""
    rows, columns = (1 - np.abs((np.arange(n) + 0.5) / n * 2 - 1) * 0.99 for n in (height, width))
    return (rows[:, None] * columns).astype("float32")
