"""`PascalVOC`: what was written is read, bad boxes are repaired or refused, bad files are told."""

import io

import PIL.Image
import pytest

from mmkeras import objects
from mmkeras.sources import PascalVOC


def picture(size=(64, 48), kind="JPEG"):
    buffer = io.BytesIO()
    PIL.Image.new("RGB", size).save(buffer, kind)
    return buffer.getvalue()


def thing(box=(3, 4, 10, 9), name="cat", more=""):
    sides = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    numbers = "".join(f"<{side}>{number}</{side}>" for side, number in sides)
    return f"<object><name>{name}</name>{more}<bndbox>{numbers}</bndbox></object>"


SIZE = "<size><width>64</width><height>48</height><depth>3</depth></size>"


def write(folder, things="", name="a", size=SIZE, split=None):
    for part in ("ImageSets/Main", "Annotations", "JPEGImages"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / f"Annotations/{name}.xml").write_text(
        f"<annotation><path>C:\\x.jpg</path><filename>x.jpg</filename>{size}{things}</annotation>"
    )
    (folder / f"JPEGImages/{name}.jpg").write_bytes(picture())
    (folder / "ImageSets/Main/train.txt").write_text(f"{name}\n" if split is None else split)
    return folder


def boxes(source):
    return [[one["box"] for one in some] for some in source["objects"]]


# What is written.


def test_what_is_written_is_read(tmp_path):
    write(tmp_path, thing((1, 1, 64, 48), "dog") + thing((3, 4, 10, 9), " red \n cell "), "a")
    write(tmp_path, "", "b c")
    write(tmp_path, thing((1.5, 2, 3, 4)), "d", split="d\n\n b c \r\na\n")
    source = PascalVOC(tmp_path)
    assert source["image"] == ["JPEGImages/d.jpg", "JPEGImages/b c.jpg", "JPEGImages/a.jpg"]
    # Pixels are counted from 1 and the last one belongs to the box: all 64 x 48 of them, or
    # the 8 x 6 from the third in the fourth row on.
    assert source["objects"] == [
        [{"box": [0.5, 1, 3, 4], "label": "cat", "crowd": False}],
        [],
        [
            {"box": [0, 0, 64, 48], "label": "dog", "crowd": False},
            {"box": [2, 3, 10, 9], "label": "red cell", "crowd": False},
        ],
    ]
    assert source.classes == ("cat", "dog", "red cell")
    assert source.repaired == 0
    assert repr(source) == "PascalVOC(train.txt, 3 rows, columns ['image', 'objects'])"
    assert source.locate(1) == "Annotations/b c.xml"


def test_it_is_the_same_source_as_others(tmp_path):
    for i in range(10):
        write(tmp_path, thing((i + 1, 1, i + 2, 2)), str(i))
    (tmp_path / "ImageSets/Main/all.txt").write_text("".join(f"{i}\n" for i in range(10)))
    source = PascalVOC(str(tmp_path), "all", image="photo", objects="things")
    train, test = source.split(test=0.3)
    assert (len(train), len(test)) == (7, 3) and test.classes == ("cat",)
    assert source.missing_files("photo") == []
    rows = test.rows({"photo": str.encode, "things": objects.written}, ["photo"])
    for index, row in rows.map(lambda index, row: (index, test.load(row))).as_numpy_iterator():
        assert row["photo"] == picture()
        assert row["things"] == f"{index} 0 {index + 2} 2 4 0 cat".encode()
        assert test.locate(index) == f"Annotations/{index}.xml"


def test_parts_of_an_object_are_no_objects(tmp_path):
    # As the challenge writes the parts of persons.
    part = f"<part><name>head</name>{thing((5, 5, 6, 6))}</part>"
    write(tmp_path, thing().replace("</object>", f"{part}</object>"))
    assert boxes(PascalVOC(tmp_path)) == [[[2, 3, 10, 9]]]


