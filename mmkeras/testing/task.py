"""Does a task keep its contract?"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mmkeras.contracts.task import Task
from mmkeras.fusions import Late
from mmkeras.modalities import Text
from mmkeras.model import MultimodalModel
from mmkeras.testing.round_trip import round_trip
from mmkeras.testing.tokens import random_tokens, with_garbage, with_padding

_UNKNOWN = b"no such label"


def check_task(task: Task, steps: int = 60) -> None:
    """Raises an AssertionError unless the task keeps its contract; see `Task`.

    It writes and reads its configuration; makes equal targets of labels and of none, and names an
    unknown label; its head takes `Tokens` of any widths, absent ones among them, and looks at no
    masked place; its loss is one number for each sample; its metrics and `decode` work, also in a
    graph; and a tiny model learns a batch by heart, answers what it learned, and answers the same
    when it was saved and loaded.

    Args:
        task: any instance, such as `tiny()`.
        steps: how often the tiny model sees its batch.

    Example:

    >>> from mmkeras.tasks import Regression
    >>> check_task(Regression.tiny())
    """
    _check_configuration(task)
    _check_encoding(task)
    targets = _check_targets(task)
    head = task.head("answer")
    outputs = _check_head(task, head)
    target = tf.repeat(targets[:1], 4, axis=0)
    _check_loss(task, target, outputs)
    _check_metrics(task, target, outputs)
    _check_decode(task, outputs)
    _check_learning(task, steps)


def _check_configuration(task: Task) -> None:
    copy = round_trip(task)
    assert copy == task, f"the configuration gives another task: {copy} for {task}"
    assert hash(copy) == hash(task), "equal tasks must have equal hashes"


def _check_encoding(task: Task) -> None:
    assert task.encode(None) == b"", "encode(None) must be the empty string"
    assert len(set(task.labels())) > 1, "labels() must hold labels that differ"
    for label in task.labels():
        assert isinstance(label, bytes) and label, "labels() must hold bytes that are not empty"
        assert task.encode(label) == label, "encode must leave raw labels as they are"
    try:
        task.encode(object())
    except TypeError:
        return
    raise AssertionError("encode must raise a TypeError for what it cannot read")


def _check_targets(task: Task) -> tf.Tensor:
    """The targets of all labels, [labels, ...]."""
    in_graph = tf.function(task.target, input_signature=[tf.TensorSpec([], tf.string)])
    none = task.target(tf.constant(b""))
    targets = []
    for label in task.labels():
        target = task.target(tf.constant(label))
        assert (target.shape, target.dtype) == (none.shape, none.dtype), (
            f"the target of {label!r} is {target.dtype} {target.shape}, that of no label "
            f"{none.dtype} {none.shape}"
        )
        assert np.array_equal(target, in_graph(label)), f"{label!r} differs in a graph"
        targets.append(target)
    assert np.isfinite(none).all(), "the target of no label must be finite"
    try:
        task.target(tf.constant(_UNKNOWN))
    except tf.errors.InvalidArgumentError as error:
        assert _UNKNOWN.decode() in str(error), f"the error must name the unknown label: {error}"
    else:
        raise AssertionError("target must raise an InvalidArgumentError for an unknown label")
    return tf.stack(targets)


def _check_head(task: Task, head: keras.layers.Layer) -> dict[str, Any]:
    """The outputs for a batch of four samples, the last of which is empty."""
    tokens = random_tokens()
    outputs = head(tokens, training=False)
    assert isinstance(outputs, dict), f"a head must return a dict; it returned {type(outputs)}"
    copy = type(head).from_config(head.get_config())
    copy(tokens)
    copy.set_weights(head.get_weights())
    for says, again in {
        "the order of the dict has an effect": head(dict(reversed(tokens.items())), training=False),
        "masked places have an effect": head(with_garbage(with_padding(tokens)), training=False),
        "a copy made from the configuration differs": copy(tokens, training=False),
    }.items():
        for name, value in outputs.items():
            np.testing.assert_allclose(
                again[name], value, atol=1e-4, rtol=1e-5, err_msg=f"output {name!r}: {says}"
            )
    for name, value in outputs.items():
        assert value.shape[0] == 4, f"output {name!r} is {value.shape}; B must come first"
        assert value.dtype == "float32", f"output {name!r} must be float32; it is {value.dtype}"
        assert np.isfinite(value).all(), f"output {name!r} is not finite"
    return outputs


def _check_loss(task: Task, target: tf.Tensor, outputs: Mapping[str, Any]) -> None:
    loss = np.array(task.loss(target, dict(outputs)))
    assert loss.shape == (4,), f"the loss must have one number for each sample; it is {loss.shape}"
    assert loss.dtype == np.float32, f"the loss must be float32; it is {loss.dtype}"
    assert np.isfinite(loss).all(), f"the loss is not finite: {loss}"


def _check_metrics(task: Task, target: tf.Tensor, outputs: Mapping[str, Any]) -> None:
    first, second = task.metrics(), task.metrics()
    for output, metrics in first.items():
        assert output in outputs, f"a metric reads {output!r}; the head makes {sorted(outputs)}"
        for metric, other in zip(metrics, second[output]):
            assert metric is not other, f"metric {metric.name!r} must be new at each call"
            metric.update_state(target, outputs[output], sample_weight=np.array([1.0, 1, 0, 0]))
            result = np.array(metric.result())
            assert np.isfinite(result).all(), f"metric {metric.name!r} is not finite: {result}"


def _check_decode(task: Task, outputs: Mapping[str, Any]) -> None:
    decoded = task.decode(dict(outputs))
    in_graph = tf.function(task.decode)(dict(outputs))
    for name, value in decoded.items():
        assert value.shape[0] == 4, f"decoded {name!r} is {value.shape}; B must come first"
        assert np.array_equal(value, in_graph[name]), f"decoded {name!r} differs in a graph"


def _check_learning(task: Task, steps: int) -> None:
    text = Text.tiny()
    learned = list(zip(text.samples(), task.labels()))
    x = {f"text_{k}": v for k, v in text.preprocess_batch([raw for raw, _ in learned]).items()}
    y = {"answer": tf.stack([task.target(tf.constant(label)) for _, label in learned])}
    model = MultimodalModel(
        {"text": text}, {"answer": task}, size="tiny", fusion=Late(16), dropout=0.0
    )
    model.compile(optimizer=keras.optimizers.Adam(0.02))
    batch = tf.data.Dataset.from_tensors((x, y))
    before = model.evaluate(batch, return_dict=True, verbose=0)["loss"]
    model.fit(batch.repeat(steps), shuffle=False, verbose=0)
    after = model.evaluate(batch, return_dict=True, verbose=0)["loss"]
    assert after < 0.5 * before, f"a batch is not learned by heart: {before:.4f} to {after:.4f}"
    outputs = model.predict_on_batch(x)
    _check_answers(task, y["answer"].numpy(), outputs["answer"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        loaded = keras.saving.load_model(path)
    for name, value in loaded.predict_on_batch(x)["answer"].items():
        expected = outputs["answer"][name]
        np.testing.assert_allclose(value, expected, atol=1e-5, err_msg=f"{name} of a loaded model")


def _check_answers(task: Task, targets: np.ndarray, outputs: Mapping[str, Any]) -> None:
    """What comes first in an answer is a label again, the one that was learned."""
    first = next(iter(task.decode({k: tf.constant(v) for k, v in outputs.items()}).values()))
    again = np.stack(
        [task.target(tf.constant(task.encode(answer.tolist()))) for answer in first.numpy()]
        if first.dtype != tf.string
        else [task.target(answer) for answer in first]
    )
    spread = np.ptp(targets)
    assert np.abs(again - targets).max() <= 0.2 * spread, (
        f"the model learned {targets.tolist()} and answers {again.tolist()}"
    )
