"""`COCO`: pictures with the objects that a COCO file of instances tells of them."""

import json
import math
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from mmkeras.files import existing_file
from mmkeras.objects import clipped, plain
from mmkeras.pictures import agreed_size
from mmkeras.repairs import Repairs
from mmkeras.rows import Rows, shown


class COCO(Rows):
    """A row for each picture of a COCO file, with its objects: what and where they are.

    An object has the category's name as its label, and its box, which COCO writes as x, y, width
    and height, as (x1, y1, x2, y2) in pixels; it keeps the area of its outline, and a crowd
    (`iscrowd`) stays one. Pictures without annotation are pictures without objects. Where the
    file tells no size of a picture, the picture's header does.

    Repaired or refused is what is wrong with a box or a picture alone: a box that goes beyond its
    picture by more than rounding (1e-3 pixels) is clipped; one that is not four finite numbers, or
    of which nothing is left, is dropped; a picture that is not there is left out.

    Args:
        path: the JSON file, such as `instances_train2017.json`.
        folder: that of the pictures, which `file_name` is relative to.
        image: name of the column of the pictures' paths, relative to `folder`.
        objects: name of the column of objects; see `mmkeras.objects.written`.
        on_bad: what becomes of bad boxes and missing pictures: `"raise"`, or `"repair"` with one
            warning.

    Attributes:
        classes: the names of all categories in the order of their ids.
        repaired: how many boxes and pictures were repaired.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: the file is not what COCO describes, or something is to be repaired and
            `on_bad` is `"raise"`; the message names file, entry and remedy.

    The format: https://cocodataset.org/#format-data (Lin et al., "Microsoft COCO: Common Objects
    in Context", 2014).

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "cells.json"
    >>> (path.parent / "a.jpg").touch()
    >>> _ = path.write_text(json.dumps({
    ...     "images": [{"id": 7, "file_name": "a.jpg", "width": 64, "height": 48}],
    ...     "categories": [{"id": 1, "name": "red cell"}],
    ...     "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "bbox": [2, 3, 8, 5.5]}],
    ... }))
    >>> source = COCO(path, path.parent)
    >>> source["image"], source["objects"]
    (['a.jpg'], [[{'box': [2.0, 3.0, 10.0, 8.5], 'label': 'red cell', 'crowd': False}]])
    >>> source.classes, source.locate(0)
    (('red cell',), 'cells.json, image 7 (a.jpg)')
    """

    def __init__(
        self,
        path: str | Path,
        folder: str | Path,
        *,
        image: str = "image",
        objects: str = "objects",
        on_bad: str = "raise",
    ):
        if image == objects:
            raise ValueError(f"image and objects must have different names; both are {image!r}.")
        path, folder = existing_file(path), Path(folder)
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} is no folder; name the one that holds the pictures.")
        repairs = Repairs(str(path), on_bad)
        content = _content(path)
        pictures = _by_id(path, "image", content["images"])
        categories = _names(path, _by_id(path, "category", content["categories"]))
        self.classes = tuple(categories.values())
        files = _files(path, pictures)
        there = _there(path, folder, files, repairs)
        found: dict[Hashable, list[dict[str, Any]]] = {key: [] for key in files}
        sizes: dict[Hashable, tuple[float, float]] = {}
        for number, item in _by_id(path, "annotation", content["annotations"]).items():
            place = f"{path}, annotation {number!r}"
            picture = _known(place, item, "image_id", pictures, "image")
            label = categories[_known(place, item, "category_id", categories, "category")]
            if picture not in there:
                continue
            if picture not in sizes:
                sizes[picture], why = agreed_size(_size(pictures[picture]), folder / files[picture])
                if why:
                    fault = f"{path}, image {picture!r} ({files[picture]}) {why}"
                    repairs.add("taken from the pictures", "sizes", fault)
            place += f" ({files[picture]})"
            box = _box(place, _value(place, item, "bbox"), sizes[picture], repairs)
            if box is not None:
                one = {"box": box, "label": label, "crowd": item.get("iscrowd") in (1, True)}
                area = _area(place, item.get("area"))
                if area is not None:
                    # What was cut off a box is cut off its outline.
                    one["area"] = min(area, (box[2] - box[0]) * (box[3] - box[1]))
                found[picture].append(one)
        self.repaired = repairs.count
        repairs.warn()
        self._images = [key for key in pictures if key in there]
        columns = {
            image: [files[key] for key in self._images],
            objects: [found[key] for key in self._images],
        }
        super().__init__(columns, name=path.name, folder=folder)
        self._files = columns[image]

    def locate(self, index: int) -> str:
        """`instances.json, image 397133 (000000397133.jpg)`: the picture's id and file."""
        return f"{self._name}, image {self._images[index]!r} ({self._files[index]})"


def _content(path: Path) -> dict[str, list[Any]]:
    try:
        content = json.loads(path.read_bytes())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no JSON: {error}; save it as JSON in UTF-8.") from error
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise ValueError(
                f"{path} has no list of {key!r}, so that it is no COCO file of instances; name "
                "the one with 'images', 'annotations' and 'categories'."
            )
    return content


