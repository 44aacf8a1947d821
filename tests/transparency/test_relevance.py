"""Relevance is that of its formula, finds what decides, and depends on what was learned."""

import numpy as np
import pytest
import tensorflow as tf

from mmkeras.transparency import relevance
from mmkeras.transparency.opened import Opened
from mmkeras.transparency.rollout import attended


def test_equals_its_formula_by_numerical_gradients(reader, held_out, monkeypatch):
    """Gradients of the attention weights by differences, where autodiff is not asked."""
    from mmkeras.layers import attention

    text = {"text": held_out[0]["text"]}
    found = relevance(reader, text, of="up")
    opened = Opened(reader, text)
    seen = attended(opened)
    layers = [weights.numpy().astype("float64") for weights in seen.encoders["text"]]
    original = attention.attention_weights

    def evidence(changed):
        calls = iter(changed)
        monkeypatch.setattr(
            attention, "attention_weights", lambda *_: tf.constant(next(calls), tf.float32)
        )
        made = float(opened.evidence(attended(opened).fused, "up")[0])
        monkeypatch.setattr(attention, "attention_weights", original)
        return made

    length = int(np.array(seen.tokens["text"].mask).sum())
    step, reached = 0.05, np.eye(layers[0].shape[-1])
    for number, weights in enumerate(layers):
        gradient = np.zeros_like(weights)
        for place in np.ndindex(1, weights.shape[1], length, length):
            moved = []
            for sign in (1, -1):
                changed = [each.copy() for each in layers]
                changed[number][place] += sign * step
                moved.append(evidence(changed))
            gradient[place] = (moved[0] - moved[1]) / (2 * step)
        reached = reached + np.maximum(weights * gradient, 0)[0].mean(axis=0) @ reached
    values = seen.fused["text"].values.numpy()
    with tf.GradientTape() as tape:
        fused = tf.constant(values)
        tape.watch(fused)
        made = opened.evidence({"text": seen.fused["text"]._replace(values=fused)}, "up")
    added = np.maximum((tape.gradient(made, fused).numpy() * values).sum(-1), 0)[0]
    mask = seen.tokens["text"].mask.numpy()[0]
    expected = (added * mask) @ reached * mask
    expected = expected / expected.sum()
    np.testing.assert_allclose(found.scores["text"], expected, atol=0.02)


def test_the_patch_that_decides_counts_most(looker, held_out):
    hits = 0
    for row in held_out:
        found = relevance(looker, {"photo": row["photo"]})
        hits += int(found.scores["photo"].argmax()) == 2 * row["place"][0] + row["place"][1]
    # By chance one patch of four.
    assert hits >= 12


def test_shares_of_all_fields(both, held_out):
    row = {field: held_out[0][field] for field in ("text", "photo")}
    found = relevance(both, row)
    assert sum(scores.sum() for scores in found.scores.values()) == pytest.approx(1.0)
    assert all((scores >= 0).all() for scores in found.scores.values())


def test_other_weights_give_other_maps(looker, held_out):
    fresh = looker.from_config(looker.get_config())
    rows = [{"photo": row["photo"]} for row in held_out[:8]]
    learned, random = (
        np.stack([relevance(model, row, of="up").scores["photo"] for row in rows])
        for model in (looker, fresh)
    )
    assert np.abs(learned - random).mean() > 0.05


def test_frozen_models_are_explained_too(looker, held_out):
    row = {"photo": held_out[0]["photo"]}
    before = relevance(looker, row, of="up").scores["photo"]
    looker.trainable = False
    try:
        np.testing.assert_allclose(relevance(looker, row, of="up").scores["photo"], before)
    finally:
        looker.trainable = True
