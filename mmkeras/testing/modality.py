"""Does a modality keep its contract?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from mmkeras.contracts.modality import Modality
from mmkeras.testing.round_trip import round_trip

_PYTHON_OPS = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}
_ATOL = 1e-5


def check_modality(modality: Modality) -> None:
    """Raises an AssertionError unless the modality keeps its contract; see `Modality`.

    It writes and reads its configuration; makes just what `specs` states, and the same alone, in a
    batch, in `tf.function` and in `tf.data`; uses no Python in its graph; takes the empty string
    for an absent value; augments repeatably and leaves absent values absent; cuts padding alone.

    Args:
        modality: any instance, such as `tiny()`; a small one is checked faster.

    Example:

    >>> from mmkeras.modalities import Text
    >>> check_modality(Text.tiny())
    """
    raw = [*modality.samples(), b""]
    samples = [_arrays(modality.preprocess(tf.constant(value))) for value in raw]
    _check_encoding(modality)
    _check_configuration(modality, raw, samples)
    for sample in samples:
        _check_specs(modality, sample, "preprocess")
    _check_same(samples[-1], modality.absent(), "an empty string must give what absent() gives")
    _check_graph(modality)
    _check_everywhere(modality, raw, samples)
    _check_augment(modality, samples)
    _check_trim(modality, samples)


def _check_encoding(modality: Modality) -> None:
    assert modality.encode(None) == b"", "encode(None) must be the empty string"
    assert len(set(modality.samples())) > 1, "samples() must hold values that differ"
    for value in modality.samples():
        assert isinstance(value, bytes) and value, "samples() must hold bytes that are not empty"
        assert modality.encode(value) == value, "encode must leave raw values as they are"
    raw = [*modality.samples(), b""]
    converted = list(modality.convert(tf.constant(raw)).numpy())
    assert converted == raw, "convert must leave raw values as they are"
    try:
        modality.encode(object())
    except TypeError:
        return
    raise AssertionError("encode must raise a TypeError for what it cannot read")


def _check_configuration(modality: Modality, raw: list[bytes], samples: list[Any]) -> None:
    copy = round_trip(modality)
    assert copy == modality, f"the configuration gives another modality: {copy} for {modality}"
    assert hash(copy) == hash(modality), "equal modalities must have equal hashes"
    for value, sample in zip(raw, samples):
        again = _arrays(copy.preprocess(tf.constant(value)))
        _check_same(again, sample, "a copy made from the configuration preprocesses differently")


def _check_specs(modality: Modality, sample: Mapping[str, np.ndarray], step: str) -> None:
    specs = modality.specs()
    assert set(sample) == set(specs), f"{step} gives {sorted(sample)}, specs {sorted(specs)}"
    for name, spec in specs.items():
        given = sample[name]
        assert given.shape == spec.shape, f"{step}: {name} is {given.shape}, not {spec.shape}"
        assert given.dtype == spec.dtype, f"{step}: {name} is {given.dtype}, not {spec.dtype}"
        assert np.isfinite(given).all(), f"{step}: {name} is not finite"


def _check_graph(modality: Modality) -> None:
    """Every operation is one that a process without Python has."""
    one, many = tf.TensorSpec([], tf.string), tf.TensorSpec([None], tf.string)
    for step, spec in ((modality.preprocess, one), (modality.preprocess_batch, many)):
        traced = tf.function(step, input_signature=[spec]).get_concrete_function()
        graph = traced.graph.as_graph_def()
        nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
        python = sorted({node.op for node in nodes} & _PYTHON_OPS)
        assert not python, f"{step.__name__} runs Python ({python}), which no export can take along"
        for name, static in modality.specs().items():
            shape = traced.structured_outputs[name].shape[len(spec.shape) :]
            assert shape == static.shape, (
                f"{step.__name__}: {name} has the static shape {shape}, not {static.shape}"
            )


def _check_everywhere(modality: Modality, raw: list[bytes], samples: list[Any]) -> None:
    """The same in a graph, in `tf.data` and in a batch."""
    in_graph = tf.function(modality.preprocess, input_signature=[tf.TensorSpec([], tf.string)])
    in_data = tf.data.Dataset.from_tensor_slices(raw).map(modality.preprocess)
    batch = _arrays(modality.preprocess_batch(tf.constant(raw)))
    for i, (value, streamed) in enumerate(zip(raw, in_data.as_numpy_iterator(), strict=True)):
        _check_same(_arrays(in_graph(value)), samples[i], "preprocess differs in tf.function")
        _check_same(streamed, samples[i], "preprocess differs in tf.data")
        row = {name: tensor[i] for name, tensor in batch.items()}
        _check_same(row, samples[i], "preprocess_batch differs from preprocess")
        _check_specs(modality, row, "preprocess_batch")


def _check_augment(modality: Modality, samples: list[Any]) -> None:
    augment = tf.function(modality.augment)
    for sample in samples:
        tensors = {name: tf.constant(value) for name, value in sample.items()}
        for seed in (tf.constant([1, 2]), tf.constant([-5, 2**31 - 1])):
            changed = _arrays(augment(tensors, seed))
            _check_specs(modality, changed, "augment")
            again = _arrays(augment(tensors, seed))
            _check_same(again, changed, "augment differs for the same seed")
    absent = {name: tf.constant(value) for name, value in modality.absent().items()}
    changed = _arrays(augment(absent, tf.constant([1, 2])))
    _check_same(changed, modality.absent(), "augment must leave an absent value absent")


def _check_trim(modality: Modality, samples: list[Any]) -> None:
    lengths = [
        modality.length({name: tf.constant(value) for name, value in sample.items()}).numpy()
        for sample in samples
    ]
    assert all(length.dtype == np.int32 and length.shape == () for length in lengths), (
        "length must be int32 []"
    )
    assert lengths[-1] == 0, "an absent value must have length 0"
    batch = {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}
    tensors = {name: tf.constant(value) for name, value in batch.items()}
    if modality.ragged is None:
        assert not any(lengths), "length must be 0 where nothing is ragged"
        _check_same(_arrays(modality.trim(tensors, tf.constant(0))), batch, "trim must do nothing")
        return
    whole = batch[modality.ragged].shape[1]
    assert max(lengths) <= whole, f"length {max(lengths)} is more than the {whole} places there are"
    longest = max(lengths)
    trimmed = _arrays(modality.trim(tensors, tf.constant(longest)))
    expected = batch | {modality.ragged: batch[modality.ragged][:, :longest]}
    _check_same(trimmed, expected, f"trim must keep the first places of {modality.ragged} alone")
    padding = np.arange(whole) >= np.array(lengths)[:, None]
    behind = batch[modality.ragged][padding]
    assert not behind.any(), f"{modality.ragged} must be 0 behind its length"


def _check_same(actual: Mapping[str, Any], expected: Mapping[str, Any], says: str) -> None:
    assert set(actual) == set(expected), f"{says}: {sorted(actual)}, not {sorted(expected)}"
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name], value, atol=_ATOL, err_msg=f"{says}: {name}")


def _arrays(tensors: Mapping[str, tf.Tensor]) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in tensors.items()}
