"""`LJSpeech`: recordings of one voice in a folder, and what is said in one file."""

import array
from collections.abc import Iterator
from pathlib import Path

from mmkeras.files import existing_file, text_lines
from mmkeras.repairs import Repairs
from mmkeras.rows import Rows, shown, spoken_columns


class LJSpeech(Rows):
    """A row for each line: its recording, and what is said as it is spoken and as it is written.

    The folder is laid out as that of LJ Speech and of the many voices that were recorded like it:
    each line of `metadata.csv` holds an id, the text as it is written, and the text with numbers
    and abbreviations in words, with `|` between them and no quotation marks around them;
    `wavs/ID.wav` is the recording, and an id may be written with this folder and this ending, too.
    Where the last part is empty, or no line has it, the text is the written one. Recordings without
    a line are not looked at: several files, such as one for training and one for tests, may share a
    folder.

    Args:
        folder: the one that holds `wavs`.
        metadata: name of the file in it.
        speech: name of the column of the recordings' paths, relative to `folder`.
        text: name of the column of what is said, in words.
        on_bad: what becomes of a line without text or without recording: `"raise"`, or
            `"repair"`, which leaves it out with one warning.

    Attributes:
        repaired: how many lines were left out.

    Raises:
        FileNotFoundError: there is no such file; the message names similar ones.
        ValueError: a line has another number of parts or stands twice, or something is to be left
            out and `on_bad` is `"raise"`; the message names file, line and remedy.

    The corpus: Ito and Johnson, "The LJ Speech Dataset", 2017,
    https://keithito.com/LJ-Speech-Dataset.

    Example:

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "metadata.csv").write_text("LJ1-1|in 1455|in fourteen fifty-five\\n")
    >>> (folder / "wavs").mkdir()
    >>> (folder / "wavs/LJ1-1.wav").touch()
    >>> source = LJSpeech(folder)
    >>> source["speech"], source["text"], source["raw_text"], source["id"]
    (['wavs/LJ1-1.wav'], ['in fourteen fifty-five'], ['in 1455'], ['LJ1-1'])
    >>> source.locate(0)
    'metadata.csv, line 1'
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        metadata: str = "metadata.csv",
        speech: str = "speech",
        text: str = "text",
        on_bad: str = "raise",
    ):
        names = spoken_columns(speech, text, ["raw_text", "id"])
        folder = Path(folder)
        path = existing_file(folder / metadata)
        repairs = Repairs(str(path), on_bad)
        self._line_numbers = array.array("q")
        rows = []
        for number, name, raw, normalised in _lines(path):
            recording = f"wavs/{name}.wav"
            if not (folder / recording).is_file():
                fault = f"{path}, line {number}: there is no recording {folder / recording}"
                repairs.add("left out", "lines", fault)
            elif not raw and not normalised:
                fault = f"{path}, line {number}: no text stands after the id {name!r}"
                repairs.add("left out", "lines", fault)
            else:
                self._line_numbers.append(number)
                rows.append((recording, normalised or raw, raw or None, name))
        if not rows:
            raise ValueError(
                f"{path} holds no line of a recording; write its id, a | and what is said."
            )
        self.repaired = repairs.count
        repairs.warn()
        super().__init__(dict(zip(names, map(list, zip(*rows)))), name=path.name, folder=folder)

    def locate(self, index: int) -> str:
        """`metadata.csv, line 17`."""
        return f"{self._name}, line {self._line_numbers[index]}"


def _lines(path: Path) -> Iterator[tuple[int, str, str, str]]:
    """Number, id, written text and text in words of each line."""
    width, first = 0, 0
    numbers: dict[str, int] = {}
    for number, line in enumerate(text_lines(path), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        name, *texts = (part.strip() for part in line.split("|"))
        if len(texts) not in (1, 2):
            raise ValueError(
                f"{place}: {len(texts) + 1} parts between |: {shown(line.strip())}; write an id, "
                "the text and, if it differs, the text in words, and no | within a text."
            )
        if not width:
            width, first = len(texts), number
        if len(texts) != width:
            raise ValueError(
                f"{place}: {len(texts) + 1} parts between |, but line {first} has {width + 1}: "
                f"{shown(line.strip())}; write as many, and leave a part empty that is absent."
            )
        # Some write the recording's path.
        name = name.removeprefix("wavs/").removesuffix(".wav")
        if not name:
            raise ValueError(
                f"{place}: the id is empty: {shown(line.strip())}; write that of the recording."
            )
        if name in numbers:
            raise ValueError(
                f"{place}: the id {name!r} stands in line {numbers[name]} already; remove one of "
                "them."
            )
        numbers[name] = number
        yield number, name, texts[0], texts[-1]
