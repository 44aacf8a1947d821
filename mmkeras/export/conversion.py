"""How functions become a LiteRT file, and what is asked of its path before."""

import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from mmkeras.export.verify import ExportError
from mmkeras.layers.attention import plain_attention
from mmkeras.model import MultimodalModel


def checked_path(path: str | Path, overwrite: bool) -> Path:
    """The path of a LiteRT file that may be written.

    Args:
        path: `.../<name>.tflite`.
        overwrite: whether something may stand there.

    Raises:
        ValueError: the path does not end in `.tflite`.
        FileExistsError: something stands at `path`, and `overwrite` is False.
        ImportError: the `export` extra is not installed, which has to run the file.

    Example:

    >>> checked_path("pets.bin", overwrite=False)
    Traceback (most recent call last):
    ValueError: path must end in .tflite; got pets.bin.
    """
    path = Path(path)
    if path.suffix != ".tflite":
        raise ValueError(f"path must end in .tflite; got {path}.")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; pass overwrite=True or another name.")
    try:
        import ai_edge_litert  # noqa: F401
    except ImportError as error:
        raise ImportError(
            'the comparison needs ai-edge-litert; install it with pip install "mmkeras[export]".'
        ) from error
    return path


def converted(
    model: MultimodalModel, signatures: Mapping[str, Callable[..., Any]], float16: bool = False
) -> bytes:
    """A LiteRT file of built-in operations alone.

    Args:
        model: whose weights the functions use.
        signatures: `{name: tf.function}`, each with its `input_signature`, and not traced yet.
        float16: writes constants in half precision; what computes with them makes them float32.

    Raises:
        ExportError: LiteRT has no built-in operation for something.
    """
    archive = keras.export.ExportArchive()
    archive.track(model)
    with tempfile.TemporaryDirectory() as folder:
        with plain_attention():
            for name, function in signatures.items():
                archive.add_endpoint(name, function)
            archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=list(signatures)
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if float16:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        try:
            return converter.convert()
        except Exception as error:  # The converter's own error type is private.
            raise ExportError(_reason(str(error))) from error


def _reason(error: str) -> str:
    """What the converter's error says, without the graph that it shows."""
    lacking = sorted({*re.findall(r"\bFlex(\w+)", error), *re.findall(r"'tf\.(\w+)' op", error)})
    if not lacking:
        return f"the model does not convert to built-in operations: {error:.1000}"
    return f"the model does not convert: LiteRT has no built-in {lacking}."
