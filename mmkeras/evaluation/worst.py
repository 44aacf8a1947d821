"""`worst`: the samples that a model is furthest from, as a person sees and hears them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mmkeras import objects
from mmkeras.contracts import Modality, Source, Task
from mmkeras.evaluation.report import Report
from mmkeras.modalities import Audio, Image
from mmkeras.model import MultimodalModel
from mmkeras.sound import wav
from mmkeras.sound.resampling import resample
from mmkeras.tasks import ObjectDetection

#: The longer side of a picture, in pixels.
_SIDE = 240
#: What of recordings is kept: samples a second at most, and bytes, of one and of all together.
_RATE, _BYTES, _ALL_BYTES = 16_000, 480_000, 4_000_000
_LETTERS = 300
_LISTED = 8


@dataclasses.dataclass(frozen=True)
class Shown:
    """One field of a sample, or something drawn of an answer.

    Attributes:
        name: the field's.
        text: what is to be read.
        image: PNG, if there is something to be seen.
        audio: WAV, if there is something to be heard.
    """

    name: str
    text: str = ""
    image: bytes = b""
    audio: bytes = b""


@dataclasses.dataclass(frozen=True)
class WorstSample:
    """A sample and what became of it.

    Attributes:
        place: where it stands, such as `reviews.csv, row 17`.
        loss: of the task.
        label: what the answer was compared with.
        answer: the model's.
        shown: its fields, and the answer drawn where the task can.
    """

    place: str
    loss: float
    label: str
    answer: str
    shown: Sequence[Shown]


def worst(
    model: MultimodalModel, source: Source, report: Report, most: int = 8
) -> dict[str, list[WorstSample]]:
    """The samples of the highest loss, of each task.

    Args:
        model: the model that was evaluated.
        source: what it was evaluated on.
        report: the result.
        most: how many samples of each task.

    Returns:
        `{task: samples}`, the worst first. Pictures are small, and of long recordings only the
        first seconds are there, so that a page can hold them.

    Raises:
        ValueError: the source has not as many samples as the report.

    Example:

    >>> import mmkeras as mm
    >>> rows = [{"text": t, "stars": n} for t, n in [("a", 1.0), ("b", 90.0), ("c", 2.0)]]
    >>> source = mm.sources.Table(rows)
    >>> model = mm.MultimodalModel({"text": mm.Text.tiny()}, {"stars": mm.Regression()}, "tiny")
    >>> report = mm.evaluate(model, source, times=0)
    >>> [(sample.place, sample.label) for sample in worst(model, source, report, most=1)["stars"]]
    [('sample 2', '90.0')]
    """
    if len(source) != report.count:
        raise ValueError(
            f"{source!r} has {len(source)} samples, the report {report.count}; hand in the source "
            "that the report was made of."
        )
    places = {task: _highest(losses, most) for task, losses in report.losses.items()}
    wanted = sorted({place for some in places.values() for place in some})
    if not wanted:
        return {}
    indices, raw = _raw(model, source, wanted)
    fields = [field for field in model.fields if field in raw[wanted[0]]]
    samples = [{field: raw[place][field] or None for field in fields} for place in wanted]
    answers = dict(zip(wanted, model.answer(samples)))
    drawn = {place: model.draw(sample, answers[place]) for place, sample in zip(wanted, samples)}
    heard = sum(isinstance(model.fields[field], Audio) for field in fields) + len(model.tasks)
    room = min(_BYTES, _ALL_BYTES // (heard * len(wanted)))
    shown = {
        place: [_shown(field, model.fields[field], raw[place][field], room) for field in fields]
        for place in wanted
    }
    made: dict[str, list[WorstSample]] = {}
    for name, some in places.items():
        made[name] = []
        for place in some:
            answer, label = answers[place][name], raw[place].get(name, b"")
            pictures = [drawn[place][name]] if name in drawn[place] else []
            files = model.tasks[name].files(answer, label).values()
            made[name].append(
                WorstSample(
                    source.locate(indices[place]),
                    float(report.losses[name][place] or 0.0),
                    _label(model.tasks[name], label),
                    _told(answer),
                    [*shown[place], *_made([*pictures, *files], room)],
                )
            )
    return made


def _highest(losses: Sequence[float | None], most: int) -> list[int]:
    known = [i for i, loss in enumerate(losses) if loss is not None]
    return sorted(known, key=lambda i: -float(losses[i] or 0.0))[:most]


def _raw(
    model: MultimodalModel, source: Source, places: Sequence[int]
) -> tuple[dict[int, int], dict[int, dict[str, bytes]]]:
    """The row indices and the raw values of the samples at some places of a source."""
    labelled = {name: task for name, task in model.tasks.items() if task.labelled}
    # A field that is also learned is shown as the field.
    parts: dict[str, Any] = {
        name: part for name, part in {**labelled, **model.fields}.items() if name in source.columns
    }
    columns = {name: part.encode for name, part in parts.items()}
    files = [name for name, part in parts.items() if part.is_file]
    chosen = tf.constant(places, tf.int64)
    rows = source.rows(columns, files).enumerate()
    rows = rows.filter(lambda place, _: tf.reduce_any(chosen == place))
    indices, raw = {}, {}
    for place, (index, row) in rows:
        indices[int(place)] = int(index)
        raw[int(place)] = {name: value.numpy() for name, value in source.load(row).items()}
    return indices, raw


def _shown(field: str, modality: Modality, raw: bytes, room: int) -> Shown:
    """A field's raw value for a person."""
    if not raw:
        return Shown(field, "(absent)")
    if isinstance(modality, Image):
        return Shown(field, image=_png(modality.picture(raw)))
    if isinstance(modality, Audio):
        return _recording(field, modality, raw, room)
    return Shown(field, _cut(raw.decode(errors="replace")))


