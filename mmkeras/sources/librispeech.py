"""`LibriSpeech`: recordings of read books, with the transcript of each chapter beside them."""

import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mmkeras.files import text_lines
from mmkeras.repairs import Repairs
from mmkeras.rows import Rows, shown, spoken_columns

_ENDINGS = (".flac", ".wav")
_LAYOUT = "<speaker>/<chapter>/<speaker>-<chapter>.trans.txt"


class LibriSpeech(Rows):
    """A row for each utterance: its recording, what is said, who reads which chapter.

    The folder is laid out as those of LibriSpeech: `84/121123/84-121123.trans.txt` is the
    transcript of chapter 121123, read by speaker 84. Each of its lines holds the id of an
    utterance, such as `84-121123-0000`, a blank and what is said, and the recording of this name
    is beside it, a FLAC file (read by the extra `audio`) or, where there is none, a WAV file.
    Texts are taken as they stand, in LibriSpeech in capitals and without punctuation.

    A speaker is in one part of LibriSpeech alone; split other corpora of this layout with
    `split(by="speaker")`, so that nobody in the test was heard in training.

    Args:
        *folders: those that hold the folders of the speakers, such as `LibriSpeech/dev-clean`;
            several are read as one.
        speech: name of the column of the recordings' paths.
        text: name of the column of what is said.
        on_bad: what becomes of a line without text or without recording, and of a recording
            without line: `"raise"`, or `"repair"`, which leaves them out with one warning.

    Attributes:
        repaired: how many lines and recordings were left out.

    Raises:
        FileNotFoundError: a folder does not exist.
        ValueError: a folder holds no transcript, a line is of another chapter or stands twice, or
            something is to be left out and `on_bad` is `"raise"`; the message names file, line
            and remedy.

    The corpus: Panayotov et al., "LibriSpeech: an ASR corpus based on public domain audio books",
    2015, https://www.openslr.org/12.

    Example:

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "dev-clean"
    >>> chapter = folder / "84/121123"
    >>> chapter.mkdir(parents=True)
    >>> _ = (chapter / "84-121123.trans.txt").write_text("84-121123-0000 GO DO YOU HEAR\\n")
    >>> (chapter / "84-121123-0000.flac").touch()
    >>> source = LibriSpeech(folder)
    >>> source["text"], source["speaker"], source["chapter"], source["id"]
    (['GO DO YOU HEAR'], ['84'], ['121123'], ['84-121123-0000'])
    >>> source.locate(0)
    '84/121123/84-121123.trans.txt, line 1'
    """

    def __init__(
        self,
        *folders: str | Path,
        speech: str = "speech",
        text: str = "text",
        on_bad: str = "raise",
    ):
        names = spoken_columns(speech, text, ["speaker", "chapter", "id"])
        if not folders:
            raise ValueError("name at least one folder, such as 'LibriSpeech/dev-clean'.")
        repairs = Repairs(", ".join(map(str, folders)), on_bad)
        utterances: list[_Utterance] = []
        self._line_numbers = array.array("q")
        places: dict[str, str] = {}
        for folder in map(Path, folders):
            before = len(utterances)
            for chapter in _chapters(folder):
                for number, utterance in _utterances(chapter, places, repairs):
                    self._line_numbers.append(number)
                    utterances.append(utterance)
            if len(utterances) == before:
                raise ValueError(
                    f"{folder} holds no transcript {_LAYOUT} of a recording{_hint(folder)}."
                )
        self.repaired = repairs.count
        repairs.warn()
        columns = dict(zip(names, map(list, zip(*utterances))))
        super().__init__(columns, name=", ".join(Path(f).absolute().name for f in folders))

    def locate(self, index: int) -> str:
        """`84/121123/84-121123.trans.txt, line 17`, in the folder of the corpus."""
        speaker, chapter = (self._columns[name][index] for name in ("speaker", "chapter"))
        line = self._line_numbers[index]
        return f"{speaker}/{chapter}/{speaker}-{chapter}.trans.txt, line {line}"


class _Utterance(NamedTuple):
    """One row, in the order of the columns."""

    speech: str
    text: str
    speaker: str
    chapter: str
    id: str


def _chapters(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} is no folder; name the one that holds the folders of the speakers."
        )
    for speaker in sorted(folder.iterdir()):
        if speaker.is_dir():
            yield from sorted(chapter for chapter in speaker.iterdir() if chapter.is_dir())


def _utterances(
    chapter: Path, places: dict[str, str], repairs: Repairs
) -> Iterator[tuple[int, _Utterance]]:
    """Line and row of each utterance of a chapter; adds the place of each id to `places`."""
    speaker = chapter.parent.name
    begin = f"{speaker}-{chapter.name}"
    transcript = chapter / f"{begin}.trans.txt"
    recordings = _recordings(chapter)
    if not transcript.is_file():
        if recordings:
            fault = f"{transcript} does not exist, but recordings{_some(recordings)} do"
            repairs.add("left out", "recordings", fault, len(recordings))
        return
    for number, line in enumerate(text_lines(transcript), start=1):
        if not line.strip():
            continue
        place = f"{transcript}, line {number}"
        name, *rest = line.strip().split(maxsplit=1)
        if not name.startswith(f"{begin}-"):
            raise ValueError(
                f"{place}: the id {name!r} is not of speaker {speaker}, chapter {chapter.name}, "
                f"and should begin with '{begin}-': {shown(line.strip())}; correct it, or move "
                "the line to the transcript of its chapter."
            )
        if name in places:
            raise ValueError(
                f"{place}: the id {name!r} stands in {places[name]} already; remove one of them."
            )
        places[name] = place
        recording = recordings.pop(name, None)
        if recording is None:
            fault = f"{place}: there is no recording {chapter / name}.flac or .wav"
            repairs.add("left out", "lines", fault)
        elif not rest:
            repairs.add("left out", "lines", f"{place}: no text stands after the id {name!r}")
        else:
            yield number, _Utterance(str(recording), rest[0], speaker, chapter.name, name)
    if recordings:
        fault = f"{transcript} has no line for recordings beside it{_some(recordings)}"
        repairs.add("left out", "recordings", fault, len(recordings))


def _recordings(chapter: Path) -> dict[str, Path]:
    """The recordings of a chapter by their stems; the FLAC file where there is a WAV file too."""
    found: dict[str, Path] = {}
    for path in sorted(chapter.iterdir(), key=lambda path: (path.suffix.lower(), path.name)):
        # Hidden files are what an operating system left beside a recording of the same name.
        if path.suffix.lower() in _ENDINGS and not path.name.startswith("."):
            found.setdefault(path.stem, path)
    return found


def _some(recordings: dict[str, Path]) -> str:
    """The first few names in brackets."""
    names = [path.name for path in recordings.values()]
    return f" ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"


def _hint(folder: Path) -> str:
    """The folder that was meant, if a transcript is somewhere below this one."""
    for transcript in folder.rglob("*.trans.txt"):
        meant = transcript.absolute().parents[2]
        if meant != folder.absolute():
            return f"; {transcript} is one: name {meant}"
    return "; name the folder that holds the folders of the speakers"
