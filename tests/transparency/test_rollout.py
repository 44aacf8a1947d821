"""Rollout is the product of its layers' attention."""

import numpy as np
import pytest

import mmkeras as mm
from mmkeras.layers import MultiHeadAttention
from mmkeras.transparency import rollout
from mmkeras.transparency.opened import Opened
from mmkeras.transparency.rollout import attended


def by_hand(model, opened, text):
    """In NumPy, from the weights that Keras' layers return when they are asked for them."""
    encoder = model.encoders["text"]
    values = encoder.positions(encoder.embedding(opened.tensors["text_token_ids"]))
    mask = np.array(opened.tensors["text_token_ids"] != 0)
    flow = np.eye(mask.shape[1])
    for block in encoder.stack.blocks:
        layer = next(
            part for part in block._flatten_layers() if isinstance(part, MultiHeadAttention)
        )
        kept = []
        original = layer.call

        def spied(*args, kept=kept, original=original, **kwargs):
            made = original(*args, **kwargs | {"return_attention_weights": True})
            kept.append(np.array(made[1]))
            return made[0]

        layer.call = spied
        values = block(values, attention_mask=mask)
        layer.call = original
        flow = (kept[0][0].mean(axis=0) + np.eye(len(flow))) / 2 @ flow
    scores = flow[mask[0]].mean(axis=0) * mask[0]
    return scores / scores.sum()


def test_equals_the_product_by_hand(reader, held_out):
    text = {"text": held_out[0]["text"]}
    expected = by_hand(reader, Opened(reader, text), text)
    np.testing.assert_allclose(rollout(reader, text).scores["text"], expected, atol=1e-5)


def test_fields_share_one(both, held_out):
    row = {field: held_out[0][field] for field in ("text", "photo")}
    found = rollout(both, row)
    assert sum(scores.sum() for scores in found.scores.values()) == pytest.approx(1.0)
    assert found.scores["photo"].shape == (4,) and (found.scores["photo"] > 0).all()
    alone = rollout(both, {"text": row["text"]})
    assert not alone.scores["photo"].any()


def test_recording_changes_no_answer(both, held_out):
    row = {field: held_out[0][field] for field in ("text", "photo")}
    opened = Opened(both, row)
    seen = attended(opened)
    np.testing.assert_allclose(
        opened.evidence(seen.fused, "up"),
        opened.evidence(opened.fused(opened.tokens()), "up"),
        atol=1e-5,
    )
    assert len(seen.encoders["text"]) == len(seen.fusion) == 2


def test_what_cannot_be_followed_back_is_refused():
    fields = {"text": mm.Text.tiny(), "other": mm.Text.tiny()}
    task = {"mood": mm.Classification(["up", "down"])}
    crossed = mm.MultimodalModel(
        fields, task, size="tiny", fusion=mm.fusions.CrossAttention.of_size("tiny")
    )
    with pytest.raises(ValueError, match=r"fusion CrossAttention.*use integrated_gradients"):
        rollout(crossed, {"text": "the dog", "other": "a cat"})
