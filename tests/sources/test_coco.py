"""`COCO`: what was written is read, bad boxes are repaired or refused, bad files are told."""

import json
import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras import objects
from mmkeras.sources import COCO

PNG = tf.io.encode_png(np.zeros((48, 64, 3), "uint8")).numpy()


def image(key=1, name="a.png", **more):
    return {"id": key, "file_name": name, "width": 64, "height": 48} | more


def annotation(key=1, picture=1, category=1, bbox=(2, 3, 8, 5.5), **more):
    return {"id": key, "image_id": picture, "category_id": category, "bbox": list(bbox)} | more


def write(folder, annotations=(), images=None, categories=None, name="t.json"):
    categories = [{"id": 1, "name": "cat"}] if categories is None else categories
    images = [image()] if images is None else images
    for picture in images:
        if isinstance(picture.get("file_name"), str):
            path = folder / picture["file_name"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(PNG)
    content = {"images": [*images], "annotations": [*annotations], "categories": [*categories]}
    (folder / name).write_text(json.dumps(content))
    return folder / name


def boxes(source):
    return [[one["box"] for one in some] for some in source["objects"]]


# What is written.

sides = st.integers(0, 4 * 60)


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from([3, "x", 10]), st.sampled_from([90, 7]), sides, sides),
        max_size=6,
    ),
    text=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_is_written_is_read(tmp_path_factory, rows, text):
    folder = tmp_path_factory.getbasetemp()
    images = [image(3, "b.png"), image("x", "in/a.png"), image(10, "é.png")]
    categories = [{"id": 90, "name": "toothbrush"}, {"id": 7, "name": "big cat"}]
    annotations = [
        annotation(i, key, kind, (x / 8, y / 8, 30, 10.25), area=x + 0.5, iscrowd=y % 2)
        for i, (key, kind, x, y) in enumerate(rows)
    ]
    path = write(folder, annotations, images, categories)
    path.write_bytes(path.read_text().encode(text))
    source = COCO(path, folder)
    assert source["image"] == ["b.png", "in/a.png", "é.png"]
    assert source.classes == ("big cat", "toothbrush")
    assert source.repaired == 0
    for key, told in zip((3, "x", 10), source["objects"], strict=True):
        assert told == [
            {
                "box": [x / 8, y / 8, x / 8 + 30, y / 8 + 10.25],
                "label": {90: "toothbrush", 7: "big cat"}[kind],
                "crowd": y % 2 == 1,
                "area": min(x + 0.5, 30 * 10.25),
            }
            for of, kind, x, y in rows
            if of == key
        ]
        assert objects.read(objects.written(told)) == told


def test_it_is_the_same_source_as_others(tmp_path):
    images = [image(i, f"{i}.png") for i in range(1, 11)]
    path = write(tmp_path, [annotation(i, i) for i in range(2, 11)], images)
    source = COCO(path, str(tmp_path), image="photo", objects="things")
    assert repr(source) == "COCO(t.json, 10 rows, columns ['photo', 'things'])"
    assert source["things"][0] == []
    assert source.missing_files("photo") == []
    train, test = source.split(test=0.3)
    assert (len(train), len(test)) == (7, 3) and train.classes == test.classes == ("cat",)
    rows = test.rows({"photo": str.encode, "things": objects.written}, ["photo"])
    for index, row in rows.map(lambda index, row: (index, test.load(row))).as_numpy_iterator():
        assert row["photo"] == PNG
        assert row["things"] == (b"2 3 10 8.5 44 0 cat" if index else b" ")
        assert test.locate(index) == f"t.json, image {index + 1} ({index + 1}.png)"


def test_a_size_that_is_not_told_is_that_of_the_picture(tmp_path):
    for missing in ({"width": None}, {"height": 0}, {"width": "64"}):
        path = write(tmp_path, [annotation(bbox=(60, 40, 10, 10))], [image(**missing)])
        with pytest.warns(UserWarning, match="boxes clipped: 1"):
            assert boxes(COCO(path, tmp_path, on_bad="repair")) == [[[60, 40, 64, 48]]]


# What is repaired or refused.

BAD_BOXES = {
    "right": ([60, 2, 8, 5], [60, 2, 64, 7], "goes beyond the picture, which is 64 x 48 pixels"),
    "left": ([-1, 2, 8, 5], [0, 2, 7, 7], "goes beyond the picture"),
    "all around": ([-5, -5, 500, 500], [0, 0, 64, 48], "goes beyond the picture"),
    "outside": ([64, 2, 8, 5], None, "lies outside of the picture, which is 64 x 48 pixels"),
    "no width": ([5, 5, 0, 9], None, "is none: x2 is not above x1"),
    "reversed": ([5, 5, 3, -9], None, "is none: y2 is not above y1"),
    "NaN": ([5, math.nan, 3, 9], None, "is no list of four finite numbers"),
    "infinite": ([5, 5, math.inf, 9], None, "is no list of four finite numbers"),
    "too great": ([5, 5, 10**400, 9], None, "is no list of four finite numbers"),
    "overflow": ([1e299, 5, 1e299, 9], None, "lies outside"),
    "three": ([5, 5, 9], None, "is no list of four finite numbers"),
    "empty": ([], None, "is no list of four finite numbers"),
    "text": (["5", 5, 1, 1], None, "is no list of four finite numbers"),
    "truth": ([True, 5, 1, 1], None, "is no list of four finite numbers"),
    "null": (None, None, "is no list of four finite numbers"),
}


