"""`MaskFolder`: every picture with its own mask, and whatever is no pair told."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkeras.sources import MaskFolder


def write(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder / "photos", folder / "masks"


PAIRS = ("photos/a.jpg", "masks/a.png", "photos/b.c.JPEG", "masks/b.c.PNG", "photos/d e.png")


def test_pairs_are_read(tmp_path):
    folders = write(tmp_path, *PAIRS, "masks/d e.png", "masks/readme.txt", "photos/._a.jpg")
    source = MaskFolder(*map(str, folders), image="photo")
    names = [path.removeprefix(f"{tmp_path}/") for path in source["photo"] + source["mask"]]
    assert names == [
        *("photos/a.jpg", "photos/b.c.JPEG", "photos/d e.png"),
        *("masks/a.png", "masks/b.c.PNG", "masks/d e.png"),
    ]
    assert source.repaired == 0 and source.missing_files("photo", "mask") == []
    train, test = source.split(test=0.4)
    assert (len(train), len(test)) == (2, 1)
    columns = ("photo", "mask")
    rows = source.rows(dict.fromkeys(columns, str.encode), columns)
    for index, row in rows.map(lambda index, row: (index, source.load(row))).as_numpy_iterator():
        assert row["photo"].decode() == source.locate(index) == names[index]
        assert row["mask"].decode() == names[3 + index]


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_only_pairs_are_left(tmp_path_factory, photos, masks):
    folder = tmp_path_factory.mktemp("f")
    write(folder, "photos/x.jpg", "masks/x.png")
    write(folder, *(f"photos/{i}.jpg" for i in photos), *(f"masks/{i}.png" for i in masks))
    paths = folder / "photos", folder / "masks"
    if photos != masks:
        with pytest.raises(ValueError, match="pass on_bad='repair': such files are then left out"):
            MaskFolder(*paths)
        with pytest.warns(UserWarning, match=f"files left out: {len(photos ^ masks)}; the first"):
            source = MaskFolder(*paths, on_bad="repair")
    else:
        source = MaskFolder(*paths)
    assert source.repaired == len(photos ^ masks)
    stems = [*map(str, sorted(photos & masks)), "x"]
    assert source["image"] == [str(folder / f"photos/{stem}.jpg") for stem in stems]
    assert source["mask"] == [str(folder / f"masks/{stem}.png") for stem in stems]


def test_what_is_no_pair_is_named(tmp_path):
    folders = write(tmp_path, *PAIRS, *(f"masks/{i}.png" for i in range(5)))
    message = r"^1 pictures in .*photos have no mask in .*masks \(d e\.png\); correct it, or pass"
    with pytest.raises(ValueError, match=message):
        MaskFolder(*folders)
    with pytest.warns(UserWarning, match=r"photos is repaired: files left out: 6") as told:
        assert len(MaskFolder(*folders, on_bad="repair")) == 2
    assert len(told) == 1 and told[0].filename == __file__
    (tmp_path / "photos/d e.png").unlink()
    message = r"^5 masks in .* have no picture in .*photos \(0\.png, 1\.png, 2\.png, \.\.\.\); "
    with pytest.raises(ValueError, match=message):
        MaskFolder(*folders)


def test_bad_folders_and_arguments_are_refused(tmp_path):
    folders = write(tmp_path, "photos/a.jpg", "masks/a_mask.png")
    message = r"no picture in .*photos \(a\.jpg\) has the name of a PNG file in .*\(a_mask\.png\); "
    for on_bad in ("raise", "repair"):
        with pytest.raises(ValueError, match=message):
            MaskFolder(*folders, on_bad=on_bad)
    with pytest.raises(FileNotFoundError, match="mask is no folder; name the one that holds"):
        MaskFolder(folders[0], tmp_path / "mask")
    write(tmp_path, "photos/a.png")
    with pytest.raises(ValueError, match=r"a\.jpg and a\.png have one stem"):
        MaskFolder(*folders)
    with pytest.raises(ValueError, match="on_bad must be 'repair' or 'raise'; got 'leave'"):
        MaskFolder(*folders, on_bad="leave")
    with pytest.raises(ValueError, match="must have different names; both are 'mask'"):
        MaskFolder(*folders, image="mask")
