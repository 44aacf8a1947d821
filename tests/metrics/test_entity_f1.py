"""Entities found, against seqeval's strict mode."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from seqeval import scheme as seqeval
from seqeval.metrics.v1 import classification_report

from mmkeras.layers import TagScheme
from mmkeras.metrics import EntityF1

SCHEMES = {"BIO": seqeval.IOB2, "BILOU": seqeval.BILOU}
TYPES = ("PER", "LOC", "WORK-OF-ART")


def taggings(scheme, count, length, seed):
    """True tag ids with -1 in places, and predictions near them: many right, many illegal."""
    draw = np.random.default_rng(seed)
    true = draw.integers(0, scheme.size, (count, length))
    for row in true[::2]:  # Half of them legal.
        cuts = np.sort(draw.choice(length + 1, 6, replace=False))
        spans = [(*cuts[i : i + 2].tolist(), draw.choice(scheme.types)) for i in (0, 2, 4)]
        row[:] = scheme.encode(spans, length)
    changed = draw.random(true.shape) < draw.choice([0.0, 0.1, 0.6], (count, 1))
    predicted = np.where(changed, draw.integers(0, scheme.size, true.shape), true)
    masked = draw.random(true.shape) < draw.choice([0.0, 0.3, 1.0], (count, 1), p=[0.5, 0.4, 0.1])
    return np.where(masked, -1, true), np.where(masked, draw.integers(-1, 9, true.shape), predicted)


def by_seqeval(scheme, true, predicted):
    """Its report, under our names."""
    kept = [[scheme.tags[tag] for tag in row[row >= 0]] for row in true]
    given = [[scheme.tags[tag] for tag in row[of >= 0]] for row, of in zip(predicted, true)]
    report = classification_report(
        kept, given, scheme=SCHEMES[scheme.scheme], output_dict=True, zero_division=0
    )

    def named(numbers):
        values = {"f1" if name == "f1-score" else name: float(n) for name, n in numbers.items()}
        return values | {"support": int(numbers["support"])}

    return {
        "micro": named(report["micro avg"]),
        "macro": named(report["macro avg"]),
        "types": {name: named(report[name]) for name in scheme.types if name in report},
    }


def same(mine, theirs):
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        if isinstance(value, dict):
            same(value, theirs[name])
        else:
            # Sums in another order differ in the last bit of a float64.
            assert value == pytest.approx(theirs[name], rel=1e-15, abs=0), name


@pytest.mark.parametrize("name", SCHEMES)
def test_a_thousand_taggings_count_as_in_seqeval(name):
    scheme = TagScheme(TYPES, name)
    true, predicted = taggings(scheme, 1_000, 11, seed=0)
    expected = by_seqeval(scheme, true, predicted)
    assert expected["micro"]["support"] > 500 and 0.2 < expected["micro"]["f1"] < 0.9
    for measure in ("f1", "precision", "recall"):
        metric = EntityF1(scheme, measure)
        for begin in range(0, 1_000, 300):
            metric.update_state(true[begin : begin + 300], predicted[begin : begin + 300])
        assert float(metric.result()) == pytest.approx(expected["micro"][measure], rel=1e-6)
        same(metric.report(), expected)


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("seed", range(30))
def test_a_few_taggings_count_as_in_seqeval(name, seed):
    """In so few, types are missing, and what is divided by is zero."""
    scheme = TagScheme(TYPES, name)
    true, predicted = taggings(scheme, 3, 7, seed)
    metric = EntityF1(scheme)
    metric.update_state(true, predicted)
    expected = by_seqeval(scheme, true, predicted)
    nothing = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
    expected["types"] = dict.fromkeys(TYPES, nothing) | expected["types"]
    same(metric.report(), expected)


def test_nothing_there_gives_zeros():
    metric = EntityF1(TagScheme(("x",)))
    metric.update_state(np.full((2, 5), -1), np.zeros((2, 5)))
    nothing = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
    assert float(metric.result()) == 0.0
    assert metric.report() == {"micro": nothing, "macro": nothing, "types": {"x": nothing}}


def test_a_text_counts_as_much_as_its_weight():
    scheme = TagScheme(TYPES)
    true, predicted = taggings(scheme, 20, 9, seed=3)
    repeats = np.arange(20) % 4
    weighted, repeated = EntityF1(scheme), EntityF1(scheme)
    repeated.update_state(np.repeat(true, repeats, axis=0), np.repeat(predicted, repeats, axis=0))
    for weights in (repeats, repeats[:, None].astype("float16")):
        weighted.reset_state()
        weighted.update_state(true, predicted, sample_weight=weights)
        same(weighted.report(), repeated.report())
    half = EntityF1(scheme)
    half.update_state(true, predicted, sample_weight=np.full(20, 0.25))
    assert half.report()["micro"]["support"] == np.isin(true, [1, 3, 5]).sum() / 4


def test_inside_fit():
    """A layer that gives its input back, so that the metric sees tag ids, in several batches."""
    scheme = TagScheme(TYPES, "BILOU")
    true, predicted = taggings(scheme, 64, 10, seed=5)
    metric = EntityF1(scheme, name="f1")
    given = keras.Input((None,), dtype="float32")
    model = keras.Model(given, keras.layers.Activation("linear")(given))
    for compiled in (False, True):
        model.compile(weighted_metrics=[metric], loss="mse", jit_compile=compiled)
        logs = model.evaluate(predicted, true, batch_size=16, return_dict=True, verbose=0)
        expected = by_seqeval(scheme, true, predicted)["micro"]["f1"]
        assert logs["f1"] == pytest.approx(expected, rel=1e-6)


def test_in_a_graph_of_unknown_shape():
    scheme = TagScheme(TYPES)
    metric = EntityF1(scheme)
    update = tf.function(
        metric.update_state, input_signature=[tf.TensorSpec([None, None], tf.int32)] * 2
    )
    true, predicted = taggings(scheme, 10, 8, seed=6)
    update(true, predicted)
    update(true[:, :3], predicted[:, :3])
    both = [
        np.concatenate([part, np.pad(part[:, :3], ((0, 0), (0, 5)), constant_values=-1)])
        for part in (true, predicted)
    ]
    expected = by_seqeval(scheme, *both)
    assert float(metric.result()) == pytest.approx(expected["micro"]["f1"], rel=1e-6)


def test_it_is_written_and_read():
    metric = EntityF1(TagScheme(TYPES, "BILOU"), "recall", name="found")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert (copy.scheme, copy.measure, copy.name) == (metric.scheme, "recall", "found")
    assert EntityF1(TagScheme(TYPES)).name == "entity_f1"
    with pytest.raises(ValueError, match=r"measure must be one of \['f1', .*got 'F1'"):
        EntityF1(TagScheme(TYPES), "F1")
