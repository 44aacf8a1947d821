"""Post-training quantisation of a LiteRT file: fewer bits for each weight."""

import contextlib
import io
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mmkeras.contracts import Source
from mmkeras.export.verify import ExportError
from mmkeras.layers import LogMelSpectrogram
from mmkeras.model import MultimodalModel

KINDS = ("float16", "dynamic", "static")
#: The products of weights and activations that LiteRT has in whole numbers.
_PRODUCTS = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D_TRANSPOSE")

#: Numbers in a constant whose room is worth a sum in whole numbers.
_LARGE = 1024


def check_kind(quantize: str | None, calibration: Any = None) -> None:
    """Checks how a file shall be quantised, and that what this needs is there.

    Args:
        quantize: of `KINDS`, or None.
        calibration: the samples that `"static"` needs.

    Raises:
        ValueError: there is no such way, or samples are missing or have no use.
        ImportError: the `export` extra is not installed.

    Example:

    >>> check_kind("int8")
    Traceback (most recent call last):
    ValueError: quantize must be None, 'float16', 'dynamic' or 'static'; got 'int8'.
    """
    if quantize is None:
        return
    if quantize not in KINDS:
        raise ValueError(
            f"quantize must be None, 'float16', 'dynamic' or 'static'; got {quantize!r}."
        )
    if (calibration is None) == (quantize == "static"):
        raise ValueError(
            "quantize='static' needs calibration, a source of samples to see activations by."
            if calibration is None
            else f"quantize={quantize!r} looks at no samples; leave calibration out, or choose "
            "'static'."
        )
    try:
        import ai_edge_quantizer  # noqa: F401
    except ImportError as error:
        raise ImportError(
            'quantisation needs ai-edge-quantizer; install it with pip install "mmkeras[export]".'
        ) from error


def calibrating(model: MultimodalModel, source: Source, count: int) -> list[dict[str, np.ndarray]]:
    """The first samples of a source as a signature of one sample takes them.

    Args:
        model: whose fields they are; those that the source has no column for are absent.
        source: where they come from.
        count: how many at most.

    Returns:
        `{name: array [1, ...]}` each.
    """
    missing = [field for field in model.fields if field not in source.columns]
    data = model.pipeline(source, labels=False, without=missing, batch_size=1, pad="max")
    return [
        {name: tensor.numpy() for name, tensor in inputs.items()} for inputs in data.take(count)
    ]


