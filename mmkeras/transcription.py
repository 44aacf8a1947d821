"""Speech that is longer than a model hears at once: as it is spoken, or recording by recording."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from mmkeras import answers
from mmkeras.encoders import Conformer
from mmkeras.fusions import Late
from mmkeras.modalities import Audio
from mmkeras.model import MultimodalModel
from mmkeras.sound import resample, wav
from mmkeras.tasks import SpeechRecognition


class Listener:
    """Hears a stream chunk by chunk, with a model whose `Conformer` has chunks.

    What it heard in the end equals what the model answers to the whole recording; between, the
    words of the chunk that is being spoken are missing, and nothing that was heard changes but a
    word that goes on. Where the task has beams, they search at the end alone, and the words before
    are the likeliest of each step.

    Args:
        model: a model of one field, an `Audio`, with a `Conformer` of chunks, the fusion `Late`,
            and the task `SpeechRecognition`.

    Raises:
        ValueError: the model is of another kind; the message says what is missing.

    Example:

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

    def __init__(self, model: MultimodalModel):
        self.model = model
        self.field, self.task = _heard_by(model)
        encoder = model.encoders[self.field]
        if not isinstance(encoder, Conformer) or encoder.config["chunk"] is None:
            raise ValueError(
                f"field {self.field!r} is heard as a whole; to listen to a stream, its encoder has "
                "to be a Conformer with chunk=..."
            )
        if not isinstance(model.fusion, Late):
            raise ValueError(
                f"the fusion {type(model.fusion).__name__} mixes tokens of all times; to listen to "
                "a stream, it has to be Late."
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
            samples: float [S], S any number, at the sample rate of the model's `Audio`.

        Returns:
            What was heard so far, as `model.answer` gives it.

        Raises:
            ValueError: the samples are of another shape, or not finite.
        """
        samples = np.asarray(samples, "float32")
        if samples.ndim != 1 or not np.isfinite(samples).all():
            raise ValueError(f"samples must be finite float [S]; got shape {samples.shape}.")
        self._waiting = np.concatenate([self._waiting, samples])
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
        tokens = self.model.fusion({self.field: tokens}, training=False)
        logits = self.model.get_layer(self.task)(tokens, training=False)["logits"]
        return logits, tokens[self.field].mask, memory

    def _heard(self) -> np.ndarray:
        """The logits of all steps so far, float32 [T, K]."""
        return np.concatenate([np.zeros((0, self._plain.num_classes), "float32"), *self._outputs])


def transcribe(
    model: MultimodalModel, recording: Any, overlap_s: float = 1.0, batch_size: int = 8
) -> dict[str, Any]:
    """What is said in a recording of any length, with a model that hears seconds at a time.

    Windows overlap, and of each what is nearest to its middle is kept; the scores of all steps are
    put together before they become words, so that no word is doubled or cut at a seam.

    Args:
        model: a model of one field, an `Audio`, with the task `SpeechRecognition`.
        recording: the bytes of a WAV file, or an array, as `Audio.encode` takes it.
        overlap_s: seconds that two windows share; at least what a word takes.
        batch_size: windows in one forward pass.

    Returns:
        The answer, as `model.answer` gives it.

    Raises:
        ValueError: the model is of another kind, or `overlap_s` is no part of its seconds.
        tf.errors.InvalidArgumentError: the recording cannot be read.
    """
    field, task = _heard_by(model)
    audio, step_s = model.fields[field], model.encoders[field].step_s
    if not 0 <= overlap_s < audio.seconds:
        raise ValueError(f"overlap_s must be in [0, {audio.seconds}); got {overlap_s}.")
    waveform = _whole(audio, recording)
    step = round(step_s * audio.sample_rate)
    window = audio.num_samples // step
    shared = 2 * (round(overlap_s / step_s) // 2)
    total = max(-(-len(waveform) // step), 1)
    starts = list(range(0, max(total - shared, 1), window - shared))
    inputs = np.zeros((len(starts), audio.num_samples), "float32")
    lengths = np.zeros(len(starts), "int32")
    for row, start in enumerate(starts):
        part = waveform[start * step : start * step + window * step]
        inputs[row, : len(part)], lengths[row] = part, len(part)
    tensors = {f"{field}_waveform": inputs, f"{field}_length": lengths}
    data = tf.data.Dataset.from_tensor_slices(tensors).batch(batch_size)
    logits = model.predict(data, verbose=0)[task]["logits"]
    kept = []
    for row, start in enumerate(starts):
        begin = 0 if row == 0 else shared // 2
        last = row == len(starts) - 1
        end = total - start if last else window - shared // 2
        kept.append(logits[row, begin:end])
    heard = np.concatenate(kept) if len(waveform) else logits[0, :0]
    return _read(model.tasks[task], heard, step_s)


def _heard_by(model: MultimodalModel) -> tuple[str, str]:
    """The one field and the recognising task of a model."""
    tasks = [name for name, task in model.tasks.items() if isinstance(task, SpeechRecognition)]
    if len(model.fields) != 1 or len(tasks) != 1:
        raise ValueError(
            "the model needs one field and one SpeechRecognition; it has the fields "
            f"{list(model.fields)} and the tasks {list(model.tasks)}."
        )
    (field,) = model.fields
    return field, tasks[0]


def _whole(audio: Audio, recording: Any) -> np.ndarray:
    """The waveform of a whole recording, float32 [S]."""
    raw = audio.convert(tf.constant([audio.encode(recording)]))[0]
    if raw == b"":
        return np.zeros(0, "float32")
    sound, rate = wav.decode(raw)
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
    parts = [(0, len(logits))] if task.beams is None else list(_stretches(logits))
    found = []
    for begin, end in parts:
        outputs = {"logits": logits[None, begin:end], "times": times[None, begin:end]}
        outputs = {name: tf.constant(value) for name, value in outputs.items()}
        origins = {task.field: {"start_s": tf.zeros([1])}}
        found += answers.read(task, (decode or task.decode)(outputs, origins))
    if len(found) == 1:
        return found[0]
    lengths = [end - begin for begin, end in parts]
    return {
        "text": " ".join(filter(None, (answer["text"] for answer in found))),
        "score": float(np.exp(np.average(np.log([a["score"] for a in found]), weights=lengths))),
        "words": [word for answer in found for word in answer["words"]],
        "pieces": [piece for answer in found for piece in answer["pieces"]],
    }


#: The most steps that beams search at once.
_STRETCH = 1_000


def _stretches(logits: np.ndarray) -> Iterator[tuple[int, int]]:
    """Where beams search by themselves: from one long silence to another, as (begin, end)."""
    silent = logits.argmax(axis=1) == 0
    begin = 0
    while len(logits) - begin > _STRETCH:
        middle = begin + _STRETCH // 2
        near = silent[middle : begin + _STRETCH]
        # Runs of silence: from a rise to the fall behind it.
        edges = np.flatnonzero(np.diff(np.pad(near, 1).astype("int8"))).reshape(-1, 2)
        run = max(edges, key=lambda edge: edge[1] - edge[0], default=(len(near), len(near)))
        end = middle + int(sum(run)) // 2
        yield begin, end
        begin = end
    yield begin, len(logits)
