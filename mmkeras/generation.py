"""Texts as they are written: piece by piece, to whoever waits for them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf
from keras import ops

from mmkeras import answers
from mmkeras.contracts.task import task_of
from mmkeras.layers.autoregression import ForwardSearch
from mmkeras.model import MultimodalModel
from mmkeras.tasks import TextGeneration


class Writer:
    """Writes texts piece by piece, with a model's task `TextGeneration`.

    The last text is what the model answers.

    Args:
        model: the model.
        task: the name of its task; None: the one `TextGeneration` that it has.

    Raises:
        ValueError: there is no such task, or several and none is named; or its search looks back,
            so that no piece stays, as `Beams` do.

    Example:

    >>> from mmkeras.modalities import Text
    >>> model = MultimodalModel({"text": Text.tiny()}, {"answer": TextGeneration.tiny()}, "tiny")
    >>> *_, last = Writer(model).write({"text": "a dog"})
    >>> last == model.answer({"text": "a dog"})["answer"]["text"]
    True
    """

    def __init__(self, model: MultimodalModel, task: str | None = None):
        self.model, self.task = model, task_of(TextGeneration, model.tasks, task)
        self.head = model.get_layer(self.task)
        self._look = tf.function(self._source, reduce_retracing=True)
        self._step: Any = None
        self._steered: Any = None
        self._check_search()

    def write(self, sample: Mapping[str, Any]) -> Iterator[str]:
        """The text so far, after each piece, and at last the whole.

        What might become a stop, or a letter of several bytes, is held back until it is known.

        Args:
            sample: as `MultimodalModel.answer` takes it.

        Raises:
            ValueError: see `MultimodalModel.answer`; or the search looks back.
        """
        self._check_search()
        head, task = self.head, self.model.tasks[self.task]
        raw = answers.raw_values(self.model.fields, sample)
        tensors = self.model.fields.preprocess_batch(
            {field: tf.constant(values) for field, values in raw.items()}
        )
        step, state = head.begin(self._look(tensors))
        steered = (head.repetition_penalty, head.stops)
        if self._step is None or steered != self._steered:
            # What a step needs of its source is in the state: one graph does for all samples.
            self._step, self._steered = tf.function(step, reduce_retracing=True), steered
        choose = head.search.chooser(1, head.max_length, head.seed)
        last = tf.fill([1], head.end)
        made: list[int] = []
        while len(made) < head.max_length and head.end not in made:
            logits, state = self._step(last, state)
            last = ops.cast(choose(logits, len(made)), "int32")
            made.append(int(last[0]))
            text = self._text(task, made)
            is_last = len(made) == head.max_length or head.end in made
            yield text if is_last else _final(text, task.stop_texts)

    def _check_search(self) -> None:
        if not isinstance(self.head.search, ForwardSearch):
            raise ValueError(
                f"{type(self.head.search).__name__} look back, so that no piece is final before "
                "the end; use Greedy() or Sampling(), as in model.set_task(name, search=Greedy())."
            )

    def _source(self, tensors: dict[str, tf.Tensor]) -> Any:
        return self.head.source(self.model.fused(tensors))

    @staticmethod
    def _text(task: TextGeneration, made: list[int]) -> str:
        outputs = {"token_ids": tf.constant([made], tf.float32), "score": tf.zeros([1])}
        return task.decode(outputs)["text"].numpy()[0].decode()


def _final(text: str, stops: Sequence[str]) -> str:
    """What of a text stays, whatever follows."""
    text = text.rstrip("\ufffd")
    begun = [
        length for stop in stops for length in range(1, len(stop)) if text.endswith(stop[:length])
    ]
    return text[: len(text) - max(begun, default=0)].rstrip()
