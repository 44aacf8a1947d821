"""`mmkeras demo`: the main job on embedded real data, from raw bytes to verified exports."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmkeras.evaluation import baselines, evaluate_subsets
from mmkeras.export import litert, saved_model
from mmkeras.recipes import emoji
from mmkeras.sources import TFDS
from mmkeras.training import save_curves, train


def demo(folder: str | Path, say: Callable[[str], None] = print) -> dict[tuple[str, ...], float]:
    """Prepares, trains, evaluates, draws and exports; says what it does.

    Args:
        folder: where model, pictures and exports go.
        say: takes each line for a person.

    Returns:
        Test accuracy of every subset of the fields.

    Raises:
        FileExistsError: the folder holds a finished run.
        ExportError: an exported model does not answer as the model does.
    """
    folder, start = Path(folder), time.perf_counter()
    say("1/4 Preparing the emoji dataset (once; it is kept in the cache) ...")
    sources = emoji.sources()
    sizes = ", ".join(f"{len(source)} {name}" for name, source in sources.items())
    say(f"    {sizes} samples; no emoji, drawing, name or voice is in two of these parts.")
    say(f"2/4 Training the recipe {emoji.recipe.name!r} for {emoji.recipe.epochs} epochs ...")
    run = train(emoji.recipe, folder, verbose=2)
    save_curves(run.history, folder / "curves.png")
    say("3/4 Evaluating on the test emoji, with every subset of the fields ...")
    test = sources["test"]
    results = evaluate_subsets(run.model, test, batch_size=128)
    scores = {subset: values["category_accuracy"] for subset, values in results.items()}
    classes = run.model.tasks["category"].classes
    classical = baselines(run.model.fields, "category", classes, sources["train"], test)
    say(_table(scores, classical))
    save_grid(run.model, test, folder / "predictions.png")
    say("4/4 Exporting, and running each export in a fresh process of its own runtime ...")
    name = folder / "saved_models" / "emoji"
    say(f"    {saved_model(run.model, name / '1')}")
    say(f"    {litert(run.model, name / 'emoji.tflite')}")
    say(f"Done in {time.perf_counter() - start:.0f} s. See {folder / 'curves.png'} and")
    say(f"{folder / 'predictions.png'}. Next:")
    say(f'    mmkeras predict {folder / "model.keras"} name="flying fish"')
    say(f"    mmkeras evaluate {folder / 'model.keras'} --recipe emoji")
    say("    mmkeras train --help    # the same for a table of your own")
    return scores


def _table(scores: dict[tuple[str, ...], float], classical: dict[tuple[str, ...], float]) -> str:
    width = max(len(" + ".join(subset)) for subset in scores)
    lines = [f"    {'accuracy on test':{width}}  mmkeras  classical"]
    for subset, score in scores.items():
        lines.append(f"    {' + '.join(subset):{width}}  {score:7.3f}  {classical[subset]:9.3f}")
    lines.append(f"    {'commonest class':{width}}  {classical[()]:7.3f}")
    return "\n".join(lines)


def save_grid(model: Any, source: TFDS, path: str | Path, rows: int = 4, columns: int = 6) -> Path:
    """Draws test emoji with the model's answer, wrong ones in red with the truth, as a PNG.

    Args:
        model: the trained emoji model.
        source: the test samples.
        path: of the picture.
        rows: rows of the grid.
        columns: columns of the grid.

    Returns:
        The path.
    """
    import tensorflow as tf
    from matplotlib.figure import Figure

    wanted = ("name", "image", "speech", "category")
    step = max(len(source) // (rows * columns), 1)
    samples = []
    for index, row in source.rows(dict.fromkeys(wanted, bytes)):
        if int(index) % step == 0 and len(samples) < rows * columns:
            samples.append({key: value.numpy() for key, value in source.load(row).items()})
    truths = [sample.pop("category").decode() for sample in samples]
    answers = model.answer(samples)
    figure = Figure(figsize=(2.2 * columns, 2.9 * rows))
    figure.subplots_adjust(left=0.01, right=0.99, top=0.96, bottom=0.05, hspace=0.35)
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for panel, sample, truth, answer in zip(panels, samples, truths, answers):
        label, probability = answer["category"]["label"], answer["category"]["probability"]
        right = label == truth
        panel.imshow(tf.io.decode_png(sample["image"], channels=4).numpy())
        panel.set_title(sample["name"].decode()[:26], fontsize=9)
        text = f"{label} {probability:.0%}" + ("" if right else f"\nis {truth}")
        panel.set_xlabel(text, color="green" if right else "red", fontsize=8)
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set_visible(False)
    figure.savefig(path, dpi=110)
    return Path(path)