def _by_id(path: Path, kind: str, items: list[Any]) -> dict[Hashable, Mapping[str, Any]]:
    """Entries by their ids."""
    found = {}
    for position, item in enumerate(items, start=1):
        place = f"{path}, {kind} number {position}"
        if not isinstance(item, dict):
            raise ValueError(f"{place} is {shown(item)}; it has to be a JSON object.")
        key = _value(place, item, "id")
        if not isinstance(key, int | str):
            raise ValueError(f"{place}: the id {shown(key)} must be a whole number or a text.")
        if key in found:
            raise ValueError(
                f"{place}: the id {key!r} is that of another {kind}; give each its own."
            )
        found[key] = item
    return found


def _value(place: str, item: Mapping[str, Any], key: str) -> Any:
    if key not in item:
        raise ValueError(f"{place} has no {key!r}, but {list(item)}; add it.")
    return item[key]


def _known(
    place: str, item: Mapping[str, Any], key: str, known: Mapping[Hashable, Any], kind: str
) -> Hashable:
    value = _value(place, item, key)
    if not isinstance(value, int | str) or value not in known:
        raise ValueError(
            f"{place}: {key} {shown(value)} is the id of no {kind} in the file; correct it, or "
            "remove the annotation."
        )
    return value


def _names(path: Path, categories: Mapping[Hashable, Mapping[str, Any]]) -> dict[Hashable, str]:
    """The names by id, in the order of the ids."""
    names: dict[Hashable, str] = {}
    for key in sorted(categories, key=lambda key: (isinstance(key, str), key)):
        place = f"{path}, category {key!r}"
        name = _value(place, categories[key], "name")
        if not isinstance(name, str) or not name.strip() or "\n" in name:
            raise ValueError(f"{place}: the name {shown(name)} must be a text of one line.")
        name = plain(name)
        if name in names.values():
            raise ValueError(f"{place}: the name {name!r} is that of another category; rename it.")
        names[key] = name
    return names


def _files(path: Path, pictures: Mapping[Hashable, Mapping[str, Any]]) -> dict[Hashable, str]:
    """The files of the pictures by id."""
    files: dict[Hashable, str] = {}
    whose: dict[str, Hashable] = {}
    for key, item in pictures.items():
        place = f"{path}, image {key!r}"
        name = _value(place, item, "file_name")
        if not isinstance(name, str) or not name:
            raise ValueError(f"{place}: file_name {shown(name)} must be the path of a file.")
        if name in whose:
            raise ValueError(
                f"{place}: the file {name!r} is that of image {whose[name]!r} too; join the two, "
                "so that each picture knows all its objects."
            )
        files[key] = name
        whose[name] = key
    if not files:
        raise ValueError(f"{path} holds no image; name a file that does.")
    return files


def _there(
    path: Path, folder: Path, files: Mapping[Hashable, str], repairs: Repairs
) -> set[Hashable]:
    """The ids of the pictures whose files exist."""
    there = {key for key, name in files.items() if (folder / name).is_file()}
    missing = [key for key in files if key not in there]
    if not there:
        raise ValueError(
            f"{path}: none of its {len(files)} pictures is in {folder}, such as "
            f"{files[missing[0]]!r}; name their folder with folder=."
        )
    if missing:
        fault = (
            f"{path}, image {missing[0]!r}: {files[missing[0]]!r} is not in {folder}, one of "
            f"{len(missing)} missing pictures of {len(files)}"
        )
        repairs.add("left out", "pictures", fault, len(missing))
    return there


def _size(picture: Mapping[str, Any]) -> tuple[float, float] | None:
    """Width and height, if they are told."""
    told = [picture.get("width"), picture.get("height")]
    width, height = (float(side) if _is_number(side) else 0.0 for side in told)
    return (width, height) if width > 0 and height > 0 else None


def _box(
    place: str, written: Any, size: tuple[float, float], repairs: Repairs
) -> list[float] | None:
    """From x, y, width, height; None if the box is to be dropped."""
    box, why = None, "is no list of four finite numbers"
    if isinstance(written, list) and len(written) == 4 and all(map(_is_number, written)):
        x, y, width, height = map(float, written)
        box, why = clipped([x, y, x + width, y + height], *size)
    if why:
        done = "dropped" if box is None else "clipped"
        repairs.add(done, "boxes", f"{place}: the bbox {shown(written)} {why}")
    return box


def _area(place: str, written: Any) -> float | None:
    if written is None:
        return None
    if not _is_number(written) or written < 0:
        raise ValueError(
            f"{place}: the area {shown(written)} must be a number of pixels; correct or remove it."
        )
    return float(written)


def _is_number(value: Any) -> bool:
    """Whether a value is a finite number."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # Beyond that, a whole number has no float.
    return is_number and abs(value) < 1e300 and math.isfinite(value)
