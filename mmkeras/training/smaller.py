"""`pruned` and `taught`: a trained model made smaller, by training on what it was trained on."""

from pathlib import Path

from mmkeras.layers import Size
from mmkeras.model import MultimodalModel
from mmkeras.training.distillation import distil
from mmkeras.training.pruning import MagnitudePruning
from mmkeras.training.recipe import Recipe
from mmkeras.training.run import Run, train


def resized(model: MultimodalModel, size: str | Size) -> MultimodalModel:
    """An untrained model of the same fields, tasks, kinds of encoders and fusion.

    Args:
        model: the model.
        size: of the new one, see `MultimodalModel`.

    Example:

    >>> from mmkeras.modalities import Text
    >>> from mmkeras.tasks import Regression
    >>> model = MultimodalModel({"note": Text.tiny()}, {"stars": Regression()}, size="small")
    >>> resized(model, "tiny").count_params() < model.count_params() / 4
    True
    """
    encoders = {
        field: type(encoder).for_modality(model.fields[field], size, name=f"{field}_encoder")
        for field, encoder in model.encoders.items()
    }
    return MultimodalModel(
        model.fields,
        model.tasks,
        encoders=encoders,
        fusion=type(model.fusion).of_size(size),
        modality_dropout=model.modality_dropout,
    )


def pruned(
    model: MultimodalModel,
    recipe: Recipe,
    share: float,
    folder: str | Path,
    verbose: int | str = "auto",
) -> Run:
    """Trains a copy of a model on while its smallest weights become zero.

    Two thirds of the steps are for that, the others for making up for what is lost; see
    `MagnitudePruning`.

    Args:
        model: a trained model; it stays as it is.
        recipe: how it is trained on: all but the model is of this recipe.
        share: of zeros at the end, in (0, 1).
        folder: see `train`.
        verbose: see `train`.

    Returns:
        The run, with the pruned model.

    Raises:
        FileExistsError: the folder holds a finished run.
    """

    def copied(_: object) -> MultimodalModel:
        copy = type(model).from_config(model.get_config())
        copy.set_weights(model.get_weights())
        return copy

    steps = -(-len(recipe.sources()["train"]) // recipe.batch_size) * recipe.epochs
    pruning = MagnitudePruning(share, end_step=max(2 * steps // 3, 1))
    return train(recipe.replace(model=copied), folder, [pruning], verbose)


def taught(
    model: MultimodalModel,
    recipe: Recipe,
    size: str | Size,
    folder: str | Path,
    verbose: int | str = "auto",
) -> Run:
    """Trains a smaller model that learns from a model beside its labels; see `distil`.

    Args:
        model: the trained teacher.
        recipe: how the student is trained: all but the model is of this recipe. It takes several
            times the epochs of the teacher (Beyer et al. 2022).
        size: of the student; see `resized`.
        folder: see `train`.
        verbose: see `train`.

    Returns:
        The run, with the student.

    Raises:
        FileExistsError: the folder holds a finished run.
    """
    student = recipe.replace(model=lambda _: distil(resized(model, size), model))
    return train(student, folder, (), verbose)
