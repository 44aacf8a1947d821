"""Calibration is that of its formula, and a calibrated model decides as before."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import optimize
from sklearn.calibration import calibration_curve

import mmkeras as mm
from mmkeras.evaluation import calibrate, fitted_temperature, reliability
from mmkeras.sources import Table


def sure_logits(seed=0, size=2_000, classes=4, by=3.0):
    """Logits that are `by` times as sure as is right."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(size, classes))
    odds = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return by * logits, np.array([random.choice(classes, p=p) for p in odds])


def test_curve_is_that_of_scikit_learn():
    random = np.random.default_rng(0)
    first = random.random(500)
    targets = (random.random(500) < first**2).astype(int)
    made = reliability(np.stack([1 - first, first], axis=1), targets, bins=10)
    sure, right = np.maximum(first, 1 - first), (first > 0.5) == targets
    accuracy, confidence = calibration_curve(right, sure, n_bins=10)
    np.testing.assert_allclose(made.accuracy, accuracy)
    np.testing.assert_allclose(made.confidence, confidence)
    counts = np.histogram(sure, bins=10, range=(0, 1))[0]
    counts = counts[counts > 0]
    assert made.ece == pytest.approx(np.sum(np.abs(accuracy - confidence) * counts) / 500)


def test_as_many_answers_as_targets():
    for function in (reliability, fitted_temperature):
        with pytest.raises(ValueError, match="3 answers, but 2 targets"):
            function(np.ones([3, 2]) / 2, np.array([0, 1]))


@pytest.mark.parametrize("several", [False, True])
def test_temperature_is_the_most_likely_one(several):
    logits, targets = sure_logits()
    if several:
        targets = (np.random.default_rng(1).random(logits.shape) < 0.4 + 0.1 * (logits > 0)) * 1.0

    def nll(temperature):
        scaled = logits / temperature
        if several:
            return np.mean(np.logaddexp(0, scaled) - targets * scaled)
        log_sum = np.logaddexp.reduce(scaled, axis=1)
        return np.mean(log_sum - scaled[np.arange(len(scaled)), targets])

    best = optimize.minimize_scalar(nll, bounds=(0.05, 20), method="bounded").x
    assert nll(fitted_temperature(logits, targets)) <= nll(best) + 1e-9


def test_calibrated_model_is_less_sure_decides_as_before_and_exports_it(tmp_path):
    random = np.random.default_rng(0)
    words = ["good", "bad", "fine"]
    rows = [{"text": random.choice(words), "mood": random.choice(["up", "down"])}
            for _ in range(64)]  # fmt: skip
    fields = {"text": mm.Text.adapt(Table(rows), "text", vocabulary_size=30, max_length=6)}
    model = mm.MultimodalModel(fields, {"mood": mm.Classification(["up", "down"])}, size="tiny")
    head = model.get_layer("mood")
    # Moods are drawn: whatever it says, it is too sure.
    head.pooling.set_weights([8 * weight for weight in head.pooling.get_weights()])
    before = model.answer([{"text": word} for word in words])
    done = calibrate(model, Table(rows))
    after = model.answer([{"text": word} for word in words])
    assert done.temperature > 1 and done.after < done.before
    for one, other in zip(before, after):
        assert one["mood"]["label"] == other["mood"]["label"]
        assert other["mood"]["probability"] < one["mood"]["probability"]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.tasks["mood"].temperature == done.temperature
    np.testing.assert_allclose(
        again.answer({"text": "bad"})["mood"]["probability"],
        after[1]["mood"]["probability"],
        rtol=1e-5,
    )
    mm.export.saved_model(model, tmp_path / "moods" / "1")
    served = tf.saved_model.load(str(tmp_path / "moods" / "1")).signatures["serving_default"]
    found = served(text=tf.constant(["bad"]))["mood_probability"]
    np.testing.assert_allclose(found, [after[1]["mood"]["probability"]], rtol=1e-5)


def test_no_labels_no_calibration():
    model = mm.MultimodalModel(
        {"text": mm.Text.tiny()}, {"mood": mm.Classification(["up", "down"])}, size="tiny"
    )
    with pytest.raises(ValueError, match=r"no sample of .* has a label for 'mood'"):
        calibrate(model, Table([{"text": "the dog", "mood": None}]))
    with pytest.raises(ValueError, match="temperature must be above 0"):
        model.set_task("mood", temperature=0.0)
