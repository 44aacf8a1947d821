"""`trained`: the model that another recipe made, to go on from."""

from pathlib import Path

import keras

from mmkeras.model import MultimodalModel


def trained(path: str | Path, recipe: str) -> MultimodalModel:
    """The model in a file, or an error that tells how it is made.

    Args:
        path: of a `.keras` file.
        recipe: the recipe that makes it.

    Raises:
        FileNotFoundError: there is no such file.

    Example:

    >>> trained("runs/lost/model.keras", "emoji_captions")
    Traceback (most recent call last):
    ...
    FileNotFoundError: runs/lost/model.keras does not exist; make it with mmkeras train emoji_captions --out runs/lost.
    """  # noqa: E501
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist; make it with mmkeras train {recipe} --out {path.parent}."
        )
    return keras.saving.load_model(path)
