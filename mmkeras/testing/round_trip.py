"""An object written as JSON and read back, as `model.save` and `load_model` do it."""

import json
from typing import Any

import keras


def round_trip(thing: Any) -> Any:
    """What Keras' serialisation makes of an object's JSON.

    Args:
        thing: an object with a `get_config`, registered with Keras.

    Example:

    >>> from mmkeras.fusions import Late
    >>> round_trip(Late(dim=8)).dim
    8
    """
    written = json.dumps(keras.saving.serialize_keras_object(thing))
    return keras.saving.deserialize_keras_object(json.loads(written))
