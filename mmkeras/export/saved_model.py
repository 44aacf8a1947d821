"""`saved_model`: raw bytes in, answers out, as TensorFlow Serving reads it."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mmkeras.export.model_card import carded, check_about
from mmkeras.export.precision import in_full_precision
from mmkeras.export.signatures import (
    answered,
    approximate,
    concluded,
    decoded,
    drawn,
    raw_samples,
    raw_signature,
    tensors_signature,
)
from mmkeras.export.verify import Verification, verify
from mmkeras.model import MultimodalModel

RAW, TENSORS = "serving_default", "tensors"


def saved_model(
    model: MultimodalModel,
    path: str | Path,
    samples: Any = None,
    overwrite: bool = False,
    tolerance: float = 1e-4,
    report: Mapping[str, Any] | None = None,
    about: Mapping[str, str] | None = None,
) -> Verification:
    """Writes a SavedModel with two signatures, runs it in plain TensorFlow and compares.

    `serving_default` takes one string for each field (a text, the bytes of a picture, of a WAV
    file; empty = absent) and gives each task's answer as `{task}_{name}`. `tensors` takes what the
    modalities' `preprocess` gives and returns the model's outputs. A model of narrower floats is
    written in float32. Warm-up requests for the raw
    signature are written where TensorFlow Serving looks for them.

    Nothing stands at `path` until all of it is written and verified. A model card is written next
    to it, see `model_card`.

    Args:
        model: the model.
        path: `.../<name>/<version>`, the version being a whole number, as TensorFlow Serving asks.
        samples: raw samples for the comparison and the warm-up; the modalities' own if None.
        overwrite: replaces what stands at `path`.
        tolerance: the largest difference allowed between exported model and model.
        report: what was measured of the model, for its card; see `model_card`.
        about: what only people know of it, for its card.

    Returns:
        What was measured.

    Raises:
        ValueError: the path does not end in a version.
        FileExistsError: something stands at `path`, and `overwrite` is False.
        ExportError: the exported model does not run or answers differently.
        ImportError: the `export` extra is not installed.
    """
    path = Path(path)
    if not path.name.isdigit():
        raise ValueError(
            f"path must end in a version, a whole number, as TensorFlow Serving asks; got {path}. "
            f"Try {path / '1'}."
        )
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; pass overwrite=True or the next version.")
    check_about(about)
    model = in_full_precision(model)
    raw = raw_samples(model, samples)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=path.parent) as folder:
        # One level down, because the temporary folder itself is closed to other users.
        draft = Path(folder) / path.name
        _write(model, draft)
        _write_warmup(draft, path.parent.name, {field: values[:1] for field, values in raw.items()})
        tensors, outputs = answered(model, {f: tf.constant(v) for f, v in raw.items()})
        inputs = {name: tensors[name] for name in model.fields.specs()}
        expected = {
            RAW: _arrays(decoded(model, tensors, outputs)),
            TENSORS: _arrays(concluded(model, outputs)),
        }
        seen = verify(
            draft,
            "saved_model",
            inputs={RAW: raw, TENSORS: _arrays(inputs)},
            expected=expected,
            tolerance=tolerance,
            approximate=approximate(model, *expected.values()),
            drawn=drawn(model, *expected.values()),
        )
        seen = carded(model, seen, path, report, about)
        if path.exists():
            shutil.rmtree(path)
        draft.rename(path)
    return seen


def _arrays(tensors: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def _write(model: MultimodalModel, path: Path) -> None:
    archive = keras.export.ExportArchive()
    archive.track(model)
    # Lookup tables are no Keras state: untracked, they would be missing in the loaded model.
    archive._tf_trackable.resources = [
        resource for modality in model.fields.values() for resource in modality.resources()
    ]
    archive.add_endpoint(RAW, raw_signature(model))
    archive.add_endpoint(TENSORS, tensors_signature(model, batch_size=None))
    archive.write_out(str(path), verbose=False)


def _write_warmup(path: Path, name: str, request: dict[str, np.ndarray]) -> None:
    """A recorded request that TensorFlow Serving replays before it takes traffic."""
    try:
        from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
    except ImportError as error:
        raise ImportError(
            "warm-up requests need tensorflow-serving-api; install it with "
            'pip install "mmkeras[export]".'
        ) from error
    predict = predict_pb2.PredictRequest()
    predict.model_spec.name = name
    predict.model_spec.signature_name = RAW
    for field, values in request.items():
        predict.inputs[field].CopyFrom(tf.make_tensor_proto(list(values), tf.string))
    log = prediction_log_pb2.PredictionLog(
        predict_log=prediction_log_pb2.PredictLog(request=predict)
    )
    folder = path / "assets.extra"
    folder.mkdir()
    with tf.io.TFRecordWriter(str(folder / "tf_serving_warmup_requests")) as writer:
        writer.write(log.SerializeToString())
