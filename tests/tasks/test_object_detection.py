"""Objects: labels become targets that follow the picture, and answers are in its own pixels."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given
from hypothesis import strategies as st

import mmkeras as mm
from mmkeras.encoders import VisionPyramid
from mmkeras.fusions import Late
from mmkeras.modalities import Image
from mmkeras.objects import written
from mmkeras.sources import Table
from mmkeras.tasks import ObjectDetection

TASK = ObjectDetection(["cat", "red dog"], max_objects=3)


def picture(height=30, width=50):
    return np.random.default_rng(0).integers(0, 255, (height, width, 3)).astype("uint8")


def tensors(image, array):
    made = image.preprocess_batch(tf.constant([image.encode(array)]), origins=True)
    return {name: value[0] for name, value in made.items()}


def target(label, image=None, array=None):
    sample = tensors(image or Image(size=32), picture() if array is None else array)
    return TASK.target(tf.constant(written(label)), {"image": sample}).numpy()


def test_a_label_becomes_boxes_in_shares_of_what_the_model_sees():
    objects = [
        {"box": [10, 5, 20, 25], "label": "red dog"},
        {"box": [0, 0, 50, 30], "label": "cat", "crowd": True},
    ]
    made = target(objects, Image(size=(64, 100)))
    # Padding at the top and the bottom: 50 x 30 become 100 x 60 in the middle of 100 x 64.
    np.testing.assert_allclose(made[0], [0.2, 12 / 64, 0.4, 52 / 64, 1, 0], atol=1e-6)
    np.testing.assert_allclose(made[1], [0, 2 / 64, 1, 62 / 64, 0, 1], atol=1e-6)
    np.testing.assert_array_equal(made[2], [0, 0, 0, 0, -1, 0])
    for nothing in ([], None):
        assert (target(nothing)[:, 4] == -1).all()


@pytest.mark.parametrize(
    ("label", "says"),
    [
        (b"1 2 3 4 2 0 bird", r"unknown class in .*bird.*the classes are cat, red dog"),
        (b"1 2 3 cat", r"no list of objects"),
        (
            b"0 0 60 20 1200 0 cat",
            r"the box .0 0 60 20. leaves the picture of 30 rows of 50 pixels",
        ),
        (b"7 2 7 20 0 0 cat", r"the box .7 2 7 20. has no area"),
        (b"\n".join([b"1 2 3 4 2 0 cat"] * 4), r"4 objects, more than max_objects=3"),
    ],
)
def test_what_is_wrong_with_a_label_is_told_with_its_place(label, says):
    table = Table([{"image": picture(), "objects": [], "n": 1}, {"image": picture()}])
    model_fields, tasks = {"image": Image(size=32)}, {"objects": TASK}
    table._columns["objects"] = [label, None]
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"sample 1.*{says}"):
        list(mm.pipeline(table, model_fields, tasks))


@given(st.integers(0, 10_000))
def test_boxes_follow_the_picture_exactly(seed):
    """A white rectangle, wherever augmentation brings it, is where its box is."""
    image = Image(size=64, jitter=0.0, min_crop=0.3, zoom_out=2.0, background=(0, 0, 0),
                  mean=0.0, std=1.0)  # fmt: skip
    array = np.zeros((64, 64, 3), "uint8")
    array[20:50, 8:40] = 255
    sample = tensors(image, array)
    label = tf.constant(written([{"box": [8, 20, 40, 50], "label": "cat"}]))
    goal = TASK.target(label, {"image": sample})
    changed = image.augment(sample, tf.constant([seed, 0]))
    _, made = TASK.prepare({"image": changed}, goal, tf.constant([0, 0]))
    box, kind, crowd = made[0, :4].numpy() * 64, made[0, 4], made[0, 5]
    white = changed["pixels"].numpy()[..., 0]
    if kind < 0:
        assert white.max() < 0.6
        return
    columns, rows = np.flatnonzero(white.max(0) >= 0.5), np.flatnonzero(white.max(1) >= 0.5)
    if not len(columns):
        assert (box[2:] - box[:2]).min() < 1
        return
    seen = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    np.testing.assert_allclose(box, seen, atol=0.51)
    whole = np.abs(np.linalg.inv(changed["moved"][:, :2])).sum(1) * [32, 30]
    share = np.prod(box[2:] - box[:2]) / np.prod(whole)
    assert (crowd == 1) == (share < 0.25) or abs(share - 0.25) < 1e-3


@given(
    fit=st.sampled_from(["pad", "crop", "stretch"]),
    shape=st.tuples(st.integers(10, 90), st.integers(10, 90)),
)
def test_answers_undo_the_fit(fit, shape):
    image = Image(size=(40, 48), fit=fit)
    sample = tensors(image, picture(*shape))
    x, y = np.array([0.3, 0.6]) * shape[1], np.array([0.35, 0.7]) * shape[0]
    box = [x[0], y[0], x[1], y[1]]
    label = tf.constant(written([{"box": box, "label": "red dog"}]))
    _, goal = TASK.prepare(
        {"image": sample}, TASK.target(label, {"image": sample}), tf.constant([0, 0])
    )
    cell = goal[None, :1, :4]
    outputs = {"logits": tf.constant([[[-9.0, 9.0]]]), "boxes": cell, "cells": cell}
    origins = {name: sample[name][None] for name in ("size", "view")}
    (found,) = TASK.read(
        {k: v[0].numpy().tolist() for k, v in TASK.decode(outputs, {"image": origins}).items()}
        | {
            "label": [
                b.decode() for b in TASK.decode(outputs, {"image": origins})["label"][0].numpy()
            ]
        }
    )["objects"]
    assert found["label"] == "red dog"
    if fit != "crop":
        np.testing.assert_allclose(found["box"], box, atol=1e-3)


@pytest.fixture(scope="module")
def learned():
    """A pyramid that has learned two pictures by heart."""
    keras.utils.set_random_seed(0)
    image = Image(size=32, fit="pad")
    random = np.random.default_rng(0)
    rows = []
    for label, (y, x) in (("cat", (4, 6)), ("red dog", (14, 24))):
        array = random.integers(0, 60, (30, 44, 3)).astype("uint8")
        array[y : y + 12, x : x + 16, label == "cat"] = 255
        rows.append({"image": array, "objects": [{"box": [x, y, x + 16, y + 12], "label": label}]})
    stack = mm.layers.Size(dim=16, depth=1, num_heads=2, mlp_dim=32)
    model = mm.MultimodalModel(
        {"image": image},
        {"objects": TASK},
        encoders={"image": VisionPyramid.for_modality(image, stack, strides=(8, 16))},
        fusion=Late(16),
    )
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    source = Table(rows)
    model.fit(model.pipeline(source, cache=True).repeat(150), verbose=0, shuffle=False)
    return model, source, rows


def test_learns_where_objects_are_and_scores_say_so(learned):
    model, source, rows = learned
    for row in rows:
        best = model.answer({"image": row["image"]})["objects"]["objects"][0]
        assert best["label"] == row["objects"][0]["label"]
        np.testing.assert_allclose(best["box"], row["objects"][0]["box"], atol=4)
    scores = mm.evaluation.evaluate_scores(model, source)["objects"]
    assert scores["mAP50"] == pytest.approx(1)


def test_exported_models_answer_the_same(learned, tmp_path):
    model, _, rows = learned
    samples = [{"image": model.fields["image"].encode(row["image"])} for row in rows]
    seen = mm.export.saved_model(model, tmp_path / "pets/1", samples)
    assert seen.max_difference < 1e-4
    loaded = tf.saved_model.load(str(seen.path)).signatures["serving_default"]
    raw = loaded(image=tf.constant([sample["image"] for sample in samples]))
    for i, sample in enumerate(samples):
        answer = model.answer(sample)["objects"]["objects"]
        np.testing.assert_allclose(
            raw["objects_box"][i, : len(answer)], [found["box"] for found in answer], atol=0.1
        )
    lite = mm.export.litert(model, tmp_path / "pets.tflite", samples)
    assert lite.max_difference < 1e-4
    operations = {o["op_name"] for o in Interpreter(str(lite.path))._get_ops_details()}
    assert not {name for name in operations if "Flex" in name or "CUSTOM" in name}


def test_wrong_arguments_are_named():
    for arguments, says in (
        ({"classes": "cat"}, "list of names"),
        ({"classes": []}, "at least one class"),
        ({"classes": ["a", "a"]}, "named once; got 'a'"),
        ({"classes": ["a  b"]}, "name it 'a b'"),
        ({"classes": ["a"], "max_objects": 0}, "max_objects must be at least 1; got 0"),
        ({"classes": ["a"], "min_score": 2}, "min_score must be in"),
    ):
        with pytest.raises(ValueError, match=says):
            ObjectDetection(**arguments)


def test_a_field_without_a_grid_is_refused():
    with pytest.raises(ValueError, match=r"'text', whose Text cannot tell the .*'moved'"):
        mm.MultimodalModel(
            {"text": mm.Text.tiny()}, {"o": ObjectDetection(["a"], "text")}, size="tiny"
        )


def test_a_label_without_its_picture_counts_for_nothing():
    box = [{"box": [2, 3, 20, 21], "label": "cat"}]
    rows = [{"image": picture(), "objects": box}, {"image": None, "objects": box}]
    fields = {"image": Image(size=32), "note": mm.Text.tiny()}
    table = Table([row | {"note": "a cat"} for row in rows])
    _, targets, weights = next(iter(mm.pipeline(table, fields, {"objects": TASK})))
    assert weights["objects"].numpy().tolist() == [1, 0]
    assert (targets["objects"][1, :, 4].numpy() == -1).all()
    hidden = mm.pipeline(table, fields, {"objects": TASK}, only=["note"])
    assert next(iter(hidden))[2]["objects"].numpy().tolist() == [0, 0]


def test_what_lies_in_the_padding_is_not_answered():
    sample = tensors(Image(size=32), picture(16, 32))
    cell = tf.constant([[[0.2, 0.02, 0.5, 0.2], [0.2, 0.4, 0.5, 0.6]]])
    outputs = {"logits": tf.constant([[[9.0, -9.0], [9.0, -9.0]]]), "boxes": cell, "cells": cell}
    origins = {"image": {name: sample[name][None] for name in ("size", "view")}}
    decoded = TASK.decode(outputs, origins)
    assert decoded["label"][0].numpy().tolist().count(b"cat") == 1
