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
    """A configuration whose layers compute in float32."""
    if isinstance(config, dict):
        return {
            key: _wide(value) if key == "dtype" else _widened(value)
            for key, value in config.items()
        }
    if isinstance(config, list | tuple):
        return type(config)(_widened(value) for value in config)
    return config


def _wide(dtype: Any) -> Any:
    """A type or a policy, by its name or as Keras writes it."""
    if isinstance(dtype, dict) and dtype.get("class_name") == "DTypePolicy":
        return {**dtype, "config": {"name": _wide(dtype["config"]["name"])}}
    return "float32" if dtype in _NARROW else dtype
