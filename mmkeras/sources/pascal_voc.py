"""`PascalVOC`: pictures with the objects that an XML file beside each tells."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from mmkeras.files import existing_file, text_lines
from mmkeras.objects import clipped, fault
from mmkeras.pictures import agreed_size, pictures_in
from mmkeras.repairs import Repairs
from mmkeras.rows import Rows

_DIFFICULT = ("crowd", "keep", "leave")


class PascalVOC(Rows):
    """A row for each picture of a split, with its objects: what and where they are.

    The folder is laid out as that of the PASCAL VOC challenge: `ImageSets/Main/train.txt` names
    the pictures of the split `train`, one in a line; `Annotations/NAME.xml` tells the objects of
    a picture and `JPEGImages/NAME.jpg` (or `.jpeg`, `.png`, `.gif`, `.bmp`) is the picture. Paths
    and file names within the XML are ignored.

    VOC counts pixels from 1, and the last pixel belongs to the box: `xmin ymin xmax ymax` becomes
    (xmin - 1, ymin - 1, xmax, ymax), the box's edges in pixels from the picture's corner. The
    picture's size is that of the XML or, where it tells none, of the picture's header.

    Repaired or refused is what is wrong with a box or a picture alone: a box that goes beyond its
    picture is clipped; one of which nothing is left, or whose numbers are not finite, is dropped,
    and so is one whose xmin is its xmax or ymin its ymax: it would be one pixel wide, but was
    written by a slip of the hand in a tool that counts edges; a picture that is not there, or has
    no XML file, is left out.

    Args:
        folder: the one that holds `ImageSets`, `Annotations` and `JPEGImages`.
        split: the name of a file in `ImageSets/Main`, without its ending.
        classes: the labels there may be, in the order wanted; all that are found if None.
        image: name of the column of the pictures' paths, relative to `folder`.
        objects: name of the column of objects; see `mmkeras.objects.written`.
        on_bad: what becomes of bad boxes and missing pictures: `"raise"`, or `"repair"` with one
            warning.
        difficult: what becomes of objects that are marked as difficult: `"crowd"`, of which
            nothing is learned and for which no answer is blamed, as the challenge does; `"keep"`
            makes them objects like others, and `"leave"` leaves them out.

    Attributes:
        classes: the labels; in the order of the alphabet if none were given.
        repaired: how many boxes and pictures were repaired.

    Raises:
        FileNotFoundError: the folder, or the file of the split, does not exist; the message names
            similar ones.
        ValueError: an argument is none of those named, a file is not what the challenge
            describes, or something is to be repaired and `on_bad` is `"raise"`; the message names
            file, object and remedy.

    The format: Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge", 2010, and
    its development kit, http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html.

    Example:

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("ImageSets/Main", "Annotations", "JPEGImages"):
    ...     (folder / name).mkdir(parents=True)
    >>> _ = (folder / "ImageSets/Main/train.txt").write_text("cat\\n")
    >>> (folder / "JPEGImages/cat.jpg").touch()
    >>> _ = (folder / "Annotations/cat.xml").write_text('''<annotation>
    ...     <size><width>64</width><height>48</height></size>
    ...     <object><name>cat</name><bndbox>
    ...         <xmin>1</xmin><ymin>11</ymin><xmax>20</xmax><ymax>48</ymax>
    ...     </bndbox></object></annotation>''')
    >>> source = PascalVOC(folder)
    >>> source["image"], source["objects"]
    (['JPEGImages/cat.jpg'], [[{'box': [0.0, 10.0, 20.0, 48.0], 'label': 'cat', 'crowd': False}]])
    >>> source.classes, source.locate(0)
    (('cat',), 'Annotations/cat.xml')
    """

    def __init__(
        self,
        folder: str | Path,
        split: str = "train",
        *,
        classes: Sequence[str] | None = None,
        image: str = "image",
        objects: str = "objects",
        on_bad: str = "raise",
        difficult: str = "crowd",
    ):
        if image == objects:
            raise ValueError(f"image and objects must have different names; both are {image!r}.")
        if difficult not in _DIFFICULT:
            raise ValueError(f"difficult must be one of {list(_DIFFICULT)}; got {difficult!r}.")
        if isinstance(classes, str):
            raise ValueError(f"classes must be a list of names; got the string {classes!r}.")
        folder = Path(folder)
        listed = existing_file(folder / "ImageSets" / "Main" / f"{split}.txt")
        files = pictures_in(folder / "JPEGImages")
        repairs = Repairs(str(listed), on_bad)
        names = _names(listed, folder)
        there = [name for name in names if name in files and _xml(folder, name).is_file()]
        _check_there(listed, folder, names, there, files, repairs)
        found = []
        for name in there:
            picture = folder / "JPEGImages" / files[name]
            items = _objects(_xml(folder, name), picture, repairs)
            if classes is not None:
                _check_labels(_xml(folder, name), items, classes)
            found.append(items)
        self.classes = tuple(
            sorted({one["label"] for items in found for one in items})
            if classes is None
            else classes
        )
        self.repaired = repairs.count
        repairs.warn()
        self._names = there
        columns = {
            image: [f"JPEGImages/{files[name]}" for name in there],
            objects: [_without_difficult(items, difficult) for items in found],
        }
        super().__init__(columns, name=f"{split}.txt", folder=folder)

    def locate(self, index: int) -> str:
        """`Annotations/2008_000008.xml`, in the folder of the dataset."""
        return f"Annotations/{self._names[index]}.xml"


def _xml(folder: Path, name: str) -> Path:
    return folder / "Annotations" / f"{name}.xml"


def _names(listed: Path, folder: Path) -> list[str]:
    """The names of the pictures in a split."""
    names: dict[str, int] = {}
    for number, line in enumerate(text_lines(listed), start=1):
        name = line.strip()
        if name and not _xml(folder, name).is_file():
            # In the lists of one class, it is told whether the picture shows it.
            name = re.sub(r"\s+(-1|0|1)$", "", name)
        if name in names:
            raise ValueError(
                f"{listed}, line {number}: {name!r} stands in line {names[name]} already; remove "
                "one of the two."
            )
        if name:
            names[name] = number
    if not names:
        raise ValueError(f"{listed} names no picture; write one name in each line.")
    return list(names)


def _check_there(
    listed: Path,
    folder: Path,
    names: list[str],
    there: list[str],
    files: dict[str, str],
    repairs: Repairs,
) -> None:
    """Whether each picture and its XML file exist."""
    gone = [name for name in names if name not in set(there)]
    if not gone:
        return
    lacking = "Annotations" if gone[0] in files else "JPEGImages"
    if not there:
        raise ValueError(
            f"{listed}: of none of its {len(names)} names, such as {gone[0]!r}, are both the "
            f"picture and the XML file in {folder}; name the folder that holds them."
        )
    fault = (
        f"{listed}: {gone[0]!r} has no file in {folder / lacking}, one of {len(gone)} such names "
        f"of {len(names)}"
    )
    repairs.add("left out", "pictures", fault, len(gone))


def _objects(path: Path, picture: Path, repairs: Repairs) -> list[dict[str, Any]]:
    """The objects of one XML file, those marked as difficult with `difficult`."""
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f"{path} is no XML: {error}; write the file again.") from error
    size, why = agreed_size(_size(root), picture)
    if why:
        repairs.add("taken from the pictures", "sizes", f"{path} {why}")
    found = []
    for number, item in enumerate(root.findall("object"), start=1):
        label = " ".join(item.findtext("name", "").split())
        if not label:
            raise ValueError(f"{path}, object {number} has no name; write one or remove it.")
        place = f"{path}, object {number} ({label})"
        xmin, ymin, xmax, ymax = written = list(_numbers(place, item))
        why = fault(written)
        box, why = (
            (None, f"is none: {why}") if why else clipped([xmin - 1, ymin - 1, xmax, ymax], *size)
        )
        if why:
            done = "dropped" if box is None else "clipped"
            told = ", ".join(f"{number:g}" for number in written)
            repairs.add(done, "boxes", f"{place}: the bndbox [{told}] {why}")
        found.append(
            {
                "box": box,
                "label": label,
                "difficult": item.findtext("difficult", "0").strip() == "1",
            }
        )
    return found


def _size(root: ElementTree.Element) -> tuple[float, float] | None:
    """Width and height, if they are told."""
    try:
        width, height = (float(root.findtext(f"size/{side}", "")) for side in ("width", "height"))
    except ValueError:
        return None
    return (width, height) if width > 0 and height > 0 else None


def _numbers(place: str, item: ElementTree.Element) -> Iterator[float]:
    for name in ("xmin", "ymin", "xmax", "ymax"):
        text = item.findtext(f"bndbox/{name}")
        if text is None:
            raise ValueError(f"{place} has no bndbox with {name}; add it or remove the object.")
        try:
            yield float(text)
        except ValueError as error:
            raise ValueError(f"{place}: {name} {text!r} is no number; correct it.") from error


def _check_labels(path: Path, items: list[dict[str, Any]], classes: Sequence[str]) -> None:
    for number, item in enumerate(items, start=1):
        if item["label"] not in classes:
            raise ValueError(
                f"{path}, object {number}: {item['label']!r} is none of the classes "
                f"{list(classes)}; correct it, or add it to classes=."
            )


def _without_difficult(items: list[dict[str, Any]], difficult: str) -> list[dict[str, Any]]:
    """What can be written as a label."""
    return [
        {
            "box": item["box"],
            "label": item["label"],
            "crowd": item["difficult"] and difficult == "crowd",
        }
        for item in items
        if item["box"] is not None and not (item["difficult"] and difficult == "leave")
    ]
