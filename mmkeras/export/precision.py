"""Models in full precision, as they are exported."""

from typing import Any

from mmkeras.model import MultimodalModel


def in_full_precision(model: MultimodalModel) -> MultimodalModel:
    """The model itself if all of it computes in float32, else a copy that does.

    What runs an exported model need not know narrower floats, and rounds them at other places. The
    weights of mixed precision are float32 already.

    Args:
        model: a model of any precision.
    """
    config = model.get_config()
    wide = _widened(config)
    if wide == config:
        return model
    copy = type(model).from_config(wide)
    copy.set_weights(model.get_weights())
    return copy


_NARROW = ("mixed_bfloat16", "mixed_float16", "bfloat16", "float16")


def _widened(config: Any) -> Any:
    """A configuration whose policies and types of narrow floats are float32."""
    if isinstance(config, dict):
        return {key: _widened(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return type(config)(_widened(value) for value in config)
    return "float32" if isinstance(config, str) and config in _NARROW else config
