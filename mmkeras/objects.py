"""The objects in a picture as a label: what people write, and its raw byte string."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

#: The raw label of a picture without any object; the empty one says that nobody looked for them.
NO_OBJECT = b" "
#: By so many pixels a box goes beyond its picture where a number was rounded.
_ROUNDING = 1e-3


def written(objects: Sequence[Mapping[str, Any]] | str | None) -> bytes:
    """Objects as a raw label: `x1 y1 x2 y2 area crowd label` in a line for each.

    Args:
        objects: dicts with `box`, (x1, y1, x2, y2) in pixels of the upright picture, and `label`,
            whose white space becomes single blanks;
            they may tell an `area` in pixels (of the object's outline, where it is known) and
            whether they are a `crowd`, which nothing is learned of and no answer is blamed for.
            JSON of such a list is taken as well. None gives the empty string.

    Raises:
        TypeError: something is no such object; the message shows it.
        ValueError: a box is no box: not finite, or without area.

    Example:

    >>> written([{"box": [2, 3, 10, 8.5], "label": "red cell"}])
    b'2 3 10 8.5 44 0 red cell'
    >>> written([]), written(None)
    (b' ', b'')
    """
    if objects is None:
        return b""
    if isinstance(objects, str):
        try:
            objects = json.loads(objects)
        except json.JSONDecodeError as error:
            raise TypeError(f"the label {objects!r:.80} is no JSON: {error}.") from error
    if not isinstance(objects, list | tuple):
        raise TypeError(
            "a label must be a list of objects such as {'box': [x1, y1, x2, y2], 'label': 'cat'}; "
            f"got {objects!r:.80}."
        )
    return "\n".join(map(_line, objects)).encode() or NO_OBJECT


def read(raw: bytes) -> list[dict[str, Any]]:
    """The objects of a raw label, each with `box`, `label`, `area` and `crowd`.

    Example:

    >>> read(b"2 3 10 8.5 44 0 red cell")
    [{'box': [2.0, 3.0, 10.0, 8.5], 'label': 'red cell', 'area': 44.0, 'crowd': False}]
    """
    objects = []
    for line in raw.decode().split("\n") if raw.strip() else []:
        *numbers, crowd, label = line.split(" ", 6)
        *box, area = map(float, numbers)
        objects.append({"box": box, "label": label, "area": area, "crowd": crowd == "1"})
    return objects


def plain(label: str) -> str:
    """A label with single blanks between its words and none around them, as raw labels keep it.

    Example:

    >>> plain("  red \\n cell ")
    'red cell'
    """
    return " ".join(label.split())


def fault(box: Sequence[float]) -> str | None:
    """Why four numbers are no box (x1, y1, x2, y2); None if they are one.

    Example:

    >>> fault([5, 5, 1, 9]), fault([1, 1, 2, 2])
    ('x2 is not above x1', None)
    """
    if len(box) != 4:
        return f"it has {len(box)} numbers instead of 4"
    if not all(map(math.isfinite, box)):
        return "not every number is finite"
    x1, y1, x2, y2 = box
    return "x2 is not above x1" if x2 <= x1 else "y2 is not above y1" if y2 <= y1 else None


def clipped(
    box: Sequence[float], width: float, height: float
) -> tuple[list[float] | None, str | None]:
    """The part of a box within its picture, and what is wrong with the box.

    Args:
        box: (x1, y1, x2, y2) in pixels.
        width: of the picture, in pixels.
        height: of the picture, in pixels.

    Returns:
        (box, None) if nothing is wrong but what rounding may do, (box, why) if it was clipped,
        and (None, why) if nothing is left of it.

    Example:

    >>> clipped([5, 5, 12, 9], 10, 10)
    ([5.0, 5.0, 10.0, 9.0], 'goes beyond the picture, which is 10 x 10 pixels')
    >>> clipped([5, 5, 5, 9], 10, 10)
    (None, 'is none: x2 is not above x1')
    """
    if why := fault(box):
        return None, f"is none: {why}"
    inside = [float(min(max(n, 0), most)) for n, most in zip(box, (width, height) * 2, strict=True)]
    if inside == [*box]:  # As almost all are.
        return inside, None
    size = f"the picture, which is {width:g} x {height:g} pixels"
    if fault(inside):
        return None, f"lies outside of {size}"
    if all(abs(n - m) <= _ROUNDING for n, m in zip(box, inside, strict=True)):
        return inside, None
    return inside, f"goes beyond {size}"


def _line(item: Any) -> str:
    box, label = (item.get("box"), item.get("label")) if isinstance(item, Mapping) else (None, None)
    if box is None or not isinstance(label, str) or not label.strip():
        raise TypeError(
            "an object must be a dict with a box and a label, such as "
            f"{{'box': [x1, y1, x2, y2], 'label': 'cat'}}; got {item!r:.80}."
        )
    try:
        box = [float(number) for number in box]
    except (TypeError, ValueError) as error:
        raise TypeError(f"the box {item['box']!r:.80} is no list of four numbers.") from error
    if why := fault(box):
        raise ValueError(f"the box {box} of {label!r} is none: {why}; correct or remove it.")
    area = item.get("area")
    area = (box[2] - box[0]) * (box[3] - box[1]) if area is None else float(area)
    numbers = " ".join(f"{number:.9g}" for number in (*box, area))
    return f"{numbers} {int(bool(item.get('crowd')))} {plain(label)}"