@pytest.mark.parametrize("bbox, box, why", BAD_BOXES.values(), ids=BAD_BOXES)
def test_a_bad_box_is_repaired_or_refused(tmp_path, bbox, box, why):
    bad = annotation(17) | {"bbox": bbox}
    path = write(tmp_path, [annotation(1), bad, annotation(18, bbox=(0, 0, 64, 48))])
    message = rf"t\.json, annotation 17 \(a\.png\): the bbox .*{why}"
    with pytest.raises(
        ValueError, match=rf"{message}.*; correct it, or pass on_bad='repair': such"
    ):
        COCO(path, tmp_path)
    done = "dropped" if box is None else "clipped"
    with pytest.warns(UserWarning, match=rf"boxes {done}: 1; the first: .*{message}.*\.$") as told:
        source = COCO(path, tmp_path, on_bad="repair")
    assert told[0].filename == __file__ and len(told) == 1
    kept = [] if box is None else [box]
    assert boxes(source) == [[[2, 3, 10, 8.5], *kept, [0, 0, 64, 48]]]
    assert source.repaired == 1
    assert objects.written(source["objects"][0])


@settings(max_examples=200, deadline=None)
@given(st.tuples(*[st.floats(-90, 90)] * 4))
def test_what_is_left_of_a_box_is_within_its_picture(tmp_path_factory, bbox):
    folder = tmp_path_factory.getbasetemp()
    path = write(folder, [annotation(bbox=bbox)])
    try:
        source = COCO(path, folder)
    except ValueError:
        with pytest.warns(UserWarning, match="boxes (clipped|dropped): 1"):
            source = COCO(path, folder, on_bad="repair")
    # Pixels of a fine grid that are within both.
    x, y = (np.arange(0, side, 0.25) + 0.125 for side in (64, 48))
    rows = (y >= bbox[1]) & (y < bbox[1] + bbox[3])
    columns = (x >= bbox[0]) & (x < bbox[0] + bbox[2])
    shared = rows.sum() * columns.sum()
    if not source["objects"][0]:
        assert shared == 0
    for one in source["objects"][0]:
        x1, y1, x2, y2 = one["box"]
        assert 0 <= x1 < x2 <= 64 and 0 <= y1 < y2 <= 48
        again = ((x >= x1) & (x < x2)).sum() * ((y >= y1) & (y < y2)).sum()
        assert again == shared


def test_rounding_is_no_fault(tmp_path):
    path = write(tmp_path, [annotation(bbox=(-0.0009, 0, 64.0015, 48.0009))])
    source = COCO(path, tmp_path)
    assert boxes(source) == [[[0, 0, 64, 48]]] and source.repaired == 0
    path = write(tmp_path, [annotation(bbox=(0, 0, 64.0011, 48))])
    with pytest.raises(ValueError, match="goes beyond"):
        COCO(path, tmp_path)


def test_the_area_of_a_clipped_box_is_not_more_than_the_box(tmp_path):
    path = write(tmp_path, [annotation(bbox=(60, 0, 8, 10), area=80.0), annotation(2, area=9)])
    with pytest.warns(UserWarning, match="clipped"):
        source = COCO(path, tmp_path, on_bad="repair")
    assert [one["area"] for one in source["objects"][0]] == [40, 9]


def test_one_warning_sums_up(tmp_path):
    images = [image(1), image(2, "gone.png"), image(3, "c.png")]
    annotations = [
        annotation(1, 1, bbox=(0, 0, 65, 1)),
        annotation(2, 2, bbox=(0, 0, 65, 1)),
        annotation(3, 3, bbox=(0, 0, 0, 1)),
        annotation(4, 3, bbox=(-1, 0, 3, 1)),
    ]
    path = write(tmp_path, annotations, images)
    (tmp_path / "gone.png").unlink()
    missing = r"image 2: 'gone\.png' is not in .*, one of 1 missing pictures of 3"
    with pytest.raises(ValueError, match=rf"{missing}; .*such pictures are then left out"):
        COCO(path, tmp_path)
    counts = "pictures left out: 1, boxes clipped: 2, boxes dropped: 1"
    with pytest.warns(UserWarning, match=rf"{counts}; the first: .*{missing}") as told:
        source = COCO(path, tmp_path, on_bad="repair")
    assert len(told) == 1 and source.repaired == 4
    assert source["image"] == ["a.png", "c.png"]
    assert boxes(source) == [[[0, 0, 64, 1]], [[0, 0, 2, 1]]]
    assert source.locate(1) == "t.json, image 3 (c.png)"


