"""`ObjectDetection`: which objects are where in a picture."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from mmkeras.contracts.classes import class_names
from mmkeras.contracts.mix import WHOLE, Mixture
from mmkeras.contracts.refusal import refuse
from mmkeras.contracts.source import Source
from mmkeras.contracts.task import NO_LAYOUTS, NO_ORIGINS, Task, Tensors
from mmkeras.decoding.non_maximum_suppression import non_maximum_suppression
from mmkeras.layers.grids import cells, maps, needed_grids, tokens_of
from mmkeras.losses.detection import detection_loss
from mmkeras.objects import NO_OBJECT, plain, read, written
from mmkeras.tokens import Grids, Layout, Tokens

#: The logit of what no cell holds.
_NEVER = -30.0
_NUMBER = r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
#: Where a target has no object.
_NOTHING = (0.0, 0.0, 0.0, 0.0, -1.0, 0.0)
#: How far, in pixels, a box may stick out of its picture without being called wrong.
_ROUNDING = 1.0
#: The score from which on an object is drawn.
_SURE = 0.3
#: A box of which less is left, as a share, is one that nothing is learned of.
_VISIBLE = 0.25


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class ObjectDetection(Task):
    """Which objects are where in a picture, as boxes with classes and scores.

    Every token of the picture, a cell of a grid, answers by itself: a score for each class, and how
    far the four sides of its object are from its centre. Such dense heads learn from hundreds of
    pictures, where predicting a set (Carion et al. 2020, "DETR") needs tens of thousands and ten
    times the epochs. Which cells learn which object is decided by how well they answer it already
    (Feng et al. 2021, "TOOD"; see `mmkeras.layers.task_alignment`), without anchors (Tian et al.
    2019, "FCOS"). Of answers that overlap, the best alone is kept.

    A label is a list of dicts with `box`, (x1, y1, x2, y2) in pixels of the upright picture, and
    `label`; a dict with `crowd` set is a region that nothing is learned of. JSON of such a list
    will do. An empty list says that there is no object, None that nobody looked.

    Outputs: `logits`, float [B, T, K], and `boxes`, float [B, T, 4], in shares of the picture as
    the model sees it; and `cells`, the same in each row: the boxes of the tokens. Concluded:
    `boxes` [B, M, 4], `scores` and `classes` [B, M]. Answer: `objects`, a list of `label`, `score`
    and `box`, best first.

    Args:
        classes: the names.
        field: the picture that objects are found in; its encoder has to know its grids.
        max_objects: N, the most objects that a label may hold.
        max_detections: M, the most objects in an answer.
        min_score: the score below which nothing is answered.
        max_overlap: the intersection over union above which the worse of two boxes of one class is
            dropped.
        box_weight: how much boxes count in the loss, beside classes.
        dropout: fraction of the tokens' features dropped in training.

    Raises:
        ValueError: no class, one that is empty or named twice, or a number out of its range.

    Example:

    >>> task = ObjectDetection(["cat", "dog"], field="photo")
    >>> task.encode([{"box": [0, 0, 8, 6], "label": "cat"}])
    b'0 0 8 6 48 0 cat'
    """

    reads: ClassVar[frozenset[str]] = frozenset({"size", "view", "moved"})

    classes: tuple[str, ...]
    field: str = "image"
    max_objects: int = 100
    max_detections: int = 100
    min_score: float = 0.05
    max_overlap: float = 0.6
    box_weight: float = 2.0
    dropout: float = 0.0

    def __init__(
        self,
        classes: Iterable[str],
        field: str = "image",
        max_objects: int = 100,
        max_detections: int = 100,
        min_score: float = 0.05,
        max_overlap: float = 0.6,
        box_weight: float = 2.0,
        dropout: float = 0.0,
    ):
        classes = class_names(classes)
        if not classes:
            raise ValueError("ObjectDetection needs at least one class.")
        for name in classes:
            if name != plain(name):
                raise ValueError(
                    f"class {name!r} holds white space that labels do not keep; name it "
                    f"{plain(name)!r}."
                )
        for name, number in (("max_objects", max_objects), ("max_detections", max_detections)):
            if number < 1:
                raise ValueError(f"{name} must be at least 1; got {number}.")
        for name, share in (("min_score", min_score), ("max_overlap", max_overlap)):
            if not 0 <= share <= 1:
                raise ValueError(f"{name} must be in [0, 1]; got {share}.")
        for name, value in {
            "classes": classes,
            "field": field,
            "max_objects": max_objects,
            "max_detections": max_detections,
            "min_score": min_score,
            "max_overlap": max_overlap,
            "box_weight": box_weight,
            "dropout": dropout,
        }.items():
            object.__setattr__(self, name, value)

    @classmethod
    def adapt(cls, source: Source, column: str, **kwargs: Any) -> Self:
        """The task whose classes are those of a column of labels, in alphabetical order.

        Args:
            source: the training samples.
            column: the column of labels.
            **kwargs: further arguments of the constructor, such as `field`.

        Raises:
            ValueError: the column holds no object.

        Example:

        >>> from mmkeras.rows import Rows
        >>> rows = Rows({"objects": ['[{"box": [0, 0, 8, 6], "label": "cat"}]', None]})
        >>> ObjectDetection.adapt(rows, "objects").classes
        ('cat',)
        """
        labels = source.column(column, written).as_numpy_iterator()
        classes = sorted({found["label"] for raw in labels for found in read(raw)})
        if not classes:
            raise ValueError(
                f"column {column!r} of {source!r} holds no object to learn from; its labels have "
                "to be lists such as [{'box': [x1, y1, x2, y2], 'label': 'cat'}]."
            )
        return cls(classes, **kwargs)

    @property
    def points_into(self) -> tuple[str, ...]:
        """The picture that objects are found in."""
        return (self.field,)

    def encode(self, value: Any) -> bytes:
        """Objects, as `mmkeras.objects.written` takes them.

        Raises:
            TypeError: the label is no list of objects.
            ValueError: a box is none.
        """
        return value if isinstance(value, bytes) else written(value)

    def target(self, raw: tf.Tensor, origins: Tensors = NO_ORIGINS) -> tf.Tensor:
        """float32 [N, 6]: box in shares of the model's picture, class (-1: none), whether a crowd.

        See `Task.target`.
        """
        place = origins[self.field]
        lines = tf.strings.split(tf.strings.strip(raw), "\n")
        lines = tf.boolean_mask(lines, lines != "")
        count = tf.size(lines)
        parts = tf.strings.split(lines, " ", maxsplit=6).to_tensor("", shape=[None, 7])
        matches = parts[:, 6, None] == tf.constant(self.classes)
        known = tf.reduce_all(tf.reduce_any(matches, axis=1))
        well = tf.reduce_all(tf.strings.regex_full_match(parts[:, :6], _NUMBER))
        with (
            refuse(
                ~well, "the label {} is no list of objects, 'x1 y1 x2 y2 area crowd label'", raw
            ),
            refuse(~known, "unknown class in {}; the classes are " + ", ".join(self.classes), raw),
            refuse(
                count > self.max_objects,
                f"the label has {{}} objects, more than max_objects={self.max_objects}",
                count,
            ),
        ):
            numbers = tf.strings.to_number(parts[:, :6])
        boxes, crowd = numbers[:, :4], numbers[:, 5:]
        size = tf.cast(place["size"], tf.float32)
        limits = tf.concat([size[::-1], size[::-1]], axis=0)
        outside = tf.reduce_any((boxes < -_ROUNDING) | (boxes > limits + _ROUNDING), axis=1)
        empty = tf.reduce_any(boxes[:, 2:] <= boxes[:, :2], axis=1)
        with (
            refuse(
                tf.reduce_any(outside),
                "the box {} leaves the picture of {} rows of {} pixels; correct it, or have the "
                "source repair it",
                _first(boxes, outside),
                place["size"][0],
                place["size"][1],
            ),
            refuse(
                tf.reduce_any(empty),
                "the box {} has no area; correct it, or have the source repair it",
                _first(boxes, empty),
            ),
        ):
            boxes = tf.identity(boxes)
        view = place["view"]
        start, side = tf.tile(view[:2], [2]), tf.tile(view[2:] - view[:2], [2])
        kind = tf.cast(tf.argmax(matches, axis=1), tf.float32)[:, None]
        made = tf.concat([(boxes - start) / side, kind, crowd], axis=1)
        missing = tf.maximum(self.max_objects - count, 0)
        made = tf.pad(made, [[0, missing], [0, 0]])
        number = tf.range(self.max_objects)[:, None]
        made = tf.where(number < count, made, tf.constant([_NOTHING]))
        return tf.ensure_shape(made, [self.max_objects, 6])

    def prepare(
        self, inputs: Tensors, target: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Tensors, tf.Tensor]:
        """Boxes follow what augmentation did with the picture.

        Of a turned box, the extent of its four corners is taken. What leaves the picture is cut
        off; a box of which less than a quarter is left becomes a crowd.
        """
        del seed
        moved = inputs[self.field]["moved"]
        inverse = tf.linalg.inv(moved[:, :2])
        x1, y1, x2, y2 = tf.unstack(target[:, :4], axis=1)
        corners = tf.stack([[x1, x2, x1, x2], [y1, y1, y2, y2]]) - moved[:, 2][:, None, None]
        corners = tf.einsum("ij,jcn->cni", inverse, corners)
        whole = tf.concat([tf.reduce_min(corners, axis=0), tf.reduce_max(corners, axis=0)], axis=1)
        return inputs, _cut(tf.concat([whole, target[:, 4:]], axis=1), tf.constant(WHOLE))

    def mix(self, targets: tf.Tensor, mixture: Mixture) -> tf.Tensor:
        """float32 [n · N, 6]: the boxes of all n pictures, where they are seen, objects first.

        A box of which less than a quarter is left, because it was cut off or covered, becomes a
        crowd.
        """
        side = mixture.places[:, 2:] - mixture.places[:, :2]
        start, side = tf.tile(mixture.places[:, :2], [1, 2]), tf.tile(side, [1, 2])
        boxes = start[:, None] + targets[..., :4] * side[:, None]
        moved = tf.unstack(tf.concat([boxes, targets[..., 4:]], axis=-1))
        shown = tf.unstack(mixture.shown)
        cut = [
            _cut(target, window, [] if mixture.blended else shown[i + 1 :])
            for i, (target, window) in enumerate(zip(moved, shown))
        ]
        made = tf.concat(cut, axis=0)
        return tf.gather(made, tf.argsort(tf.cast(made[:, 4] < 0, tf.int32), stable=True))

    def head(self, name: str, layouts: Mapping[str, Layout] = NO_LAYOUTS) -> keras.layers.Layer:
        """Scores and a box for each cell of the picture.

        Raises:
            ValueError: the tokens of the field are no cells of a grid.
        """
        return ObjectDetectionHead(
            self.field,
            needed_grids(layouts, self.field, "ObjectDetection"),
            len(self.classes),
            dropout=self.dropout,
            name=name,
        )

    def loss(self, target: Any, outputs: dict[str, Any]) -> Any:
        """See `detection_loss`."""
        crowd = target[..., 5] > 0.5
        kind = ops.where(crowd, -1, ops.cast(target[..., 4], "int32"))
        return detection_loss(
            outputs["cells"][0],
            outputs["logits"],
            outputs["boxes"],
            target[..., :4],
            kind,
            crowd,
            box_weight=self.box_weight,
        )

    def metrics(self) -> dict[str, list[keras.metrics.Metric]]:
        """None: mean average precision needs all answers at once; see `scores`."""
        return {}

    def conclude(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """`boxes` float [B, M, 4], `scores` float and `classes` int32 [B, M], best first."""
        scores = ops.sigmoid(outputs["logits"])
        scores = ops.where(scores >= self.min_score, scores, 0.0)
        found = non_maximum_suppression(
            outputs["boxes"], scores, self.max_detections, self.max_overlap
        )
        return {"boxes": found.boxes, "scores": found.scores, "classes": found.classes}

    def decode(
        self, outputs: dict[str, tf.Tensor], origins: Tensors = NO_ORIGINS
    ) -> dict[str, tf.Tensor]:
        """`box` float [B, M, 4] in pixels of the upright picture, `label` string, `score` [B, M].

        Where there are fewer than M objects, the label is empty and the score 0.
        """
        found = self.conclude(outputs)
        place = origins[self.field]
        view, size = place["view"][:, None], tf.cast(place["size"], tf.float32)
        start, side = tf.tile(view[..., :2], [1, 1, 2]), view[..., 2:] - view[..., :2]
        boxes = start + found["boxes"] * tf.tile(side, [1, 1, 2])
        limits = tf.tile(size[:, None, ::-1], [1, 1, 2])
        boxes = tf.clip_by_value(boxes, 0.0, limits)
        # What lies in the padding is no part of the picture.
        there = (found["scores"] > 0) & tf.reduce_all(boxes[..., 2:] > boxes[..., :2], axis=-1)
        return {
            "box": tf.where(there[..., None], boxes, 0.0),
            "label": tf.where(there, tf.gather(self.classes, found["classes"]), ""),
            "score": tf.where(there, found["scores"], 0.0),
        }

    def read(self, answer: dict[str, Any]) -> dict[str, Any]:
        """`objects`, a list of dicts."""
        rows = zip(answer["label"], answer["score"], answer["box"], strict=True)
        return {
            "objects": [
                {"label": label, "score": score, "box": box} for label, score, box in rows if label
            ]
        }

    def draw(self, picture: np.ndarray, answer: Any) -> np.ndarray:
        """Boxes, labels and scores of the objects with a score of at least 0.3."""
        from mmkeras.drawing import draw_objects

        sure = [found for found in answer["objects"] if found.get("score", 1.0) >= _SURE]
        return draw_objects(picture, sure, self.classes)

    def scores(self, answers: Sequence[Any], labels: Sequence[bytes]) -> dict[str, float]:
        """COCO's measures; see `mmkeras.metrics.coco_scores`."""
        from mmkeras.metrics.coco import coco_scores

        found = [answer["objects"] for answer in answers]
        return coco_scores(found, [read(raw) for raw in labels], self.classes)

    @classmethod
    def tiny(cls) -> Self:
        """Two classes."""
        return cls(["cat", "dog"], max_objects=3, max_detections=4, min_score=0.3)

    def labels(self) -> list[bytes]:
        """Objects that fit the first samples of `Image`."""
        return [b"2 2 20 20 324 0 cat", b"8 1 30 11 220 0 dog", NO_OBJECT]


