"""`train`: a recipe becomes a trained model in a folder."""

import dataclasses
import json
import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from mmkeras.contracts import Source
from mmkeras.files import drafted
from mmkeras.model import MultimodalModel
from mmkeras.training.recipe import Recipe


@dataclasses.dataclass
class Run:
    """What a training run made.

    Attributes:
        model: the trained model.
        sources: what it was made from, by part.
        history: one value for each epoch, by metric.
        folder: holds `model.keras`, `history.csv` and `recipe.json`.
    """

    model: MultimodalModel
    sources: Mapping[str, Source]
    history: dict[str, list[float]]
    folder: Path


def train(
    recipe: Recipe,
    folder: str | Path,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int | str = "auto",
) -> Run:
    """Trains a recipe's model with `fit` and Keras' own callbacks.

    A run that was interrupted goes on at its last whole epoch when it is started again with the
    same folder (BackupAndRestore).

    Args:
        recipe: the experiment.
        folder: where the results go; made if missing.
        callbacks: further callbacks, such as `keras.callbacks.TensorBoard(...)`.
        verbose: as in `fit`.

    Returns:
        The model and its history.

    Raises:
        FileExistsError: the folder holds a finished run.
    """
    folder = Path(folder)
    finished = folder / "model.keras"
    if finished.exists():
        raise FileExistsError(f"{finished} exists; name another folder or remove it.")
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(recipe.seed)
    before = keras.config.dtype_policy()
    if recipe.mixed_precision:
        half = "float16" if tf.config.list_physical_devices("GPU") else "bfloat16"
        keras.config.set_dtype_policy(f"mixed_{half}")
    try:
        sources = recipe.sources()
        model = recipe.model(sources["train"])
    finally:
        keras.config.set_dtype_policy(before)
    model.compile(optimizer=recipe.optimizer(len(sources["train"])), jit_compile=recipe.jit_compile)
    options = {"batch_size": recipe.batch_size, "cache": recipe.cache} | dict(recipe.pipeline)
    data = model.pipeline(
        sources["train"],
        shuffle=True,
        augment=recipe.augment,
        mix=recipe.mix,
        seed=recipe.seed,
        **{"deterministic": False} | options,
    )
    validation = None
    if "validation" in sources:
        validation = model.pipeline(sources["validation"], **options)
    with warnings.catch_warnings():
        # Keras says so of every dataset whose number of batches is not known before its end.
        warnings.filterwarnings("ignore", "Your input ran out of data")
        history = model.fit(
            data,
            validation_data=validation,
            epochs=recipe.epochs,
            verbose=verbose,
            # The pipeline shuffles.
            shuffle=False,
            callbacks=[
                keras.callbacks.TerminateOnNaN(),
                keras.callbacks.BackupAndRestore(str(folder / "backup")),
                keras.callbacks.CSVLogger(str(folder / "history.csv"), append=True),
                *callbacks,
            ],
        ).history
    with drafted(finished) as draft:
        model.save(draft)
    shutil.rmtree(folder / "backup", ignore_errors=True)
    _write_recipe(recipe, folder)
    return Run(model, sources, history, folder)


def _write_recipe(recipe: Recipe, folder: Path) -> None:
    plain: dict[str, Any] = {
        field.name: getattr(recipe, field.name)
        for field in dataclasses.fields(recipe)
        if field.name not in ("sources", "model", "mix")
    }
    plain |= {"mix": repr(recipe.mix), "pipeline": dict(recipe.pipeline)}
    text = json.dumps(plain, indent=2)
    (folder / "recipe.json").write_text(text + "\n", encoding="utf-8")
