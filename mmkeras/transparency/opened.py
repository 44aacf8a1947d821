"""`Opened`: a model with one sample in it, taken apart into encoders, fusion and head."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mmkeras.answers import raw_values
from mmkeras.model import MultimodalModel
from mmkeras.tokens import Tokens


class Opened:
    """One sample on its way through a model, step by step.

    Args:
        model: the model.
        sample: `{field: value}`, as `MultimodalModel.answer` takes it.
        task: whose answer is looked at; None: the only one.

    Raises:
        ValueError: the sample cannot be read; the model has several tasks and none is named, or no
            such task; or Keras' backend is not TensorFlow.
    """

    def __init__(self, model: MultimodalModel, sample: Mapping[str, Any], task: str | None = None):
        if keras.backend.backend() != "tensorflow":
            raise ValueError(
                "answers are explained with Keras' TensorFlow backend; set "
                f"KERAS_BACKEND=tensorflow. The backend is {keras.backend.backend()}."
            )
        if task is None and len(model.tasks) > 1:
            raise ValueError(f"name the task to explain, one of {list(model.tasks)}.")
        self.task = next(iter(model.tasks)) if task is None else task
        if self.task not in model.tasks:
            raise ValueError(f"the model has no task {task!r}; it has {list(model.tasks)}.")
        self.model = model
        raw = {field: tf.constant(v) for field, v in raw_values(model.fields, sample).items()}
        tensors = model.fields.preprocess_batch(raw)
        self.present = {field: bool(raw[field][0] != "") for field in model.fields}
        self.tensors = {name: tensors[name] for name in model.fields.specs()}

    def tokens(self) -> dict[str, Tokens]:
        """What each encoder makes of its field."""
        parts = self.model.fields.split(self.tensors)
        return {field: self.encoded(field, tensors) for field, tensors in parts.items()}

    def encoded(self, field: str, tensors: Mapping[str, Any]) -> Tokens:
        """What one encoder makes of the tensors of its field."""
        return self.model.encoders[field](dict(tensors), training=False)

    def fused(self, tokens: Mapping[str, Tokens]) -> dict[str, Tokens]:
        """Tokens that know of each other."""
        return self.model.fusion(dict(tokens), training=False)

    def evidence(self, fused: Mapping[str, Tokens], of: str | None) -> tf.Tensor:
        """float [B]: see `Task.evidence`."""
        return self.model.tasks[self.task].evidence(self._outputs(fused), of)

    def answer(self) -> str | None:
        """The name of the class that is the answer; None where the answer is a number."""
        classes = getattr(self.model.tasks[self.task], "classes", None)
        if classes is None:
            return None
        outputs = self._outputs(self.fused(self.tokens()))
        task = self.model.tasks[self.task]
        return classes[int(np.argmax([task.evidence(outputs, name)[0] for name in classes]))]

    def _outputs(self, fused: Mapping[str, Tokens]) -> dict[str, Any]:
        """What the task's head makes of tokens."""
        return self.model.get_layer(self.task)(dict(fused), training=False)