@keras.saving.register_keras_serializable(package="mmkeras")
class ObjectDetectionHead(keras.layers.Layer):
    """`{field: Tokens}` to `logits` [B, T, K], `boxes` and `cells` [B, T, 4], float32.

    A convolution over each grid for classes and one for places, the same for all grids, then a
    projection. Distances from a cell's centre to the sides of its object are powers of e, in
    widths and heights of the cell.

    Args:
        field: the picture.
        grids: whose cells its tokens are.
        num_classes: K.
        dropout: fraction of the tokens' features dropped in training.
    """

    def __init__(
        self, field: str, grids: Grids, num_classes: int, dropout: float = 0.0, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.field = field
        self.grids = tuple((int(rows), int(columns)) for rows, columns in grids)
        self.num_classes = num_classes
        policy = self.dtype_policy
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, name="norm", dtype=policy)
        self.dropout = keras.layers.Dropout(dropout, dtype=policy)
        # Few cells hold an object: the first answers are 1 in 100 (Lin et al. 2017, "Focal Loss").
        rare = keras.initializers.Constant(-math.log(99))
        outputs = {"classes": (num_classes, rare), "places": (4, "zeros")}
        self.projections = {
            part: keras.layers.Dense(size, bias_initializer=bias, name=part, dtype=policy)
            for part, (size, bias) in outputs.items()
        }

    def build(self, tokens_shape: Mapping[str, Tokens]) -> None:
        width = tokens_shape[self.field].values[-1]
        self.norm.build((None, None, width))
        self.convolutions = {
            part: keras.layers.Conv2D(
                width,
                3,
                padding="same",
                activation="gelu",
                name=f"{part}_map",
                dtype=self.dtype_policy,
            )
            for part in self.projections
        }
        for part, projection in self.projections.items():
            self.convolutions[part].build((None, None, None, width))
            projection.build((None, None, width))

    def call(self, tokens: Mapping[str, Tokens], training: bool | None = None) -> dict[str, Any]:
        values, mask = tokens[self.field]
        boxes = ops.convert_to_tensor(cells(self.grids))
        count = boxes.shape[0]
        values = self.dropout(self.norm(values), training=training)
        mask = mask[:, :count, None]
        # What is masked may hold anything, and convolutions look around.
        values = ops.where(mask, values[:, :count], 0.0)
        seen = maps(values, self.grids)

        def answers(part: str) -> Any:
            made = tokens_of([self.convolutions[part](each) for each in seen])
            return ops.cast(self.projections[part](made), "float32")

        distances = ops.exp(ops.clip(answers("places"), -6.0, 6.0))
        centres, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
        places = ops.concatenate(
            [centres - distances[..., :2] * sides, centres + distances[..., 2:] * sides], axis=-1
        )
        return {
            "logits": ops.where(mask, answers("classes"), _NEVER),
            "boxes": ops.where(mask, places, 0.0),
            "cells": boxes + ops.zeros_like(places),
        }

    def compute_output_spec(
        self, tokens: Mapping[str, Tokens], training: bool | None = None
    ) -> Any:
        batch = tokens[self.field].mask.shape[0]
        count = sum(rows * columns for rows, columns in self.grids)
        shapes = {name: (batch, count, 4) for name in ("boxes", "cells")}
        shapes["logits"] = (batch, count, self.num_classes)
        return {name: keras.KerasTensor(shape, dtype="float32") for name, shape in shapes.items()}

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "field": self.field,
            "grids": self.grids,
            "num_classes": self.num_classes,
            "dropout": self.dropout.rate,
        }


