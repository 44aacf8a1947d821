"""Masks: they follow the picture, are answered at its own size, and exported."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

import mmkeras as mm
from mmkeras.encoders import VisionPyramid
from mmkeras.fusions import Late
from mmkeras.modalities import Image
from mmkeras.sources import Table
from mmkeras.tasks import SemanticSegmentation

TASK = SemanticSegmentation(["ground", "sky", "sea"], size=(32, 48))
RANDOM = np.random.default_rng(0)


def tensors(image, array):
    made = image.preprocess_batch(tf.constant([image.encode(array)]), origins=True)
    return {name: value[0] for name, value in made.items()}


@given(
    fit=st.sampled_from(["pad", "crop", "stretch"]),
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
)
def test_a_target_is_the_nearest_pixel_of_its_mask(fit, shape):
    image = Image(size=(64, 96), fit=fit)
    sample = tensors(image, np.zeros((*shape, 3), "uint8"))
    mask = RANDOM.integers(0, 3, shape).astype("uint8")
    mask[RANDOM.uniform(size=shape) < 0.1] = 255
    made = TASK.target(tf.constant(TASK.encode(mask)), {"image": sample}).numpy()
    x1, y1, x2, y2 = sample["view"].numpy()
    for row, column in RANDOM.integers(0, (32, 48), (20, 2)):
        x, y = x1 + (column + 0.5) / 48 * (x2 - x1), y1 + (row + 0.5) / 32 * (y2 - y1)
        if min(abs(x - round(x)), abs(y - round(y))) < 1e-3:
            continue  # Between two pixels.
        inside = 0 <= x < shape[1] and 0 <= y < shape[0]
        expected = mask[int(y), int(x)] if inside else 255
        assert made[row, column] == (-1 if expected == 255 else expected)


@given(st.integers(0, 10_000))
def test_masks_follow_the_picture_exactly(seed):
    """What is white in the picture is sky in the mask, wherever augmentation brings it."""
    image = Image(size=(64, 96), jitter=0.0, min_crop=0.3, zoom_out=2.0, rotation_deg=40.0,
                  background=(0, 0, 0), mean=0.0, std=1.0)  # fmt: skip
    mask = np.zeros((64, 96), "uint8")
    mask[10:50, 20:70] = 1
    mask[30:60, 60:90] = 1
    sample = tensors(image, np.repeat(mask[..., None] * 255, 3, -1))
    goal = SemanticSegmentation(TASK.classes, size=(64, 96)).target(
        tf.constant(TASK.encode(mask)), {"image": sample}
    )
    changed = image.augment(sample, tf.constant([seed, 0]))
    task = SemanticSegmentation(TASK.classes, size=(64, 96))
    _, made = task.prepare({"image": changed}, goal, tf.constant([0, 0]))
    white, made = changed["pixels"].numpy()[..., 0], made.numpy()
    # At borders a pixel is mixed.
    assert (made[white > 0.99] == 1).mean() > 0.99 if (white > 0.99).any() else True
    assert ((made == 1) & (white < 0.01)).sum() <= 0.01 * made.size
    moved = changed["moved"].numpy()
    corner = moved @ [0.5 / 96, 0.5 / 64, 1]
    assert (made[0, 0] == -1) == (not ((corner >= 0) & (corner < 1)).all())


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
def test_an_answer_is_as_large_as_its_picture(fit):
    """Scores that are exact at the size that is learned give back a smooth mask."""
    image = Image(size=(64, 96), fit=fit)
    y, x = np.mgrid[:120, :170]
    mask = ((x - 80) ** 2 + (y - 60) ** 2 < 45**2).astype("uint8") + (x + y > 220)
    sample = tensors(image, np.zeros((120, 170, 3), "uint8"))
    goal = TASK.target(tf.constant(TASK.encode(mask)), {"image": sample})
    outputs = {"logits": tf.one_hot(tf.maximum(goal, 0), 3)[None] * 9}
    origins = {"image": {name: sample[name][None] for name in ("size", "view")}}
    decoded = {name: value[0].numpy() for name, value in TASK.decode(outputs, origins).items()}
    answer = TASK.read(decoded)
    assert answer["mask"].shape == mask.shape
    x1, y1, x2, y2 = np.clip(sample["view"].numpy(), 0, [170, 120, 170, 120]).astype(int)
    seen = (slice(y1, y2), slice(x1, x2))
    assert (answer["mask"][seen] == mask[seen]).mean() > 0.97
    assert sum(answer["shares"].values()) == pytest.approx(1)
    assert answer["shares"]["sky"] == pytest.approx((answer["mask"] == 1).mean(), abs=1e-6)
    import io

    png = Pillow.open(io.BytesIO(answer["png"]))
    assert png.mode == "P"
    np.testing.assert_array_equal(np.array(png), answer["mask"])


def test_what_is_wrong_with_a_mask_is_told_with_its_place(tmp_path):
    masks = {
        "small.png": np.zeros((4, 5), "uint8"),
        "wrong.png": np.full((6, 5), 7, "uint8"),
    }
    for name, mask in masks.items():
        Pillow.fromarray(mask).save(tmp_path / name)
    (tmp_path / "broken.png").write_bytes((tmp_path / "wrong.png").read_bytes()[:40])
    picture = np.zeros((6, 5, 3), "uint8")
    for name, says in (
        ("small.png", r"the mask has 4 rows of 5 pixels, its picture 6 of 5"),
        ("wrong.png", r"the mask holds 7; there are classes 0 to 2, and 255 for none"),
        ("broken.png", r"cut off"),
        ("missing.png", r"missing\.png"),
    ):
        table = Table([{"image": picture, "mask": name}], folder=tmp_path)
        with pytest.raises(tf.errors.OpError, match=rf"sample 1.*{name}.*{says}|{says}"):
            list(mm.pipeline(table, {"image": Image(size=8)}, {"mask": TASK}))


@pytest.fixture(scope="module")
def learned():
    keras.utils.set_random_seed(0)
    image = Image(size=32, fit="pad")
    random = np.random.default_rng(0)
    rows = []
    for kind, (y, x) in ((1, (4, 6)), (2, (10, 20))):
        array = random.integers(0, 60, (30, 44, 3)).astype("uint8")
        array[y : y + 14, x : x + 18, kind] = 255
        mask = np.zeros((30, 44), "uint8")
        mask[y : y + 14, x : x + 18] = kind
        rows.append({"image": array, "mask": mask})
    size = mm.layers.Size(dim=16, depth=1, num_heads=2, mlp_dim=32)
    model = mm.MultimodalModel(
        {"image": image},
        {"mask": SemanticSegmentation(TASK.classes, size=32)},
        encoders={"image": VisionPyramid.for_modality(image, size, strides=(4, 8))},
        fusion=Late(16),
    )
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    model.fit(model.pipeline(Table(rows)).repeat(60), verbose=0, shuffle=False)
    return model, rows


def test_learns_what_is_where_and_scores_say_so(learned):
    model, rows = learned
    for row in rows:
        answer = model.answer({"image": row["image"]})["mask"]
        assert (answer["mask"] == row["mask"]).mean() > 0.95
    scores = mm.evaluation.evaluate_scores(model, Table(rows))["mask"]
    assert scores["mIoU"] > 0.8
    assert set(scores["iou_by_class"]) == set(TASK.classes)


def test_exported_models_answer_the_same(learned, tmp_path):
    model, rows = learned
    samples = [{"image": model.fields["image"].encode(row["image"])} for row in rows]
    seen = mm.export.saved_model(model, tmp_path / "land/1", samples)
    loaded = tf.saved_model.load(str(seen.path)).signatures["serving_default"]
    raw = loaded(image=tf.constant([sample["image"] for sample in samples]))
    for i, sample in enumerate(samples):
        assert raw["mask_png"][i].numpy() == model.answer(sample)["mask"]["png"]
    lite = mm.export.litert(model, tmp_path / "land.tflite", samples)
    assert lite.max_difference == 0
    operations = {o["op_name"] for o in Interpreter(str(lite.path))._get_ops_details()}
    assert not {name for name in operations if "Flex" in name or "CUSTOM" in name}


def test_wrong_arguments_are_named():
    for arguments, says in (
        ({"classes": "sky"}, "list of names"),
        ({"classes": ["sky"]}, "2 to 255 classes; got 1"),
        ({"classes": ["a", "a"]}, "named once; got 'a'"),
        ({"classes": ["a", "b"], "ignore": 1}, "ignore must be from 2"),
        ({"classes": ["a", "b"], "size": 0}, "size must be a number of pixels"),
        ({"classes": ["a", "b"], "dice_weight": -1}, "dice_weight must be at least 0"),
        ({"classes": ["a", "b"], "class_weights": [1]}, "must be 2 numbers"),
    ):
        with pytest.raises(ValueError, match=says):
            SemanticSegmentation(**arguments)
    with pytest.raises(TypeError, match="a mask must be"):
        TASK.encode(np.zeros((2, 2)))