# What is refused always.


def without(item, key):
    return {name: value for name, value in item.items() if name != key}


BAD = {
    "no image id": ({"images": [without(image(), "id")]}, "image number 1 has no 'id', but"),
    "no file": ({"images": [without(image(), "file_name")]}, "image 1 has no 'file_name'"),
    "file is none": ({"images": [image(name=None)]}, "image 1: file_name None must be the path"),
    "twice": ({"images": [image(), image(name="b.png")]}, "image number 2: the id 1 is that of an"),
    "file twice": ({"images": [image(), image(2)]}, r"image 2: the file 'a\.png' is that of image"),
    "no image": ({"images": []}, "holds no image"),
    "no bbox": ({"annotations": [without(annotation(), "bbox")]}, r"annotation 1 \(a.png\) has no"),
    "no image_id": ({"annotations": [without(annotation(), "image_id")]}, "annotation 1 has no"),
    "unknown image": (
        {"annotations": [annotation(5, 99)]},
        "annotation 5: image_id 99 is the id of no image in the file",
    ),
    "unknown category": (
        {"annotations": [annotation(5, 1, "1")]},
        "annotation 5: category_id '1' is the id of no category",
    ),
    "list as id": (
        {"annotations": [annotation(5, [1])]},
        r"annotation 5: image_id \[1\] is the id of",
    ),
    "annotation twice": ({"annotations": [annotation(), annotation()]}, "annotation number 2: the"),
    "no object": ({"annotations": [7]}, "annotation number 1 is 7; it has to be a JSON object"),
    "area": ({"annotations": [annotation(area=-1)]}, r"annotation 1 \(a.png\): the area -1 must"),
    "id": ({"annotations": [annotation([1])]}, r"annotation number 1: the id \[1\] must be"),
    "category twice": (
        {"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]},
        "category number 2: the id 1 is that of another category",
    ),
    "name twice": (
        {"categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}]},
        "category 2: the name 'a' is that of another category",
    ),
    "empty name": ({"categories": [{"id": 1, "name": " "}]}, "category 1: the name ' ' must be a"),
}


@pytest.mark.parametrize("on_bad", ["raise", "repair"])
@pytest.mark.parametrize("parts, message", BAD.values(), ids=BAD)
def test_a_bad_file_is_refused(tmp_path, parts, message, on_bad):
    path = write(tmp_path, **parts)
    with pytest.raises(ValueError, match=rf"t\.json,? {message}"):
        COCO(path, tmp_path, on_bad=on_bad)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"t\.json is no JSON: Expecting value"),
        (b'{"images": [}', r"t\.json is no JSON: .*line 1 column 13"),
        (b"[]", "has no list of 'images', so that it is no COCO file of instances"),
        (b'{"images": [], "annotations": []}', "has no list of 'categories'"),
        (b'{"images": "\xff"}', "is no JSON: .*; save it as JSON in UTF-8"),
    ],
)
def test_what_is_no_coco_file_is_refused(tmp_path, content, message):
    path = tmp_path / "t.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        COCO(path, tmp_path)


def test_bad_arguments_are_refused(tmp_path):
    path = write(tmp_path, [annotation()])
    with pytest.raises(ValueError, match=r"on_bad must be 'repair' or 'raise'; got 'skip'"):
        COCO(path, tmp_path, on_bad="skip")
    with pytest.raises(ValueError, match="must have different names; both are 'image'"):
        COCO(path, tmp_path, objects="image")
    with pytest.raises(FileNotFoundError, match=r"tt\.json does not exist\. Did you mean t\.json"):
        COCO(tmp_path / "tt.json", tmp_path)
    with pytest.raises(FileNotFoundError, match="pictures is no folder; name the one"):
        COCO(path, tmp_path / "pictures")
    (tmp_path / "empty").mkdir()
    for on_bad in ("raise", "repair"):
        with pytest.raises(ValueError, match=r"none of its 1 pictures is in .*empty, such as 'a"):
            COCO(path, tmp_path / "empty", on_bad=on_bad)


def test_a_size_that_is_not_that_of_the_picture_is_told(tmp_path):
    path = write(tmp_path, [annotation(bbox=(2, 3, 600, 400))], [image(width=640, height=480)])
    with pytest.raises(ValueError, match=r"says 640 x 480 pixels, but the picture has"):
        COCO(path, tmp_path)
    with pytest.warns(UserWarning, match="sizes taken from the pictures: 1"):
        source = COCO(path, tmp_path, on_bad="repair")
    assert source.repaired == 2  # The box sticks out of the picture as well.