def _first(boxes: tf.Tensor, wrong: tf.Tensor) -> tf.Tensor:
    """The first wrong box (float [N, 4], bool [N]) as text, string []."""
    numbers = tf.reshape(tf.boolean_mask(boxes, wrong)[:1], [-1])
    return tf.strings.reduce_join(tf.strings.as_string(numbers, shortest=True), separator=" ")


def _cut(target: tf.Tensor, window: tf.Tensor, above: Sequence[tf.Tensor] = ()) -> tf.Tensor:
    """The part of a target (float32 [N, 6]) that lies in a window and below nothing else.

    Args:
        target: boxes, classes, and whether they are crowds.
        window: float32 [4].
        above: windows, float32 [4] each and apart from each other, that cover what is below.
    """
    whole, kind, crowd = target[:, :4], target[:, 4], target[:, 5]
    cut = _within(whole, window)
    covered = tf.add_n([_area(_within(cut, each)) for each in above]) if above else 0.0
    share = (_area(cut) - covered) / tf.maximum(_area(whole), 1e-9)
    there = (kind >= 0) & (share > 0)
    crowd = tf.where(share < _VISIBLE, 1.0, crowd)
    made = tf.concat([cut, kind[:, None], crowd[:, None]], axis=1)
    return tf.where(there[:, None], made, tf.constant([_NOTHING]))


def _within(boxes: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Boxes (float [N, 4]) cut to a window (float [4]); what lies beyond it has no area."""
    return tf.clip_by_value(boxes, tf.tile(window[:2], [2]), tf.tile(window[2:], [2]))


def _area(boxes: tf.Tensor) -> tf.Tensor:
    """float [N, 4] to float [N]."""
    return tf.reduce_prod(tf.maximum(boxes[:, 2:] - boxes[:, :2], 0.0), axis=1)