@pytest.mark.parametrize(
    ("difficult", "crowds"),
    [("crowd", [False, True, False]), ("keep", [False] * 3), ("leave", [False] * 2)],
)
def test_what_is_difficult(tmp_path, difficult, crowds):
    marks = ("", "<difficult>1</difficult>", "<difficult>0</difficult>")
    write(tmp_path, "".join(thing(name=f"n{i}", more=mark) for i, mark in enumerate(marks)))
    source = PascalVOC(tmp_path, difficult=difficult)
    assert [one["crowd"] for one in source["objects"][0]] == crowds
    assert source.classes == ("n0", "n1", "n2")


def test_classes_may_be_named(tmp_path):
    write(tmp_path, thing(name="cat"))
    assert PascalVOC(tmp_path, classes=["dog", "cat"]).classes == ("dog", "cat")
    message = r"a\.xml, object 1: 'cat' is none of the classes \['dog'\]; correct it, or add it"
    with pytest.raises(ValueError, match=message):
        PascalVOC(tmp_path, classes=["dog"], on_bad="repair")


def test_classes_are_a_list(tmp_path):
    with pytest.raises(ValueError, match="must be a list of names; got the string 'cat'"):
        PascalVOC(tmp_path, classes="cat")


def test_lists_of_one_class_name_all_its_pictures(tmp_path):
    for name in ("a", "b", "c 1"):
        write(tmp_path, name=name)
    (tmp_path / "ImageSets/Main/cat_train.txt").write_text("a -1\nb  1\nc 1\nc 1  0\n")
    with pytest.raises(ValueError, match=r"cat_train\.txt, line 4: 'c 1' stands in line 3"):
        PascalVOC(tmp_path, "cat_train")
    (tmp_path / "ImageSets/Main/cat_train.txt").write_text("a -1\nb  1\nc 1\n")
    assert PascalVOC(tmp_path, "cat_train")["image"][2] == "JPEGImages/c 1.jpg"


@pytest.mark.parametrize("size", ["", "<size/>", SIZE.replace("64", "0"), SIZE.replace("48", "x")])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
def test_a_size_that_is_not_told_is_that_of_the_picture(tmp_path, size, kind):
    write(tmp_path, thing((50, 1, 99, 30)), size=size)
    (tmp_path / "JPEGImages/a.jpg").unlink()
    name = f"a.{'JPEG' if kind == 'JPEG' else kind.lower()}"
    (tmp_path / "JPEGImages" / name).write_bytes(picture((80, 20), kind))
    with pytest.warns(UserWarning, match="which is 80 x 20 pixels"):
        source = PascalVOC(tmp_path, on_bad="repair")
    assert boxes(source) == [[[49, 0, 80, 20]]]
    assert source["image"] == [f"JPEGImages/{name}"]


# What is repaired or refused.

BAD_BOXES = {
    "right": ((60, 4, 65, 9), [59, 3, 64, 9], "goes beyond the picture, which is 64 x 48 pixels"),
    "left": ((0, 4, 10, 9), [0, 3, 10, 9], "goes beyond the picture"),
    "all around": ((-5, -5, 500, 500), [0, 0, 64, 48], "goes beyond the picture"),
    "outside": ((65, 4, 70, 9), None, "lies outside of the picture"),
    "one point": ((5, 5, 5, 5), None, "is none: x2 is not above x1"),
    "reversed": ((5, 9, 10, 5), None, "is none: y2 is not above y1"),
    "nan": (("nan", 4, 10, 9), None, "is none: not every number is finite"),
    "infinite": ((1, 4, "inf", 9), None, "is none: not every number is finite"),
}