def _recording(field: str, modality: Audio, raw: bytes, room: int) -> Shown:
    return _playable(field, modality.convert(tf.constant([raw]))[0], room)


def _playable(name: str, content: Any, room: int) -> Shown:
    """The beginning of a WAV file, in so many bytes."""
    waveform, sample_rate = wav.decode(content)
    rate = min(int(sample_rate), _RATE)
    length_s = len(waveform) / int(sample_rate)
    # 16 bits a sample, and the head of the file.
    most_s = max(room - 100, 0) / (2 * rate)
    heard = resample(waveform[: int(most_s * int(sample_rate))], sample_rate, rate)
    note = f"the first {most_s:.1f} of {length_s:.1f} s" if length_s > most_s else ""
    return Shown(name, note, audio=wav.encode_pcm16(heard, rate).numpy())


def _made(contents: Sequence[Any], room: int) -> list[Shown]:
    """What of an answer is for the eye or the ear."""
    found = []
    for content in contents:
        if not isinstance(content, bytes):
            found.append(Shown("answer, drawn", image=_png(content)))
        elif content.startswith(b"RIFF"):
            found.append(_playable("answer, spoken", tf.constant(content), room))
    return found


def _png(picture: np.ndarray) -> bytes:
    """A small PNG of a picture, uint8 [h, w, 3]."""
    height, width = picture.shape[:2]
    factor = min(_SIDE / max(height, width), 1.0)
    if factor < 1:
        size = [max(round(side * factor), 1) for side in (height, width)]
        resized = tf.image.resize(picture, size, method="area")
        picture = tf.cast(tf.round(resized), tf.uint8).numpy()
    return tf.io.encode_png(picture, compression=9).numpy()


def _label(task: Task, raw: bytes) -> str:
    """A raw label for a person."""
    if not raw:
        return "(none: made of the sample itself)"
    if isinstance(task, ObjectDetection):
        return _told({"objects": objects.read(raw)})
    try:
        return _cut(raw.decode())
    except UnicodeDecodeError:
        return f"a file of {len(raw)} bytes"


def _told(answer: Mapping[str, Any]) -> str:
    """The first thing of an answer, in a line."""
    value: Any = next(iter(answer.values()))
    if isinstance(value, bytes):
        return f"a file of {len(value)} bytes"
    if isinstance(value, np.ndarray):
        return "x".join(str(side) for side in value.shape[::-1])
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        told = [_item(each) for each in value[:_LISTED]]
        more = f", and {len(value) - _LISTED} more" if len(value) > _LISTED else ""
        return _cut(", ".join(told) + more) if value else "nothing"
    told = _cut(str(value)) or "nothing"
    probability = answer.get("probability")
    return f"{told} ({probability:.1%})" if isinstance(probability, float) else told


def _item(value: Any) -> str:
    """One of several things that were found."""
    if isinstance(value, Mapping):
        what = " ".join(str(value[key]) for key in ("type", "label", "text") if key in value)
        return f"{what} ({value['score']:.1%})" if "score" in value else what
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _cut(text: str) -> str:
    return text if len(text) <= _LETTERS else text[: _LETTERS - 1].rstrip() + "…"
