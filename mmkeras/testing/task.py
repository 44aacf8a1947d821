"""Does a task keep its contract?"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mmkeras import modalities
from mmkeras.contracts.modality import Modality
from mmkeras.contracts.task import Task, Tensors, hints_of
from mmkeras.fusions import Late
from mmkeras.model import MultimodalModel
from mmkeras.testing.round_trip import round_trip
from mmkeras.testing.tokens import random_tokens, with_garbage, with_padding
from mmkeras.tokens import Layout

#: Steps after which it is looked whether the batch is learned.
_AT_ONCE = 40
_UNKNOWN = b"unheard"


def check_task(task: Task, steps: int = 200) -> None:
    """Raises an AssertionError unless the task keeps its contract; see `Task`.

    It writes and reads its configuration; makes equal targets of labels and of none, and names an
    unknown label; prepares samples repeatably; its head takes `Tokens` of any widths, absent ones
    among them, with hints and without, and looks at no masked place; its loss is one number for
    each sample; its metrics and `decode` work, also in a graph; and a tiny model learns a batch by
    heart, answers what it learned, and answers the same when it was saved and loaded.

    Args:
        task: any instance, such as `tiny()`.
        steps: how often the tiny model sees its batch at most.

    Example:

    >>> from mmkeras.tasks import Regression
    >>> check_task(Regression.tiny())
    """
    samples = _Samples(task)
    _check_configuration(task)
    _check_encoding(task)
    targets = _check_targets(task, samples)
    _check_prepare(task, samples, targets)
    target = tf.stack([targets[0]] * 4)
    outputs, told = _check_head(task, samples, target)
    _check_loss(task, target, told)
    _check_metrics(task, target, told)
    _check_decode(task, outputs, samples.origins(4))
    _check_learning(task, samples, steps)


def _check_configuration(task: Task) -> None:
    copy = round_trip(task)
    assert copy == task, f"the configuration gives another task: {copy} for {task}"
    assert hash(copy) == hash(task), "equal tasks must have equal hashes"


class _Samples:
    """Small texts, or what the task points into, with a label of the task for each of them.

    And pictures, in every other field that the task compares with it.
    """

    def __init__(self, task: Task):
        self.task = task
        self.field = next(iter(task.points_into), "text")
        self.modality = _modality(task)
        others = dict.fromkeys(task.compares, modalities.Image.tiny())
        self.fields: dict[str, Modality] = {**others, self.field: self.modality}
        raw = self.modality.samples()
        self.labels = task.labels() if task.labelled else [b""] * len(raw)
        self.raw = raw[: len(self.labels)]

    def origins(self, count: int) -> Tensors:
        """Of the first samples, with a leading B, if the task points into them."""
        if not self.task.points_into:
            return {}
        raw = [self.raw[number % len(self.raw)] for number in range(count)]
        made = self.modality.preprocess_batch(tf.constant(raw), origins=True)
        return {self.field: {name: made[name] for name in self.modality.origins()}}

    def target(self, number: int, label: bytes) -> tf.Tensor:
        """The target of a sample, if it had that label."""
        return self.task.target(tf.constant(label), _row(self.origins(number + 1), number))

    def inputs(self, number: int) -> Tensors:
        """The tensors of a sample, origins included."""
        raw = {field: modality.samples() for field, modality in self.fields.items()}
        made = {
            field: modality.preprocess(tf.constant(raw[field][number % len(raw[field])]))
            for field, modality in self.fields.items()
        }
        origins = _row(self.origins(number + 1), number)
        return {**made, self.field: {**made[self.field], **origins.get(self.field, {})}}

    def prepared(self, number: int) -> tuple[Tensors, tf.Tensor]:
        """The sample as a model meets it, and its target."""
        target = self.target(number, self.labels[number])
        return self.task.prepare(self.inputs(number), target, tf.constant([number, 0]))


def _modality(task: Task) -> Modality:
    """A tiny one that knows what the task reads of it; a text where it reads nothing."""
    kinds = (getattr(modalities, name) for name in ("Text", *modalities.__all__))
    return next(tiny for kind in kinds if task.reads <= set((tiny := kind.tiny()).origins()))


def _row(tensors: Tensors, number: int) -> Tensors:
    return {
        field: {name: value[number] for name, value in named.items()}
        for field, named in tensors.items()
    }


def _check_encoding(task: Task) -> None:
    assert task.encode(None) == b"", "encode(None) must be the empty string"
    assert not task.labelled or len(set(task.labels())) > 1, "labels() must hold different labels"
    for label in task.labels():
        assert isinstance(label, bytes) and label, "labels() must hold bytes that are not empty"
        assert task.encode(label) == label, "encode must leave raw labels as they are"
    try:
        task.encode(object())
    except TypeError:
        return
    raise AssertionError("encode must raise a TypeError for what it cannot read")


def _check_targets(task: Task, samples: _Samples) -> list[tf.Tensor]:
    """The targets of all labels."""
    none = samples.target(0, b"")
    targets = []
    for number, label in enumerate(samples.labels):
        target = samples.target(number, label)
        assert (target.shape, target.dtype) == (none.shape, none.dtype), (
            f"the target of {label!r:.60} is {target.dtype} {target.shape}, that of no label "
            f"{none.dtype} {none.shape}"
        )
        in_graph = tf.function(samples.target)(number, label)
        assert np.allclose(target, in_graph, atol=1e-5), f"{label!r:.60} differs in a graph"
        targets.append(target)
    assert np.isfinite(none).all(), "the target of no label must be finite"
    if not task.labelled:
        return targets
    try:
        samples.target(0, _UNKNOWN)
    except tf.errors.InvalidArgumentError as error:
        assert _UNKNOWN.decode() in str(error), f"the error must name the unknown label: {error}"
    else:
        raise AssertionError("target must raise an InvalidArgumentError for an unknown label")
    return targets


def _check_prepare(task: Task, samples: _Samples, targets: list[tf.Tensor]) -> None:
    for number, before in enumerate(targets):
        inputs, target = samples.prepared(number)
        again, same = samples.prepared(number)
        assert np.array_equal(target, same), "equal seeds must prepare equal targets"
        assert (target.shape, target.dtype) == (before.shape, before.dtype), (
            f"prepare makes a target of {target.dtype} {target.shape}"
        )
        for name, value in samples.inputs(number)[samples.field].items():
            made = inputs[samples.field][name]
            assert (made.shape, made.dtype) == (value.shape, value.dtype), (
                f"prepare changes {name} to {made.dtype} {made.shape}"
            )
            assert np.array_equal(made, again[samples.field][name]), f"{name} differs for one seed"


def _check_head(
    task: Task, samples: _Samples, target: tf.Tensor
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The outputs for a batch of four samples, the last of which is empty; and those with hints."""
    # Four tokens of this field are there.
    head = task.head("answer", {samples.field: Layout(grids=((2, 2),), step_s=0.04)})
    tokens = random_tokens()
    tokens[samples.field] = tokens.pop("b")
    copy = type(head).from_config(head.get_config())
    hints = _hints(task, target)
    ways = [()] if hints is None else [(hints,), ()]
    told = _check_outputs(head, copy, tokens, ways[0])
    outputs = _check_outputs(head, copy, tokens, ways[-1])
    assert list(told) == list(outputs), f"hints make of {list(outputs)} the outputs {list(told)}"
    return outputs, told


