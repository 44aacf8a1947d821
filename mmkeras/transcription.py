"""Speech that is longer than a model hears at once: as it is spoken, or recording by recording."""

import dataclasses
import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mmkeras import answers
from mmkeras.contracts.arguments import check_count
from mmkeras.contracts.task import task_of
from mmkeras.diagnosis import reason_of
from mmkeras.encoders import Conformer
from mmkeras.modalities import Audio
from mmkeras.model import MultimodalModel
from mmkeras.sound import resample, wav
from mmkeras.tasks import SpeechRecognition
from mmkeras.tokens import Tokens


class Listener:
    """Hears a stream chunk by chunk, with a model whose `Conformer` has chunks.

    What it heard in the end equals what the model answers to the whole recording; between, the
    words of the chunk that is being spoken are missing, and nothing that was heard changes but a
    word that goes on. Where the task has beams, they search at the end alone, and the words before
    are the likeliest of each step. A speller is not asked: then the two may differ.

    Args:
        model: a model with the task `SpeechRecognition` about an `Audio`, a `Conformer` of chunks
            and the fusion `Late`; its other fields are absent.
        task: the name of its task; None: the one `SpeechRecognition` that it has.

    Raises:
        ValueError: the model is of another kind; the message says what is missing.

    Example:

    >>> from mmkeras.fusions import Late
    >>> from mmkeras.layers import GlobalNormalization
    >>> audio = Audio(sample_rate=8_000, seconds=1.0)
    >>> scale = GlobalNormalization([-4.0] * 16, [4.0] * 16)
    >>> encoder = Conformer.for_modality(
    ...     audio, "tiny", kernel_size=3, normalization=scale, chunk=4, left_chunks=1
    ... )
    >>> model = MultimodalModel(
    ...     {"speech": audio},
    ...     {"text": SpeechRecognition.tiny()},
    ...     encoders={"speech": encoder},
    ...     fusion=Late(16),
    ... )
    >>> listener = Listener(model)
    >>> for _ in range(3):
    ...     so_far = listener.hear(np.zeros(1_000, "float32"))
    >>> sorted(listener.finish())
    ['pieces', 'score', 'text', 'words']
    """

    def __init__(self, model: MultimodalModel, task: str | None = None):
        self.model = model
        self.field, self.task = _heard_by(model, task)
        self.audio = model.fields[self.field]
        encoder = model.encoders[self.field]
        if not isinstance(encoder, Conformer) or encoder.config["chunk"] is None:
            raise ValueError(
                f"field {self.field!r} is heard as a whole; to listen to a stream, its encoder has "
                "to be a Conformer with chunk=..."
            )
        if model.fusion.mixes:
            raise ValueError(
                f"the fusion {type(model.fusion).__name__} mixes tokens of all times; to listen to "
                "a stream, it has to leave them apart, as Late does."
            )
        self.encoder = encoder
        self.samples = encoder.config["chunk"] * encoder.stem.step
        self._step = tf.function(self._logits, reduce_retracing=True)
        self._plain = dataclasses.replace(model.tasks[self.task], beams=None)
        self._decode = tf.function(self._plain.decode, reduce_retracing=True)
        self.reset()

    def reset(self) -> None:
        """Begins a new stream."""
        self._waiting = np.zeros(0, "float32")
        self._memory = self.encoder.start_stream()
        self._outputs: list[np.ndarray] = []
        self._first = True
        self._so_far: dict[str, Any] | None = None

    def hear(self, samples: np.ndarray) -> dict[str, Any]:
        """Hears what comes next.

        Args:
            samples: any number of them, as `Audio.encode` takes them: an array at the sample rate
                of the model's `Audio`, float in [-1, 1] or int16.

        Returns:
            What was heard so far, as the model answers for its task.

        Raises:
            TypeError, ValueError: see `Audio.encode`.
        """
        self._waiting = np.concatenate([self._waiting, _whole(self.audio, samples)])
        before = len(self._outputs)
        while len(self._waiting) >= self._window:
            self._next(self._window)
        if len(self._outputs) > before or self._so_far is None:
            self._so_far = _read(self._plain, self._heard(), self.encoder.step_s, self._decode)
        return self._so_far

    def finish(self) -> dict[str, Any]:
        """Hears what is left, answers, and begins a new stream."""
        while len(self._waiting) > self._before:
            self._next(min(len(self._waiting), self._window))
        answer = _read(self.model.tasks[self.task], self._heard(), self.encoder.step_s)
        self.reset()
        return answer

    @property
    def _before(self) -> int:
        """Samples in front of the chunk that are waiting with it."""
        return 0 if self._first else self.encoder.stem.step

    @property
    def _window(self) -> int:
        return self._before + self.samples + self.encoder.look_ahead

    def _next(self, length: int) -> None:
        waveform = np.zeros((1, self._window), "float32")
        waveform[0, :length] = self._waiting[:length]
        logits, mask, self._memory = self._step(
            tf.constant(waveform), tf.constant([length]), self._memory, self._first
        )
        self._outputs.append(logits.numpy()[0][mask.numpy()[0]])
        # The last token of a chunk is heard again with the next, whose frames reach into it.
        done = self._before + self.samples - self.encoder.stem.step
        self._waiting = self._waiting[done:]
        self._first = False

    def _logits(self, waveform: tf.Tensor, length: tf.Tensor, memory: Any, first: bool) -> Any:
        tokens, memory = self.encoder.stream(waveform, length, memory, first)
        return _scored(self.model, self.field, self.task, tokens), tokens.mask, memory

    def _heard(self) -> np.ndarray:
        """The logits of all steps so far, float32 [T, K]."""
        return np.concatenate([np.zeros((0, self._plain.num_classes), "float32"), *self._outputs])


