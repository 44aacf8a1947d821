"""Mixed samples: the picture is what the mixture says, and targets say what the picture shows."""

import numpy as np
import pytest
import tensorflow as tf

import mmkeras as mm
from mmkeras import mixes
from mmkeras.contracts import Mixture
from mmkeras.testing.round_trip import round_trip

RANDOM = np.random.default_rng(0)
KINDS = [getattr(mixes, name) for name in mixes.__all__]
CLASSES = ("a", "b", "c", "d")


@pytest.mark.parametrize("kind", KINDS)
def test_serialises_and_checks_its_chance(kind):
    assert round_trip(kind(chance=0.25)) == kind(chance=0.25)
    for chance in (0, 1.5):
        with pytest.raises(ValueError, match=rf"{kind.__name__}: chance is {chance}"):
            kind(chance=chance)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(8))
def test_shares_are_those_of_the_picture(kind, seed):
    """Pictures of one level each: the mean level is told by the shares, places by the places."""
    mix = kind()
    levels = np.arange(1, mix.samples + 1, dtype="float32")
    pixels = np.broadcast_to(levels[:, None, None, None], (mix.samples, 40, 60, 3))
    mixed, mixture = mix.mix(tf.constant(pixels), tf.constant([seed, 7]))
    assert mixed.shape == (40, 60, 3)
    shares = mixture.shares.numpy()
    assert shares.sum() == pytest.approx(1, abs=1e-5)
    assert mixed.numpy().mean() == pytest.approx(shares @ levels, abs=1e-3)
    again, _ = tf.function(mix.mix)(tf.constant(pixels), tf.constant([seed, 7]))
    np.testing.assert_allclose(again, mixed, atol=1e-5)
    if mixture.blended:
        return
    painted = np.zeros((40, 60))
    y, x = (np.mgrid[:40, :60] + 0.5) / np.array([40, 60])[:, None, None]
    for level, (x1, y1, x2, y2) in zip(levels, mixture.shown.numpy()):
        painted[(x >= x1) & (x < x2) & (y >= y1) & (y < y2)] = level
    np.testing.assert_allclose(mixed[..., 0], painted, atol=1e-5)


@pytest.mark.parametrize("kind", [mixes.CutMix, mixes.Mosaic])
@pytest.mark.parametrize("seed", range(6))
def test_boxes_and_masks_are_where_the_picture_is(kind, seed):
    """A white rectangle in each picture, its box and its mask, before and after."""
    mix, side = kind(), 80
    image = mm.Image(size=side, mean=0.0, std=1.0)
    detection = mm.ObjectDetection(["thing"], max_objects=4)
    segmentation = mm.SemanticSegmentation(["ground", "thing"], size=side)
    pixels, boxes, masks = [], [], []
    for _ in range(mix.samples):
        x, y = RANDOM.integers(5, 40, 2)
        mask = np.zeros((side, side), "uint8")
        mask[y : y + 30, x : x + 34] = 1
        raw = image.encode(np.repeat(mask[..., None] * 255, 3, -1))
        sample = {
            name: value[0]
            for name, value in image.preprocess_batch(tf.constant([raw]), origins=True).items()
        }
        label = [{"box": [x, y, x + 34, y + 30], "label": "thing"}]
        boxes.append(detection.target(tf.constant(detection.encode(label)), {"image": sample}))
        masks.append(segmentation.target(tf.constant(segmentation.encode(mask)), {"image": sample}))
        pixels.append(sample["pixels"])
    mixed, mixture = mix.mix(tf.stack(pixels), tf.constant([seed, 3]))
    white = mixed.numpy()[..., 0]
    made = segmentation.mix(tf.stack(masks), mixture).numpy()
    assert (made == (white > 0.5)).mean() > 0.98
    target = detection.mix(tf.stack(boxes), mixture).numpy()
    assert target.shape == (4 * mix.samples, 6)
    within = np.zeros((side, side), bool)
    for x1, y1, x2, y2 in target[target[:, 4] >= 0, :4] * side:
        within[int(y1) : int(np.ceil(y2)), int(x1) : int(np.ceil(x2))] = True
    assert not (white[~within] > 0.5).any()
    if kind is mixes.Mosaic:
        assert (target[:, 4] >= 0).sum() == 4
        np.testing.assert_allclose(within.mean(), (white > 0.5).mean(), atol=0.035)


def test_what_is_pasted_over_hides_boxes():
    task = mm.ObjectDetection(["thing"], max_objects=2)
    nothing = [0.0, 0, 0, 0, -1, 0]
    below = [[0.4, 0.4, 0.6, 0.6, 0, 0], [0.0, 0.0, 0.2, 0.2, 0, 0]]
    targets = tf.constant([below, [[0.1, 0.1, 0.3, 0.3, 0, 0], nothing]])
    whole, pasted = [0.0, 0, 1, 1], [0.15, 0.15, 0.95, 0.95]
    mixture = Mixture(
        tf.constant([0.4, 0.6]), tf.constant([whole] * 2), tf.constant([whole, pasted]), False
    )
    made = task.mix(targets, mixture).numpy()
    np.testing.assert_allclose(made[0], [0, 0, 0.2, 0.2, 0, 0])  # A sixteenth is covered.
    np.testing.assert_allclose(made[1], [0.15, 0.15, 0.3, 0.3, 0, 0], atol=1e-6)
    assert (made[2:, 4] == -1).all()
    shining = mixture._replace(blended=True)
    assert (task.mix(targets, shining).numpy()[:, 4] >= 0).sum() == 3


