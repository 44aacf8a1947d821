"""Integrated gradients sum to the evidence, find what decides, and depend on what was learned."""

import keras
import numpy as np
import pytest

import mmkeras as mm
from mmkeras.layers import entering
from mmkeras.tokens import Tokens
from mmkeras.transparency import integrated_gradients
from mmkeras.transparency.opened import Opened


def sample_of(row):
    return {field: row[field] for field in ("text", "photo")}


@pytest.mark.parametrize("name", ["both", "pyramid"])
def test_scores_sum_to_the_difference_of_evidence(request, held_out, name):
    model = request.getfixturevalue(name)
    totals = []
    for row in held_out[:4]:
        sample = {field: row[field] for field in model.fields}
        found = integrated_gradients(model, sample, steps=128)
        opened = Opened(model, sample)
        tokens = opened.tokens()
        full = float(opened.evidence(opened.fused(tokens), found.of)[0])
        nothing = model.fields.split(model.fields.without(opened.tensors, model.fields))
        for field, given in model.fields.split(opened.tensors).items():
            entered = []
            with entering(lambda values, entered=entered: entered.append(values) or values):
                left = opened.encoded(field, nothing[field]).values
            if name == "both":
                with entering(lambda values, entered=entered: entered[0]):
                    left = opened.encoded(field, given).values
            tokens[field] = Tokens(left, tokens[field].mask)
        none = float(opened.evidence(opened.fused(tokens), found.of)[0])
        total = sum(scores.sum() for scores in found.scores.values())
        assert total == pytest.approx(full - none, abs=0.03 * abs(full - none) + 1e-3)
        totals.append(abs(total))
    assert max(totals) > 0.5


def test_the_word_that_decides_counts_most(reader, held_out):
    hits = 0
    for row in held_out:
        found = integrated_gradients(reader, {"text": row["text"]})
        words = found.words(reader, {"text": row["text"]}, "text")
        hits += max(words, key=lambda word: word[3])[2] in ("good", "bad")
    # By chance one word of five.
    assert hits >= 11


def test_other_weights_give_other_maps(reader, held_out):
    # Adebayo et al. 2018, "Sanity Checks for Saliency Maps".
    fresh = reader.from_config(reader.get_config())
    same = []
    for row in held_out[:6]:
        text = {"text": row["text"]}
        learned, random = (
            integrated_gradients(model, text, of="up").scores["text"] for model in (reader, fresh)
        )
        again = integrated_gradients(reader, text, of="up").scores["text"]
        np.testing.assert_allclose(learned, again, atol=1e-6)
        same.append(np.corrcoef(np.abs(learned), np.abs(random))[0, 1])
    assert np.mean(same) < 0.7


def test_drawn_over_picture_and_words(looker, both, held_out):
    row = held_out[0]
    found = integrated_gradients(looker, {"photo": row["photo"]})
    picture = found.draw(looker, {"photo": row["photo"]}, "photo")
    assert picture.shape == (16, 16, 3) and picture.dtype == "uint8"
    found = integrated_gradients(both, sample_of(row))
    words = found.words(both, sample_of(row), "text")
    assert " ".join(word for *_, word, _ in words) == row["text"]
    drawn = found.draw(both, sample_of(row), "text")
    strongest = max(words, key=lambda word: abs(word[3]))[3]
    red, _, blue = drawn.reshape(-1, 3)[np.ptp(drawn, axis=-1).argmax()].astype(int)
    assert (red > blue) == (strongest > 0)
    with pytest.raises(ValueError, match="Image does not tell"):
        found.words(both, sample_of(row), "photo")


def test_drawn_over_sound():
    keras.utils.set_random_seed(0)
    speech = mm.Audio(seconds=1.0)
    model = mm.MultimodalModel({"speech": speech}, {"stars": mm.Regression()}, size="tiny")
    random = np.random.default_rng(0)
    sample = {"speech": random.normal(size=8_000).astype("float32") * 0.1}
    found = integrated_gradients(model, sample)
    picture = found.draw(model, sample, "speech")
    # Half a second: 48 frames of 10 ms and what a frame is longer, two pixels each.
    assert picture.ndim == 3 and 90 <= picture.shape[1] <= 104
