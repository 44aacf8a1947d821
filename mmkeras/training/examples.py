"""Answers of a trained model as pictures."""

import contextlib
from pathlib import Path

from mmkeras.contracts import Source, Task
from mmkeras.model import MultimodalModel


def save_examples(
    model: MultimodalModel, source: Source, folder: str | Path, count: int = 12, columns: int = 4
) -> list[Path]:
    """Draws answers for samples from all over a source: a sheet, a PNG, for each task that can.

    Args:
        model: the trained model.
        source: held-out samples.
        folder: where `examples_{task}.png` is written.
        count: of samples.
        columns: of a sheet.

    Returns:
        The paths of the sheets; none if no task draws its answers.

    Raises:
        ImportError: Pillow or matplotlib is not installed.
    """
    from PIL import Image

    from mmkeras.drawing import sheet

    if not any(type(task).draw is not Task.draw for task in model.tasks.values()):
        return []
    encoders = {field: modality.encode for field, modality in model.fields.items()}
    files = [field for field, modality in model.fields.items() if modality.is_file]
    step = max(len(source) // count, 1)
    chosen = source.rows(encoders, files).filter(lambda index, _: index % step == 0).take(count)
    samples = [{field: raw.numpy() for field, raw in source.load(row).items()} for _, row in chosen]
    drawn = []
    for sample in samples:
        # Of a bad sample there is nothing to draw; who asked for errors has met it before.
        with contextlib.suppress(ValueError):
            drawn.append(model.draw(sample, model.answer(sample)))
    paths = []
    for task in model.tasks:
        pictures = [pictures[task] for pictures in drawn if task in pictures]
        if pictures:
            paths.append(Path(folder) / f"examples_{task}.png")
            Image.fromarray(sheet(pictures, columns)).save(paths[-1])
    return paths