def quantized(
    model: MultimodalModel,
    content: bytes,
    signature: str,
    samples: Sequence[Mapping[str, np.ndarray]] | None = None,
) -> bytes:
    """A LiteRT file whose weights are int8, by Google's `ai-edge-quantizer`.

    Weights of matrix products and convolutions have a scale for each channel, tables of vectors
    one for all (Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference"). The activations that such a product takes are scaled anew
    in each call, or with samples by the range that they had there, and with samples tables that are
    added, such as those of positions, are int8 as well. All else computes with float32:
    with every operation in whole numbers, the model of the recipe `emoji` took 1.4 times as long as
    in float32 and was right for 0.10 of the samples instead of 0.71.

    A spectrogram's mel filters stay floats, in 16 bits: energies span more than eight bits can
    tell apart, and whoever rounds them hears the loudest band alone.

    Names of tensors are left out; those of signatures stay.

    Args:
        model: what the file was made from.
        content: of a file in float32.
        signature: the name of the file's one signature.
        samples: its inputs, `{name: array [1, ...]}` each, that show how large activations are.

    Raises:
        ExportError: the quantizer does not know what to do with the model.
    """
    from ai_edge_quantizer import calibrator, qtyping, quantizer, recipe_manager
    from ai_edge_quantizer.algorithm_manager import AlgorithmName
    from ai_edge_quantizer.utils import qsv_utils

    names = qtyping.TFLOperationName
    recipe = recipe_manager.RecipeManager()
    if samples is None:
        recipe.add_dynamic_config(".*", names.ALL_SUPPORTED, num_bits=8)
    else:
        for product in _PRODUCTS:
            recipe.add_static_config(".*", names[product], 8, 8)
        for total in _added(content):
            recipe.add_static_config(f"^{re.escape(total)}", names.ADD, 8, 8)
    tables = _tables(content)
    for table in tables:
        recipe.add_static_config(f"^{re.escape(table)}", names.GATHER, 8, 8)
    halves = qtyping.OpQuantizationConfig(
        weight_tensor_config=qtyping.TensorQuantizationConfig(
            num_bits=16, dtype=qtyping.TensorDataType.FLOAT
        ),
        compute_precision=qtyping.ComputePrecision.FLOAT,
        explicit_dequantize=True,
    )
    for scope in _spectrograms(model):
        recipe.add_quantization_config(
            scope, names.FULLY_CONNECTED, halves, AlgorithmName.FLOAT_CASTING
        )
    with _quiet():
        try:
            worker = quantizer.Quantizer(content, recipe.get_quantization_recipe())
            seen: dict[str, Any] = dict(tables)
            if samples is not None:
                watch = calibrator.Calibrator(
                    content,
                    num_threads=os.cpu_count() or 1,
                    mode=calibrator.CalibrationMode.CALIBRATION_PROFILER_BASED,
                    # By itself it takes an average that hardly leaves the first sample.
                    qsv_update_func=qsv_utils.min_max_update,
                )
                watch.calibrate({signature: samples}, recipe)
                seen |= watch.get_model_qsvs()
            made = worker.quantize(seen, enable_progress_bar=False, enable_progress_report=False)
        except Exception as error:  # It raises whatever went wrong inside.
            raise ExportError(
                f"ai-edge-quantizer cannot quantise this model: {type(error).__name__}: {error}. "
                "Choose quantize='float16', or None."
            ) from error
    return unnamed(bytes(made.quantized_model))


def unnamed(content: bytes) -> bytes:
    """A LiteRT file without its tensors' names, which nothing needs that runs it.

    Args:
        content: of a file.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            tensor.name = None
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _tables(content: bytes) -> dict[str, dict[str, np.ndarray]]:
    """What is taken out of constant tables of floats, such as embeddings, and its range.

    By the names of the tensors.
    """
    return {
        taken: {"min": table.min(keepdims=True), "max": table.max(keepdims=True)}
        for taken, table in _with_constants(content, "GATHER", place=0)
    }


def _added(content: bytes) -> list[str]:
    """The names of sums with a large constant, such as the vectors of positions."""
    return [
        name
        for place in (0, 1)
        for name, constant in _with_constants(content, "ADD", place)
        if constant.size >= _LARGE
    ]


def _with_constants(content: bytes, operation: str, place: int) -> Iterator[tuple[str, np.ndarray]]:
    """The outputs of operations that take a constant of floats, float32 [any], at a place."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    wanted = getattr(schema.BuiltinOperator, operation)
    for subgraph in model.subgraphs:
        for operator in subgraph.operators:
            if model.operatorCodes[operator.opcodeIndex].builtinCode != wanted:
                continue
            taken = subgraph.tensors[operator.inputs[place]]
            data = model.buffers[taken.buffer].data
            if taken.type == schema.TensorType.FLOAT32 and data is not None:
                name = subgraph.tensors[operator.outputs[0]].name
                yield name.decode(), np.frombuffer(bytes(data), "float32")


def _spectrograms(model: MultimodalModel) -> list[str]:
    """Regular expressions of what the operations of spectrograms are called in a LiteRT file."""
    # A name that was there before gets a number behind it.
    return [
        "/".join(rf"{re.escape(part)}(_\d+)?" for part in layer.path.split("/")) + "/"
        for layer in model._flatten_layers()
        if isinstance(layer, LogMelSpectrogram)
    ]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without bars of progress, and what the interpreter says of keeping tensors for them."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield
