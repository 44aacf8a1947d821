"""`EntityF1`: how many entities, such as names, are found whole and with the right type."""

from typing import Any, Self

import keras
import numpy as np
from keras import ops

from mmkeras.layers.tagging import TagScheme

_MEASURES = ("f1", "precision", "recall")


@keras.saving.register_keras_serializable(package="mmkeras")
class EntityF1(keras.metrics.Metric):
    """Precision, recall or F1 of whole entities, all types and texts together (micro-averaged).

    An entity is right if its first word, its last word and its type are. Tags that no entities
    give, as a model may predict, are read strictly, as `TagScheme.decode` and seqeval's
    `mode="strict"` read them: what does not begin as the scheme says, or with BILOU does not end
    so, is no entity.

    Source: Tjong Kim Sang & De Meulder 2003, "Introduction to the CoNLL-2003 Shared Task"; the
    numbers are those of seqeval (Nakayama 2018) in its strict mode.

    Args:
        scheme: what the tag ids mean.
        measure: which number `result` gives: `"f1"`, `"precision"` or `"recall"`.
        name: of the metric; `entity_f1` and so on if None.
        dtype: of the counts.

    Raises:
        ValueError: the measure is unknown.

    Example:

    >>> metric = EntityF1(TagScheme(("PER", "LOC")))  # O B-PER I-PER B-LOC I-LOC
    >>> metric.update_state(np.array([[1, 2, 0, 3]]), np.array([[1, 2, 3, 3]]))
    >>> float(metric.result())  # 2 of 3 predicted are right, 2 of 2 are found
    0.800...
    >>> metric.report()["types"]["LOC"]
    {'precision': 0.5, 'recall': 1.0, 'f1': 0.666..., 'support': 1}
    """

    def __init__(
        self,
        scheme: TagScheme,
        measure: str = "f1",
        name: str | None = None,
        dtype: Any = None,
    ):
        if measure not in _MEASURES:
            raise ValueError(f"measure must be one of {list(_MEASURES)}; got {measure!r}.")
        super().__init__(name=name or f"entity_{measure}", dtype=dtype)
        self.scheme = scheme
        self.measure = measure
        self.true_positives, self.predicted, self.actual = (
            self.add_weight(shape=(len(scheme.types),), initializer="zeros", name=count)
            for count in ("true_positives", "predicted", "actual")
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts the entities of a batch.

        Args:
            y_true: int [B, T], the true tag ids; positions with -1 do not count and are skipped,
                wherever they stand: what stands before and behind them are neighbours.
            y_pred: int [B, T], the predicted tag ids; where they count, -1 means `O`.
            sample_weight: None, or float [B]: each entity counts as much as its text.
        """
        y_true, y_pred = (ops.cast(tags, "int32") for tags in (y_true, y_pred))
        counts = y_true >= 0
        length = ops.shape(y_true)[1]
        # What counts is moved to the front, `O` behind it.
        moved = ops.argsort(
            ops.arange(length, dtype="int32") + ops.where(counts, 0, length), axis=1
        )
        true, predicted = (
            self._entities(
                ops.take_along_axis(ops.where(counts, ops.maximum(tags, 0), 0), moved, axis=1)
            )
            for tags in (y_true, y_pred)
        )
        same = ops.logical_and(ops.equal(true[0], predicted[0]), ops.equal(true[1], predicted[1]))
        for count, (kinds, _), kept in (
            (self.true_positives, true, same),
            (self.predicted, predicted, True),
            (self.actual, true, True),
        ):
            one = ops.one_hot(ops.where(kept, kinds, -1), len(self.scheme.types), dtype=self.dtype)
            each = ops.sum(one, axis=1)
            if sample_weight is not None:
                weight = ops.cast(ops.convert_to_tensor(sample_weight), self.dtype)
                each = each * ops.reshape(weight, (-1, 1))
            count.assign_add(ops.sum(each, axis=0))

    def _entities(self, tags: Any) -> tuple[Any, Any]:
        """int32 [B, T] each: the type of the entity that begins here, or -1, and where it ends."""
        scheme, length = self.scheme, ops.shape(tags)[1]
        before = ops.pad(tags, ((0, 0), (1, 0)))[:, :-1]
        goes_on = ops.take(scheme.continues.reshape(-1), before * scheme.size + tags)
        # An entity ends where, after its beginning, for the first time none goes on.
        place = ops.arange(length, dtype="int32")
        later = place[None, :] > place[:, None]
        stops = ops.logical_and(later, ops.logical_not(goes_on)[:, None, :])
        end = ops.min(ops.where(stops, place, length), axis=2)
        closed = ops.take_along_axis(ops.take(scheme.closes, tags), end - 1, axis=1)
        begins = ops.logical_and(ops.take(scheme.begins, tags), closed)
        return ops.where(begins, ops.take(scheme.type_ids, tags), -1), end

    def result(self) -> Any:
        """float []: the measure over all types together; 0 where it is not defined."""
        counted = (self.true_positives, self.predicted, self.actual)
        right, predicted, actual = (ops.sum(count) for count in counted)
        numbers = {
            "precision": (right, predicted),
            "recall": (right, actual),
            "f1": (2.0 * right, predicted + actual),
        }
        return ops.divide_no_nan(*numbers[self.measure])

    def report(self) -> dict[str, Any]:
        """All measures, whichever `result` gives.

        Returns:
            `{"micro": ..., "macro": ..., "types": {type: ...}}`, each a dict of `precision`,
            `recall`, `f1` and `support`, the (weighted) number of true entities. `macro` is the
            mean over the types that occur in truth or prediction, as in seqeval. What is not
            defined, such as the precision of a type that was never predicted, is 0.
        """
        counted = (self.true_positives, self.predicted, self.actual)
        counts = np.stack([ops.convert_to_numpy(count) for count in counted]).astype("float64")
        types = {
            name: _measured(*numbers) for name, numbers in zip(self.scheme.types, counts.T.tolist())
        }
        there = [
            measured
            for measured, number in zip(types.values(), counts.sum(axis=0), strict=True)
            if number
        ]
        macro = {
            measure: sum(measured[measure] for measured in there) / max(len(there), 1)
            for measure in ("precision", "recall", "f1")
        }
        micro = _measured(*counts.sum(axis=1).tolist())
        return {"micro": micro, "macro": macro | {"support": micro["support"]}, "types": types}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {
            "scheme": keras.saving.serialize_keras_object(self.scheme),
            "measure": self.measure,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The metric that `get_config` described, with nothing counted."""
        scheme = keras.saving.deserialize_keras_object(config["scheme"])
        return cls(**config | {"scheme": scheme})


def _measured(right: float, predicted: float, actual: float) -> dict[str, Any]:
    precision = right / predicted if predicted else 0.0
    recall = right / actual if actual else 0.0
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    support = int(actual) if actual == int(actual) else actual
    return {"precision": precision, "recall": recall, "f1": f1, "support": support}
