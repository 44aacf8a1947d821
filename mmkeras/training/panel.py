"""`Panel`: pictures of answers in TensorBoard, epoch by epoch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mmkeras.transparency import rollout


class Panel(keras.callbacks.Callback):
    """Shows what the model answers to a few samples, and what it attends to, as it learns.

    Answers that are places in a picture are drawn over it (see `MultimodalModel.draw`), sound can
    be listened to, and that of `SpeechSynthesis` is shown as a spectrogram; other answers are
    texts. Where encoders and fusion are Transformers, attention (`mmkeras.transparency.rollout`) is
    drawn over pictures, spectrograms and words.

    Args:
        samples: raw samples, as `MultimodalModel.answer` takes them.
        folder: the run's, as `keras.callbacks.TensorBoard(log_dir=folder)` has it.
        every: epochs between two panels.

    Raises:
        ValueError: there is no sample.

    Example:

    >>> import tempfile
    >>> panel = Panel([{"review": "loved it"}], tempfile.mkdtemp(), every=5)
    """

    def __init__(self, samples: Sequence[Mapping[str, Any]], folder: str | Path, every: int = 1):
        super().__init__()
        if not samples:
            raise ValueError("a panel needs at least one sample to show.")
        if every < 1:
            raise ValueError(f"every must be at least 1; got {every}.")
        self.samples = list(samples)
        self.folder = Path(folder) / "panel"
        self.every = every
        self.writer: Any = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes the panel, if it is time to."""
        if (epoch + 1) % self.every:
            return
        if self.writer is None:
            self.writer = tf.summary.create_file_writer(str(self.folder))
        model: Any = self.model
        answers = model.answer(self.samples)
        with self.writer.as_default(step=epoch + 1):
            for number, (sample, answer) in enumerate(zip(self.samples, answers), start=1):
                self._answered(model, number, sample, answer)
                self._attended(model, number, sample)
        self.writer.flush()

    def on_train_end(self, logs: Any = None) -> None:
        """Closes the file."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def _answered(
        self, model: Any, number: int, sample: Mapping[str, Any], answer: Mapping[str, Any]
    ) -> None:
        drawn = model.draw(sample, answer)
        for name, task in model.tasks.items():
            tag = f"sample {number}/{name}"
            made = task.files(answer[name])
            if name in drawn:
                _show(tag, drawn[name])
            elif not made:
                first = next(iter(answer[name].values()))
                tf.summary.text(tag, str(first).replace("<", "&lt;"))
            for suffix, content in made.items():
                if suffix == "wav":
                    # TensorBoard has one kind of thing by a name.
                    _sound(f"{tag}/sound", content)
                elif isinstance(content, np.ndarray):
                    _show(tag, content)

    def _attended(self, model: Any, number: int, sample: Mapping[str, Any]) -> None:
        try:
            found = rollout(model, sample, next(iter(model.tasks)))
        except ValueError:
            # Not all models are Transformers from end to end.
            return
        for field in model.fields:
            if sample.get(field) is None:
                continue
            try:
                picture = found.draw(model, sample, field)
            except ValueError:
                # Texts are not drawn on.
                continue
            _show(f"sample {number}/attention on {field}", picture)


def _show(tag: str, picture: np.ndarray) -> None:
    tf.summary.image(tag, picture[None])


def _sound(tag: str, wav: bytes) -> None:
    waveform, sample_rate = tf.audio.decode_wav(wav)
    tf.summary.audio(tag, waveform[None], sample_rate)