def test_samples_without_label_or_picture_are_not_mixed():
    rows = [
        {"image": None if i % 3 == 2 else np.full((8, 8, 3), 20 * i, "uint8"),
         "kind": "a" if i % 3 else None}
        for i in range(9)
    ]  # fmt: skip
    fields, tasks = {"image": mm.Image(size=16)}, {"kind": mm.Classification(CLASSES)}
    plain = next(iter(mm.pipeline(mm.sources.Table(rows), fields, tasks)))
    mixed = next(iter(mm.pipeline(mm.sources.Table(rows), fields, tasks, mix=mixes.MixUp())))
    np.testing.assert_array_equal(mixed[2]["kind"], plain[2]["kind"])
    # None of them has a partner: with two neighbours of three, something is missing.
    np.testing.assert_array_equal(mixed[0]["image_pixels"], plain[0]["image_pixels"])


def test_what_is_no_mix_is_refused():
    with pytest.raises(ValueError, match=r"must be a Mix, .* got 'cutmix'"):
        mm.pipeline(
            table(),
            {"image": mm.Image(size=16)},
            {"kind": mm.Classification(CLASSES)},
            mix="cutmix",
        )


def test_labels_mix_by_their_shares():
    task = mm.Classification(CLASSES)
    mixture = Mixture(tf.constant([0.7, 0.3]), tf.zeros([2, 4]), tf.zeros([2, 4]), True)
    made = task.mix(tf.constant([2, 0]), mixture)
    np.testing.assert_allclose(made, [0.3, 0, 0.7, 0])
    both = mm.Classification(CLASSES, multi_label=True)
    made = both.mix(tf.constant([[1.0, 0, 1, 0], [0, 0, 1, 1]]), mixture)
    np.testing.assert_allclose(made, [0.7, 0, 1, 0.3])


def test_what_has_no_mixed_target_says_so():
    mixture = Mixture(tf.constant([0.7, 0.3]), tf.zeros([2, 4]), tf.zeros([2, 4]), True)
    with pytest.raises(ValueError, match="pictures that are blended"):
        mm.SemanticSegmentation(CLASSES, size=4).mix(tf.zeros([2, 4, 4], tf.int32), mixture)
    with pytest.raises(ValueError, match="Regression has no target of pictures that are mixed"):
        mm.Regression().mix(tf.zeros([2]), mixture)


def table(count=10):
    rows = [
        {"image": np.full((8, 8, 3), 20 * i, "uint8"), "kind": None if i == 3 else CLASSES[i % 4]}
        for i in range(count)
    ]
    return mm.sources.Table(rows)


def test_a_model_learns_of_mixed_samples():
    model = mm.MultimodalModel(
        {"image": mm.Image(size=16)},
        {"kind": mm.Classification(CLASSES, measures=["accuracy", "top5", "f1", "mcc"])},
        size="tiny",
    )
    model.compile("adam")
    for kind in KINDS:
        data = model.pipeline(table(), batch_size=5, mix=kind(chance=0.5), cache=True)
        assert data.cardinality() == 2
        history = model.fit(data, shuffle=False, verbose=0).history
        assert np.isfinite(history["loss"]).all()
    # Plain targets are classes, mixed ones shares of classes: metrics take both.
    plain = model.pipeline(table(), batch_size=5)
    assert np.isfinite(model.evaluate(plain, verbose=0)).all()


def test_chance_leaves_the_others_as_they_are():
    fields, tasks = {"image": mm.Image(size=16)}, {"kind": mm.Classification(CLASSES)}
    plain = list(mm.pipeline(table(), fields, tasks, batch_size=1))
    untouched = 0
    for epoch in range(2):
        data = mm.pipeline(
            table(), fields, tasks, batch_size=1, mix=mixes.CutMix(chance=0.5), seed=epoch
        )
        for (x, y, w), (x0, y0, w0) in zip(data, plain, strict=True):
            if np.array_equal(x["image_pixels"], x0["image_pixels"]):
                untouched += 1
                np.testing.assert_array_equal(w["kind"], w0["kind"])
                if w["kind"]:
                    assert y["kind"].numpy().argmax() == y0["kind"]
    assert 4 <= untouched <= 16


def test_other_fields_are_refused():
    fields = {"image": mm.Image(size=16), "text": mm.Text.tiny()}
    rows = mm.sources.Table([{"image": None, "text": "a", "kind": "a"}])
    with pytest.raises(
        ValueError, match=r"one field, a picture; the fields are \['image', 'text'\]"
    ):
        mm.pipeline(rows, fields, {"kind": mm.Classification(CLASSES)}, mix=mixes.MixUp())