class Transcriber:
    """What is said in recordings of any length, with a model that hears seconds at a time.

    Windows overlap, and of each what is nearest to its middle is kept; the scores of all steps are
    put together before they become words, so that no word is doubled or cut at a seam. Beams search
    a thousand steps at most at once, from one silence to another; there a language model begins
    anew. A speller is not asked: it knows whole recordings alone.

    Args:
        model: a model with the task `SpeechRecognition` about an `Audio`; if it has other fields,
            which are absent, with a fusion that leaves fields apart. Its other tasks are not asked.
        overlap_s: seconds that two windows share, at least what a word takes; None: one second,
            or half of what the model hears at once if that is less.
        batch_size: windows in one forward pass.
        task: the name of its task; None: the one `SpeechRecognition` that it has.

    Raises:
        ValueError: the model is of another kind, or an argument is out of its range.

    Example:

    >>> audio = Audio(sample_rate=8_000, seconds=1.0)
    >>> model = MultimodalModel({"speech": audio}, {"text": SpeechRecognition.tiny()}, size="tiny")
    >>> transcriber = Transcriber(model, overlap_s=0.5)
    >>> sorted(transcriber(np.zeros(20_000, "float32")))
    ['pieces', 'score', 'text', 'words']
    """

    def __init__(
        self,
        model: MultimodalModel,
        overlap_s: float | None = None,
        batch_size: int = 8,
        task: str | None = None,
    ):
        self.model = model
        self.field, self.task = _heard_by(model, task)
        self.audio, self.step_s = model.fields[self.field], model.encoders[self.field].step_s
        check_count("batch_size", batch_size)
        self.batch_size = batch_size
        if overlap_s is None:
            overlap_s = min(1.0, self.audio.seconds / 2)
        # Both in steps.
        self._window = self.audio.num_samples // self._step
        self._shared = self._window
        if 0 <= overlap_s < self.audio.seconds:
            self._shared = 2 * (round(overlap_s / self.step_s) // 2)
        if self._shared >= self._window:
            raise ValueError(
                f"overlap_s must be in [0, {self.audio.seconds}), shorter than what the model "
                f"hears at once by a step of {self.step_s} s; got {overlap_s}."
            )
        self._scores = tf.function(self._logits, reduce_retracing=True)

    def __call__(self, recording: Any) -> dict[str, Any]:
        """The answer of the task to a recording, as `model.answer` gives it.

        Args:
            recording: a path, the bytes of a file, or an array, as `Audio.encode` takes it.

        Raises:
            ValueError: the recording cannot be read.
            FileNotFoundError: there is no such file.
        """
        waveform = _whole(self.audio, recording)
        step, window, shared = self._step, self._window, self._shared
        total = max(-(-len(waveform) // step), 1)
        starts = list(range(0, max(total - shared, 1), window - shared))
        inputs = np.zeros((len(starts), self.audio.num_samples), "float32")
        lengths = np.zeros(len(starts), "int32")
        for row, start in enumerate(starts):
            part = waveform[start * step : start * step + window * step]
            inputs[row, : len(part)], lengths[row] = part, len(part)
        size = self.batch_size
        logits = np.concatenate(
            [
                self._scores(inputs[i : i + size], lengths[i : i + size])
                for i in range(0, len(starts), size)
            ]
        )
        kept = []
        for row, start in enumerate(starts):
            begin = 0 if row == 0 else shared // 2
            last = row == len(starts) - 1
            end = total - start if last else window - shared // 2
            kept.append(logits[row, begin:end])
        heard = np.concatenate(kept) if len(waveform) else logits[0, :0]
        return _read(self.model.tasks[self.task], heard, self.step_s)

    @property
    def _step(self) -> int:
        """Samples of a step."""
        return round(self.step_s * self.audio.sample_rate)

    def _logits(self, waveform: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
        """The logits of windows: the one task alone, since a model may have others that search."""
        inputs = {"waveform": waveform, "length": length}
        tokens = self.model.encoders[self.field](inputs, training=False)
        return _scored(self.model, self.field, self.task, tokens)


def transcribe(
    model: MultimodalModel,
    recording: Any,
    overlap_s: float | None = None,
    batch_size: int = 8,
    task: str | None = None,
) -> dict[str, Any]:
    """What is said in one recording; for several, `Transcriber` keeps its graph.

    Args:
        model, overlap_s, batch_size, task: see `Transcriber`.
        recording: a path, the bytes of a file, or an array, as `Audio.encode` takes it.

    Returns:
        The answer for that task, as `model.answer` gives it.

    Raises:
        ValueError: the model is of another kind, the recording cannot be read, or an argument is
            out of its range.
        FileNotFoundError: there is no such file.
    """
    return Transcriber(model, overlap_s, batch_size, task)(recording)


def _scored(model: MultimodalModel, field: str, task: str, tokens: Tokens) -> tf.Tensor:
    """The logits of a recording's tokens, by the fusion and the head of the task."""
    fused = model.fusion({field: tokens}, training=False)
    return model.get_layer(task)(fused, training=False)["logits"]


def _heard_by(model: MultimodalModel, name: str | None) -> tuple[str, str]:
    """The field and the name of the recognising task of a model."""
    name = task_of(SpeechRecognition, model.tasks, name)
    if len(model.fields) > 1 and model.fusion.mixes:
        raise ValueError(
            f"the fusion {type(model.fusion).__name__} mixes tokens of the fields "
            f"{list(model.fields)}; to hear one of them alone, it has to leave them apart, as Late "
            "does."
        )
    return model.tasks[name].field, name


def _whole(audio: Audio, recording: Any) -> np.ndarray:
    """The waveform of a whole recording, float32 [S]."""
    shown = ""
    if isinstance(recording, str | os.PathLike):
        shown, recording = f"{os.fspath(recording)}: ", Path(recording).read_bytes()
    raw = audio.encode(recording)
    try:
        raw = audio.convert(tf.constant([raw]))[0]
        if raw == b"":
            return np.zeros(0, "float32")
        sound, rate = wav.decode(raw)
    except tf.errors.OpError as error:
        raise ValueError(f"{shown}{reason_of(error)}") from error
    if int(rate) != audio.sample_rate:
        sound = resample(sound, rate, audio.sample_rate)
    return sound.numpy()


def _read(
    task: SpeechRecognition,
    logits: np.ndarray,
    step_s: float,
    decode: Callable[..., Any] | None = None,
) -> dict[str, Any]:
    """The answer to the logits of all steps, float32 [T, K]."""
    if not len(logits):
        # A step that is not there, since decoding wants one.
        logits, times = np.zeros((1, logits.shape[1]), "float32"), np.full((1, 2), -1, "float32")
    else:
        steps = np.arange(len(logits), dtype="float32")[:, None]
        times = (steps + np.array([0, 1], "float32")) * np.float32(step_s)
    outputs = {"logits": tf.constant(logits[None]), "times": tf.constant(times[None])}
    beginning = tf.zeros([1])
    if decode is not None:
        return answers.read(task, decode(outputs, {task.field: {"start_s": beginning}}))[0]
    cuts = [0, len(logits)] if task.beams is None else _cuts(logits)
    parts = [
        task.search({name: value[:, begin:end] for name, value in outputs.items()})
        for begin, end in itertools.pairwise(cuts)
    ]
    return answers.read(task, task.spell(_joined(parts, np.diff(cuts)), beginning))[0]


#: The most steps that beams search at once.
_STRETCH = 1_000


def _cuts(logits: np.ndarray) -> list[int]:
    """Where beams begin to search, and the end: in the longest silences, or what is nearest to one.

    No stretch has more than `_STRETCH` steps, so that an hour is searched in the memory of minutes.
    """
    silent = logits.argmax(axis=1) == 0
    blank = logits[:, 0] - logits[:, 1:].max(axis=1)
    cuts = [0]
    while len(logits) - cuts[-1] > _STRETCH:
        middle, last = cuts[-1] + _STRETCH // 2, cuts[-1] + _STRETCH
        # Runs of silence: from a rise to the fall behind it.
        edges = np.flatnonzero(np.diff(np.pad(silent[middle:last], 1).astype("int8")))
        runs = edges.reshape(-1, 2)
        if len(runs):
            run = runs[np.argmax(runs[:, 1] - runs[:, 0])]
            cuts.append(middle + int(run.sum()) // 2)
        else:
            cuts.append(middle + int(blank[middle:last].argmax()))
    return [*cuts, len(logits)]


def _joined(parts: Sequence[Mapping[str, tf.Tensor]], lengths: np.ndarray) -> dict[str, tf.Tensor]:
    """What `SpeechRecognition.conclude` gives, of stretches that follow each other, as of one."""
    rows = [{name: value.numpy()[0] for name, value in part.items()} for part in parts]
    ids, starts, ends = (
        np.concatenate([row[name][row["token_ids"] > 0] for row in rows])
        for name in ("token_ids", "starts_s", "ends_s")
    )
    # A piece that is said on both sides of a cut, with no step between, is one.
    goes_on = (ids[1:] == ids[:-1]) & (starts[1:] <= ends[:-1])
    first, last = np.append(True, ~goes_on)[: len(ids)], np.append(~goes_on, True)[: len(ids)]
    # Decoding wants a place, be there a piece or not.
    found = {"token_ids": ids[first], "starts_s": starts[first], "ends_s": ends[last]}
    found = {name: np.pad(value, [0, 1])[None] for name, value in found.items()}
    score = np.exp(np.average(np.log([row["score"] for row in rows]), weights=lengths))
    return {name: tf.constant(value) for name, value in found.items()} | {
        "score": tf.constant([score], tf.float32)
    }