@pytest.mark.parametrize("bndbox, box, why", BAD_BOXES.values(), ids=BAD_BOXES)
def test_a_bad_box_is_repaired_or_refused(tmp_path, bndbox, box, why):
    write(tmp_path, thing() + thing(bndbox, "dog") + thing((1, 1, 64, 48)))
    message = rf"Annotations/a\.xml, object 2 \(dog\): the bndbox \[.*\] {why}"
    with pytest.raises(ValueError, match=rf"{message}.*; correct it, or pass on_bad='repair': s"):
        PascalVOC(tmp_path)
    done = "dropped" if box is None else "clipped"
    told = rf"train\.txt is repaired: boxes {done}: 1; the first: .*{message}.*\.$"
    with pytest.warns(UserWarning, match=told) as warned:
        source = PascalVOC(tmp_path, on_bad="repair")
    assert warned[0].filename == __file__ and len(warned) == 1
    kept = [] if box is None else [box]
    assert boxes(source) == [[[2, 3, 10, 9], *kept, [0, 0, 64, 48]]]
    assert source.repaired == 1
    assert objects.written(source["objects"][0])


@pytest.mark.parametrize("part", ["JPEGImages", "Annotations"])
def test_a_missing_file_is_left_out_or_refused(tmp_path, part):
    for name in ("a", "b", "c", "d"):
        write(tmp_path, thing(), name, split="a\nb\nc\nd\n")
    for name in ("b", "d"):
        next((tmp_path / part).glob(f"{name}.*")).unlink()
    message = rf"train\.txt: 'b' has no file in .*{part}, one of 2 such names of 4"
    with pytest.raises(ValueError, match=rf"{message}; .* such pictures are then left out"):
        PascalVOC(tmp_path)
    with pytest.warns(UserWarning, match=rf"pictures left out: 2; the first: .*{message}"):
        source = PascalVOC(tmp_path, on_bad="repair")
    assert source["image"] == ["JPEGImages/a.jpg", "JPEGImages/c.jpg"]
    assert (source.repaired, source.locate(1)) == (2, "Annotations/c.xml")


# What is refused always.

BAD = {
    "no XML": ("<object>", r"a\.xml is no XML: mismatched tag"),
    "no name": (thing(name=" "), r"a\.xml, object 1 has no name; write one"),
    "no box": ("<object><name>cat</name></object>", r"object 1 \(cat\) has no bndbox with xmin"),
    "no side": (thing().replace("ymax", "top"), r"object 1 \(cat\) has no bndbox with ymax; add"),
    "no number": (thing((1, "two", 3, 4)), r"object 1 \(cat\): ymin 'two' is no number; correct"),
    "empty": (thing((1, "", 3, 4)), r"object 1 \(cat\): ymin '' is no number"),
}


@pytest.mark.parametrize("on_bad", ["raise", "repair"])
@pytest.mark.parametrize("things, message", BAD.values(), ids=BAD)
def test_a_bad_file_is_refused(tmp_path, things, message, on_bad):
    write(tmp_path, things)
    with pytest.raises(ValueError, match=message):
        PascalVOC(tmp_path, on_bad=on_bad)


def test_bad_arguments_are_refused(tmp_path):
    write(tmp_path, thing())
    with pytest.raises(ValueError, match=r"on_bad must be 'repair' or 'raise'; got 'skip'"):
        PascalVOC(tmp_path, on_bad="skip")
    with pytest.raises(ValueError, match=r"difficult must be one of \['crowd', .*; got True"):
        PascalVOC(tmp_path, difficult=True)
    with pytest.raises(ValueError, match="must have different names; both are 'image'"):
        PascalVOC(tmp_path, objects="image")
    with pytest.raises(FileNotFoundError, match=r"trains\.txt does not exist\. .*train\.txt\?"):
        PascalVOC(tmp_path, "trains")
    with pytest.raises(FileNotFoundError, match="does not exist, nor does its folder"):
        PascalVOC(tmp_path / "other")
    write(tmp_path, split="\n \n")
    with pytest.raises(ValueError, match=r"train\.txt names no picture; write one name in each"):
        PascalVOC(tmp_path)
    write(tmp_path, split="x\ny\n")
    for on_bad in ("raise", "repair"):
        with pytest.raises(ValueError, match=r"of none of its 2 names, such as 'x', are both"):
            PascalVOC(tmp_path, on_bad=on_bad)
    (tmp_path / "JPEGImages/a.png").touch()
    with pytest.raises(ValueError, match=r"a\.jpg and a\.png have one stem"):
        PascalVOC(tmp_path)
