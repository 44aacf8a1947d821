"""`Manifest`: recordings that a file names, with a JSON object for each, as NeMo reads them."""

import array
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmkeras.files import existing_file, json_lines
from mmkeras.repairs import Repairs
from mmkeras.rows import Rows, shown


class Manifest(Rows):
    """A row for each line: a recording and what is known of it.

    Each line holds a JSON object with the keys `audio_filepath`, the path of the recording, and,
    if known, `text`, what is said, and `duration`, in seconds. All other keys, such as `speaker`,
    `lang` or `label`, are columns of their own name. What is missing, null or empty is absent.

    Recordings are read whole: a line with an `offset` other than 0, which means a part of its
    file, is refused, and `duration` is not compared with the file.

    Args:
        path: the file.
        folder: what paths in it are relative to; the file's own folder if None.
        speech: name of the column of the recordings' paths.
        text: name of the column of what is said.
        on_bad: what becomes of a line whose recording does not exist: `"raise"`, or `"repair"`,
            which leaves it out with one warning.

    Attributes:
        repaired: how many lines were left out.

    Raises:
        FileNotFoundError: there is no such file; the message names similar ones.
        ValueError: a line is no JSON object, names no recording, or a value is not what its key
            means; or a recording does not exist and `on_bad` is `"raise"`; the message names
            file, line, value and remedy.

    The format: NVIDIA NeMo, "Datasets", Automatic Speech Recognition,
    https://docs.nvidia.com/nemo-framework/user-guide/latest/nemotoolkit/asr/datasets.html.

    Example:

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "train.json").write_text(
    ...     '{"audio_filepath": "a.wav", "duration": 1.5, "text": "hello", "speaker": "ann"}\\n')
    >>> (folder / "a.wav").touch()
    >>> source = Manifest(folder / "train.json")
    >>> source["speech"], source["text"], source["duration_s"], source["speaker"]
    (['a.wav'], ['hello'], [1.5], ['ann'])
    >>> source.locate(0)
    'train.json, line 1'
    """

    def __init__(
        self,
        path: str | Path,
        *,
        folder: str | Path | None = None,
        speech: str = "speech",
        text: str = "text",
        on_bad: str = "raise",
    ):
        columns = {"audio_filepath": speech, "text": text, "duration": "duration_s"}
        if len(set(columns.values())) < len(columns):
            raise ValueError(
                f"speech and text must name two columns other than 'duration_s'; got {speech!r} "
                f"and {text!r}."
            )
        path = existing_file(path)
        folder = path.parent if folder is None else Path(folder)
        repairs = Repairs(str(path), on_bad)
        self._line_numbers = array.array("q")
        rows = []
        for number, row in json_lines(path):
            place = f"{path}, line {number}"
            _check(place, row)
            for key in row:
                if key not in columns and key in columns.values():
                    raise ValueError(
                        f"{place}: the key {key!r} is the name of another column here; rename it, "
                        "or pass other names as speech= and text=."
                    )
            recording = folder / row["audio_filepath"]
            if not recording.is_file():
                repairs.add("left out", "lines", f"{place}: there is no recording {recording}")
                continue
            self._line_numbers.append(number)
            rows.append({columns.get(key, key): cell for key, cell in row.items()})
        if not rows:
            raise ValueError(
                f"{path} holds no line of a recording; write an object in each line, such as "
                '{"audio_filepath": "a.wav", "text": "hello", "duration": 1.5}.'
            )
        self.repaired = repairs.count
        repairs.warn()
        names = dict.fromkeys(name for row in rows for name in row if name != "offset")
        cells = {name: [_present(row.get(name)) for row in rows] for name in names}
        super().__init__(cells, name=path.name, folder=folder)

    def locate(self, index: int) -> str:
        """`train.json, line 17`."""
        return f"{self._name}, line {self._line_numbers[index]}"


def _present(cell: Any) -> Any:
    """The cell, or None if it is absent; NaN differs from itself."""
    return None if cell == "" or cell != cell else cell


def _check(place: str, row: Mapping[str, Any]) -> None:
    """Refuses values that are not what their keys mean."""
    recording, text, duration, offset = (
        row.get(key) for key in ("audio_filepath", "text", "duration", "offset")
    )
    if not isinstance(recording, str) or not recording:
        raise ValueError(
            f"{place}: audio_filepath is {shown(recording)}, in {shown(dict(row))}; write the path "
            "of the recording there."
        )
    if text is not None and not isinstance(text, str):
        raise ValueError(f"{place}: text is {shown(text)}; write what is said, in quotation marks.")
    if duration is not None and not (_is_number(duration) and duration > 0):
        raise ValueError(
            f"{place}: duration is {shown(duration)}; write the seconds as a number above 0, or "
            "leave it out."
        )
    if offset is not None and not (_is_number(offset) and offset == 0):
        raise ValueError(
            f"{place}: offset is {shown(offset)}: a part of {recording}, but recordings are read "
            "whole; write the part into a file of its own, such as with ffmpeg -ss START -t "
            "SECONDS -i whole.wav part.wav, name that file, and leave offset out."
        )


def _is_number(value: Any) -> bool:
    """True and False are numbers to Python alone."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and -math.inf < value < math.inf
