"""`litert`: tensors in, outputs out, for a device."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from mmkeras.contracts import Source
from mmkeras.contracts.arguments import check_count
from mmkeras.export.conversion import checked_path, converted
from mmkeras.export.model_card import carded, check_about
from mmkeras.export.precision import in_full_precision
from mmkeras.export.quantization import calibrating, check_kind, quantized, unnamed
from mmkeras.export.signatures import (
    approximate,
    concluded,
    drawn,
    flat,
    raw_samples,
    tensors_signature,
)
from mmkeras.export.verify import ExportError, Verification, verify
from mmkeras.files import drafted
from mmkeras.model import MultimodalModel

SIGNATURE = "tensors"


def litert(
    model: MultimodalModel,
    path: str | Path,
    samples: Any = None,
    overwrite: bool = False,
    tolerance: float | None = None,
    quantize: str | None = None,
    calibration: Source | None = None,
    calibration_samples: int = 200,
    least_agreement: float = 0.5,
    conclude: bool = True,
    report: Mapping[str, Any] | None = None,
    about: Mapping[str, str] | None = None,
) -> Verification:
    """Writes a LiteRT (TFLite) file, runs it in ai-edge-litert and compares.

    Its one signature, `tensors`, takes one sample: the tensors of `model.fields.specs()` with a
    leading 1, every shape static; audio is a waveform, since the spectrogram is part of the model.
    It uses built-in operations alone: no Flex, no custom one, no lookup table. A model of narrower
    floats is written in float32.

    Quantised, its weights take less room; inputs and outputs are float32 as before:

    - `"float16"`: every constant in half precision, half the size; it computes with float32.
    - `"dynamic"`: int8 weights, a quarter of the size; the activations of matrix products are
      rounded to int8 as they come.
    - `"static"`: int8 weights, and the activations of matrix products are rounded to int8 by the
      range that they had in a calibration source. What is between the products (normalisations,
      softmax, attention's scores) stays float32: a device that knows whole numbers alone does not
      run all of it.

    Such a file does not answer quite as the model does. Of it the comparison states how far the
    outputs are off and which share of decisions is the same (`Verification.agreement`); it fails
    where that share is below `least_agreement`, or a value is not finite. The samples that it is
    measured on by default are few: `mmkeras.evaluation.compare_litert` measures what quantising
    costs on held-out data.

    Nothing stands at `path` until all of it is written and verified. A model card is written next
    to it, see `model_card`.

    Args:
        model: the model.
        path: `.../<name>.tflite`.
        samples: raw samples for the comparison; the modalities' own if None.
        overwrite: replaces what stands at `path`.
        tolerance: the largest difference allowed between exported model and model; None: 1e-4, and
            any where it is quantised.
        quantize: `"float16"`, `"dynamic"`, `"static"` or None.
        calibration: for `"static"`: samples such as the model will meet, never those that measure
            it.
        calibration_samples: how many of them are looked at, the first.
        least_agreement: the share of decisions that a quantised file has to share with the model.
        conclude: whether outputs leave as the tasks conclude them (see `Task.conclude`), else as
            heads give them, which is what metrics take.
        report: what was measured of the model, for its card; see `model_card`.
        about: what only people know of it, for its card.

    Returns:
        What was measured.

    Raises:
        ValueError: the path does not end in `.tflite`, there is no such way to quantise, or
            calibration is missing or has no use.
        FileExistsError: something stands at `path`, and `overwrite` is False.
        ExportError: an answer is drawn, or the model does not convert to built-in operations,
            does not run or answers differently; or it cannot be quantised.
        ImportError: the `export` extra is not installed.
    """
    check_kind(quantize, calibration)
    check_count("calibration_samples", calibration_samples)
    path = checked_path(path, overwrite)
    for name, task in model.tasks.items():
        if task.draws:
            raise ExportError(
                f"the answers of task {name!r} are drawn, and LiteRT has no random numbers for "
                f"that; choose another search before, as in model.set_task({name!r}, "
                "search=mmkeras.decoding.Greedy())."
            )
        if not task.exact and quantize in ("dynamic", "static"):
            raise ExportError(
                f"task {name!r} makes sound, and no measure here says how much of it eight bits "
                "leave; choose quantize='float16'."
            )
    check_about(about)
    model = in_full_precision(model)
    raw = raw_samples(model, samples)
    tensors = model.fields.preprocess_batch({f: tf.constant(v) for f, v in raw.items()})
    inputs = {name: tensor.numpy() for name, tensor in tensors.items()}
    outputs = model(tensors, training=False)
    expected = concluded(model, outputs) if conclude else flat(outputs)
    signature = tensors_signature(model, batch_size=1, conclude=conclude)
    content = converted(model, {SIGNATURE: signature}, float16=quantize == "float16")
    if quantize == "float16":
        content = unnamed(content)
    elif quantize is not None:
        rows = None
        if calibration is not None:
            rows = calibrating(model, calibration, calibration_samples)
        content = quantized(model, content, SIGNATURE, rows)
    if tolerance is None:
        tolerance = 1e-4 if quantize is None else sys.float_info.max
    with drafted(path) as draft:
        draft.write_bytes(content)
        seen = verify(
            draft,
            "litert",
            inputs={SIGNATURE: inputs},
            expected={SIGNATURE: {name: tensor.numpy() for name, tensor in expected.items()}},
            tolerance=tolerance,
            approximate=approximate(model, expected),
            drawn=drawn(model, expected),
            least_agreement=None if quantize is None else least_agreement,
        )
        return carded(model, seen, path, report, about)
