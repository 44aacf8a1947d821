"""A model for a table of one's own: columns of texts, pictures, recordings and labels.

    mmkeras train --table reviews.csv --text review --image photo --audio voice \
        --classify sentiment --out runs/reviews
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmkeras.contracts import Modality, Source, Task
from mmkeras.encoders import VisionPyramid
from mmkeras.modalities import Audio, Image, Text
from mmkeras.model import MultimodalModel
from mmkeras.sources import Table
from mmkeras.tasks import Classification, ObjectDetection, Regression, TokenClassification
from mmkeras.training import Recipe


def table_recipe(
    path: str | Path,
    text: Sequence[str] = (),
    image: Sequence[str] = (),
    audio: Sequence[str] = (),
    classify: Sequence[str] = (),
    multi_label: Sequence[str] = (),
    regress: Sequence[str] = (),
    tag: Sequence[str] = (),
    detect: Sequence[str] = (),
    size: str = "small",
    modality_dropout: float = 0.0,
    split: Mapping[str, Any] | None = None,
    **options: Any,
) -> Recipe:
    """The recipe of a table; its classes are those of all of its rows, in alphabetical order.

    Args:
        path: the table; see `Table`.
        text: columns that hold texts.
        image: columns that hold paths of pictures.
        audio: columns that hold paths of WAV files.
        classify: columns that hold one class.
        multi_label: columns that hold any number of classes, joined by `|`.
        regress: columns that hold a number.
        tag: columns that hold the entities of the text; see `TokenClassification`. There is one
            column of texts then, whose case is kept.
        detect: columns that hold the objects in the picture; see `ObjectDetection`. There is one
            column of pictures then, which a `VisionPyramid` reads.
        size: `"tiny"`, `"small"` or `"base"`.
        modality_dropout: see `MultimodalModel`.
        split: arguments of `Table.split`.
        **options: further values of the `Recipe`.

    Raises:
        ValueError: no field or no label column is named, several texts with entities,
            or several pictures with objects.
    """
    if not (text or image or audio):
        raise ValueError("name at least one column of texts, pictures or recordings.")
    if not (classify or multi_label or regress or tag or detect):
        raise ValueError(
            "name at least one column to learn: to classify, to tag, to detect or to regress."
        )
    if detect and len(image) != 1:
        raise ValueError(
            f"detect needs one column of pictures that its objects are in; got {[*image]}."
        )
    if tag and len(text) != 1:
        raise ValueError(f"tag needs one column of texts that its entities are in; got {[*text]}.")

    def sources() -> Mapping[str, Source]:
        table = Table(path)
        for column in (*text, *image, *audio, *classify, *multi_label, *regress, *tag, *detect):
            table[column]  # Fails at once where a column is missing.
        parts = table.split(**{"test": 0.2, "validation": 0.1} | dict(split or {}))
        names = ("train", "validation", "test") if len(parts) == 3 else ("train", "test")
        return dict(zip(names, parts))

    def model(train: Source) -> MultimodalModel:
        # The names of classes tell nothing of who has them.
        whole = Table(path)
        cased = {"lowercase": False} if tag else {}
        fields: dict[str, Modality] = {c: Text.adapt(train, c, **cased) for c in text}
        fields |= {column: Image() for column in image}
        fields |= {column: Audio() for column in audio}
        tasks: dict[str, Task] = {c: Classification(_classes(whole, c)) for c in classify}
        tasks |= {
            column: Classification(_classes(whole, column, "|"), multi_label=True)
            for column in multi_label
        }
        tasks |= {c: TokenClassification.adapt(whole, c, field=text[0]) for c in tag}
        tasks |= {c: ObjectDetection.adapt(whole, c, field=image[0]) for c in detect}
        tasks |= {column: Regression.adapt(train, column) for column in regress}
        encoders = {c: VisionPyramid.for_modality(fields[c], size) for c in image if detect}
        return MultimodalModel(
            fields, tasks, size=size, encoders=encoders, modality_dropout=modality_dropout
        )

    return Recipe(name=Path(path).stem, sources=sources, model=model, **options)


def _classes(train: Source, column: str, separator: str | None = None) -> list[str]:
    cells = [str(cell) for cell in train[column] if cell is not None]  # type: ignore[index]
    names = {part.strip() for c in cells for part in (c.split(separator) if separator else [c])}
    if len(names) < 2:
        raise ValueError(
            f"column {column!r} has {len(names)} classes; a classification needs at least two."
        )
    return sorted(names)