def _hints(task: Task, target: tf.Tensor) -> dict[str, tf.Tensor] | None:
    """The hints of a batch of targets; None where the task has none."""
    if not task.hints():
        return None
    rows = [task.hint(each) for each in target]
    for row in rows:
        for name, spec in task.hints().items():
            assert row[name].dtype == spec.dtype, f"hint {name!r} is {row[name].dtype}"
            tf.TensorShape(spec.shape).assert_is_compatible_with(row[name].shape)
    return task.trim({name: tf.stack([row[name] for row in rows]) for name in task.hints()})


def _check_outputs(head: Any, copy: Any, tokens: Any, hints: tuple[Any, ...]) -> dict[str, Any]:
    outputs = head(tokens, *hints, training=False)
    assert isinstance(outputs, dict), f"a head must return a dict; it returned {type(outputs)}"
    copy(tokens, *hints)
    copy.set_weights(head.get_weights())
    padded = with_garbage(with_padding(tokens))
    for says, again in {
        "the order of the dict has an effect": head(
            dict(reversed(tokens.items())), *hints, training=False
        ),
        "masked places have an effect": head(padded, *hints, training=False),
        "a copy made from the configuration differs": copy(tokens, *hints, training=False),
    }.items():
        for name, value in outputs.items():
            # Where an output has a place for each token, there are more of them with padding.
            here = np.array(again[name])[tuple(map(slice, value.shape))]
            np.testing.assert_allclose(
                here, value, atol=1e-4, rtol=1e-5, err_msg=f"output {name!r}: {says}"
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
        assert output in ("", *outputs), f"a metric reads {output!r} of {sorted(outputs)}"
        for metric, other in zip(metrics, second[output]):
            assert metric is not other, f"metric {metric.name!r} must be new at each call"
            made = outputs[output] if output else outputs
            metric.update_state(target, made, sample_weight=np.array([1.0, 1, 0, 0]))
            result = np.array(metric.result())
            assert np.isfinite(result).all(), f"metric {metric.name!r} is not finite: {result}"


def _check_decode(task: Task, outputs: Mapping[str, Any], origins: Tensors) -> None:
    decoded = task.decode(dict(outputs), origins)
    in_graph = tf.function(task.decode)(dict(outputs), origins)
    for name, value in decoded.items():
        assert value.shape[0] == 4, f"decoded {name!r} is {value.shape}; B must come first"
        same = np.array_equal(value, in_graph[name])
        # The last bit of a sample of sound may differ.
        assert same or not task.exact, f"decoded {name!r} differs in a graph"


def _check_learning(task: Task, samples: _Samples, steps: int) -> None:
    learned = [samples.prepared(number) for number in range(len(samples.labels))]
    x = {
        f"{field}_{name}": tf.stack([inputs[field][name] for inputs, _ in learned])
        for field, modality in samples.fields.items()
        for name in modality.specs()
    }
    y = {"answer": tf.stack([target for _, target in learned])}
    model = MultimodalModel(
        samples.fields, {"answer": task}, size="tiny", fusion=Late(16), dropout=0.0
    )
    model.compile(optimizer=keras.optimizers.Adam(0.02))
    hints = _hints(task, y["answer"])
    told_too = x if hints is None else x | hints_of("answer", hints)
    batch = tf.data.Dataset.from_tensors((told_too, y))
    before = model.evaluate(batch, return_dict=True, verbose=0)["loss"]
    told = ""
    for _ in range(0, steps, _AT_ONCE):
        model.fit(batch.repeat(_AT_ONCE), shuffle=False, verbose=0)
        outputs = model.predict_on_batch(x)
        after = model.evaluate(batch, return_dict=True, verbose=0)["loss"]
        told = "" if after < 0.5 * before else f"its loss goes from {before:.4f} to {after:.4f}"
        if task.labelled and task.exact and not told:
            answers = model.decode(outputs, samples.origins(len(learned)))
            answers = [answer["answer"] for answer in answers]
            told = _difference(samples, y["answer"].numpy(), answers)
        if not told:
            break
    assert not told, f"a batch is not learned by heart in {steps} steps: {told}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        loaded = keras.saving.load_model(path)
    for name, value in loaded.predict_on_batch(x)["answer"].items():
        expected = outputs["answer"][name]
        np.testing.assert_allclose(value, expected, atol=1e-5, err_msg=f"{name} of a loaded model")


def _difference(samples: _Samples, targets: np.ndarray, answers: list[dict[str, Any]]) -> str:
    """What comes first in an answer is a label again: how it differs from what was learned."""
    again = np.stack(
        [
            samples.target(number, samples.task.encode(next(iter(answer.values()))))
            for number, answer in enumerate(answers)
        ]
    )
    allowed = 0.2 * np.ptp(targets) if targets.dtype.kind == "f" else 0
    if np.abs(again - targets).max() <= allowed:
        return ""
    return f"the targets were {targets.tolist()}, and the answers are {again.tolist()}"
