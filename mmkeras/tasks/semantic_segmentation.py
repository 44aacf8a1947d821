"""`SemanticSegmentation`: the class of every pixel of a picture."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from mmkeras.class_map import colours, read_mask, write_mask
from mmkeras.contracts.classes import class_names, weights_of
from mmkeras.contracts.mix import Mixture
from mmkeras.contracts.refusal import refuse
from mmkeras.contracts.task import NO_LAYOUTS, NO_ORIGINS, Task, Tensors
from mmkeras.layers.grids import maps, needed_grids
from mmkeras.losses.distillation import distillation
from mmkeras.losses.segmentation import segmentation_loss
from mmkeras.metrics.segmentation import MeanOverlap, segmentation_scores
from mmkeras.tokens import Grids, Layout, Tokens


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class SemanticSegmentation(Task):
    """Which class every pixel of a picture belongs to.

    The maps of all grids are projected, enlarged to the finest, added, and mixed by a convolution
    (Kirillov et al. 2019, "Panoptic Feature Pyramid Networks"); scores are enlarged to `size`, in
    which the model learns, and once more to the picture's own size in an answer.

    A label is a mask: the path or the bytes of a grey or palette PNG as large as the upright
    picture, which holds class numbers, or an array uint8 [h, w]. `ignore` marks pixels that nobody
    knows the class of.

    Where the picture is absent, the answer is a mask of one pixel, which means nothing.

    Outputs: `logits`, float [B, H, W, K]. Concluded: `mask`, int32 [B, H, W]. Answer: `mask`, uint8
    [h, w] of the picture's own size, `png`, the same as a palette PNG, and `shares`, of the pixels
    by class.

    Args:
        classes: the names in the order of their numbers; a background is a class.
        field: the picture; its encoder has to know its grids.
        size: pixels of the side of the masks that are learned, or (height, width).
        ignore: the number in masks that stands for no class.
        class_weights: how much pixels of each class count in the cross-entropy.
        dice_weight: see `segmentation_loss`.
        dropout: fraction of the tokens' features dropped in training.

    Raises:
        ValueError: fewer than two classes or more than 255, one named twice, or `ignore` is the
            number of one.

    Example:

    >>> task = SemanticSegmentation(["ground", "sky"], field="photo")
    >>> read_mask(tf.constant(task.encode(np.array([[0, 1]], "uint8")))).numpy()
    array([[0, 1]], dtype=uint8)
    """

    is_file: ClassVar[bool] = True
    reads: ClassVar[frozenset[str]] = frozenset({"size", "view", "moved"})

    classes: tuple[str, ...]
    field: str = "image"
    size: int | tuple[int, int] = 128
    ignore: int = 255
    class_weights: tuple[float, ...] | None = None
    dice_weight: float = 1.0
    dropout: float = 0.0

    def __init__(
        self,
        classes: Iterable[str],
        field: str = "image",
        size: int | tuple[int, int] = 128,
        ignore: int = 255,
        class_weights: Sequence[float] | None = None,
        dice_weight: float = 1.0,
        dropout: float = 0.0,
    ):
        classes = class_names(classes)
        if not 2 <= len(classes) <= 255:
            raise ValueError(f"SemanticSegmentation needs 2 to 255 classes; got {len(classes)}.")
        if not len(classes) <= ignore <= 255:
            raise ValueError(
                f"ignore must be from {len(classes)}, behind the classes, to 255; got {ignore}."
            )
        class_weights = weights_of(classes, class_weights)
        if isinstance(size, list):  # As a configuration gives it back.
            size = (size[0], size[1])
        sides = size if isinstance(size, tuple) else (size, size)
        if len(sides) != 2 or not all(isinstance(n, int) and n >= 1 for n in sides):
            raise ValueError(f"size must be a number of pixels, or (height, width); got {size!r}.")
        if dice_weight < 0:
            raise ValueError(f"dice_weight must be at least 0; got {dice_weight}.")
        for name, value in {
            "classes": classes,
            "field": field,
            "size": size,
            "ignore": ignore,
            "class_weights": class_weights,
            "dice_weight": dice_weight,
            "dropout": dropout,
        }.items():
            object.__setattr__(self, name, value)

    @property
    def points_into(self) -> tuple[str, ...]:
        """The picture."""
        return (self.field,)

    @property
    def _sides(self) -> tuple[int, int]:
        return self.size if isinstance(self.size, tuple) else (self.size, self.size)

    def encode(self, value: Any) -> bytes:
        """A PNG as it is, or an array uint8 [h, w] as one.

        Raises:
            TypeError: the mask is neither.
        """
        if value is None:
            return b""
        if isinstance(value, bytes):
            return value
        if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 2:
            return tf.io.encode_png(value[..., None]).numpy()
        raise TypeError(
            "a mask must be the path or the bytes of a PNG, or a NumPy array uint8 [h, w]; got "
            f"{value!r:.80}."
        )

    def target(self, raw: tf.Tensor, origins: Tensors = NO_ORIGINS) -> tf.Tensor:
        """int32 [H, W], the class seen at the middle of each pixel, -1 for none. See `Task.target`.

        Each is that of the nearest pixel of the mask, so that no class is made up.
        """
        place = origins[self.field]
        mask = tf.cast(read_mask(raw), tf.int32)
        there, shape = tf.strings.length(raw) > 0, tf.shape(mask)
        with refuse(
            there & tf.reduce_any(shape != place["size"]),
            "the mask has {} rows of {} pixels, its picture {} of {}; they have to be of one size",
            *tf.unstack(shape),
            *tf.unstack(place["size"]),
        ):
            mask = tf.identity(mask)
        wrong = (mask >= len(self.classes)) & (mask != self.ignore)
        with refuse(
            tf.reduce_any(wrong),
            f"the mask holds {{}}; there are classes 0 to {len(self.classes) - 1}, and "
            f"{self.ignore} for none",
            tf.reduce_max(tf.where(wrong, mask, -1)),
        ):
            known = tf.where((mask == self.ignore) | ~there, -1, mask)
        view = place["view"]
        places = view[:2] + _middles(*self._sides) * (view[2:] - view[:2])
        return tf.ensure_shape(_nearest(known, places), self._sides)

    def prepare(
        self, inputs: Tensors, target: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Tensors, tf.Tensor]:
        """The mask follows what augmentation did with the picture; -1 where it shows no more."""
        del seed
        moved = inputs[self.field]["moved"]
        height, width = self._sides
        places = tf.einsum("ij,hwj->hwi", moved[:, :2], _middles(height, width)) + moved[:, 2]
        return inputs, _nearest(target, places * tf.constant([width, height], tf.float32))

    def mix(self, targets: tf.Tensor, mixture: Mixture) -> tf.Tensor:
        """The class of what is seen at each place, the last picture on top.

        Raises:
            ValueError: pictures shine through each other, so that places have no class.
        """
        if mixture.blended:
            raise ValueError("SemanticSegmentation has no target of pictures that are blended.")
        height, width = self._sides
        middles = tf.constant(_middles(height, width))
        mixed = tf.fill([height, width], -1)
        for target, place, shown in zip(*map(tf.unstack, (targets, *mixture[1:3]))):
            inside = tf.reduce_all((middles >= shown[:2]) & (middles < shown[2:]), axis=-1)
            places = (middles - place[:2]) / (place[2:] - place[:2])
            own = _nearest(target, places * tf.constant([width, height], tf.float32))
            mixed = tf.where(inside, own, mixed)
        return mixed

    def head(self, name: str, layouts: Mapping[str, Layout] = NO_LAYOUTS) -> keras.layers.Layer:
        """Scores of classes for each pixel.

        Raises:
            ValueError: the tokens of the field are no cells of a grid.
        """
        return SemanticSegmentationHead(
            self.field,
            needed_grids(layouts, self.field, "SemanticSegmentation"),
            self._sides,
            len(self.classes),
            dropout=self.dropout,
            name=name,
        )

    def loss(self, target: Any, outputs: dict[str, Any]) -> Any:
        """See `segmentation_loss`."""
        return segmentation_loss(target, outputs["logits"], self.class_weights, self.dice_weight)

    @property
    def distils(self) -> tuple[str, ...]:
        """The logits."""
        return ("logits",)

    def distil(
        self, target: Any, outputs: dict[str, Any], taught: dict[str, Any], temperature: float
    ) -> Any:
        """See `distillation`, of all pixels, also those that the label leaves open."""
        del target
        return distillation(taught["logits"], outputs["logits"], temperature)

    def metrics(self) -> dict[str, list[keras.metrics.Metric]]:
        """Mean intersection over union, at the size that is learned."""
        return {"logits": [MeanOverlap(len(self.classes))]}

    def conclude(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """`mask`: int32 [B, H, W]."""
        # The argmax of Keras takes care of -0.0, by operations that devices do not have.
        _, best = ops.top_k(outputs["logits"], 1)
        return {"mask": ops.cast(best[..., 0], "int32")}

    def decode(
        self, outputs: dict[str, tf.Tensor], origins: Tensors = NO_ORIGINS
    ) -> dict[str, tf.Tensor]:
        """`png` string [B], a mask of the picture's own size; `shares` float [B, K] of its pixels.

        Scores are enlarged to the picture's size before the best class is taken.
        """
        place = origins[self.field]

        def own(sample: Any) -> tuple[tf.Tensor, tf.Tensor]:
            logits, size, view = sample
            mask = tf.argmax(self.enlarged(logits, size, view), axis=-1, output_type=tf.int32)
            counts = tf.math.bincount(
                tf.reshape(mask, [-1]), minlength=len(self.classes), maxlength=len(self.classes)
            )
            shares = tf.cast(counts, tf.float32) / tf.cast(tf.size(mask), tf.float32)
            return write_mask(tf.cast(mask, tf.uint8), colours(len(self.classes))), shares

        png, shares = tf.map_fn(
            own,
            (outputs["logits"], place["size"], place["view"]),
            fn_output_signature=(tf.string, tf.TensorSpec([len(self.classes)], tf.float32)),
        )
        return {"png": png, "shares": shares}

    def enlarged(self, logits: tf.Tensor, size: tf.Tensor, view: tf.Tensor) -> tf.Tensor:
        """Scores of what is seen as those of each pixel of the picture, by bilinear interpolation.

        Args:
            logits: float [H, W, K].
            size, view: of the picture; see `Image.origins`.

        Returns:
            float [h, w, K].
        """
        height, width = self._sides
        side = tf.constant([width, height], tf.float32) / (view[2:] - view[:2])
        # The middle of pixel 0 is at half a pixel.
        offset = (0.5 - view[:2]) * side - 0.5
        transform = tf.stack([side[0], 0.0, offset[0], 0.0, side[1], offset[1], 0.0, 0.0])
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=logits[None],
            transforms=transform[None],
            output_shape=size,
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="NEAREST",
        )[0]

    def read(self, answer: dict[str, Any]) -> dict[str, Any]:
        """`mask` as an array, `png`, and `shares` by the names of the classes."""
        return {
            "mask": read_mask(tf.constant(answer["png"])).numpy(),
            "png": answer["png"],
            "shares": dict(zip(self.classes, answer["shares"], strict=True)),
        }

    def draw(self, picture: np.ndarray, answer: Any) -> np.ndarray:
        """The mask over the picture, with the names of its classes."""
        from mmkeras.drawing import draw_mask

        return draw_mask(picture, answer["mask"], self.classes)

    def scores(self, answers: Sequence[Any], labels: Sequence[bytes]) -> dict[str, Any]:
        """See `segmentation_scores`: at the pictures' own sizes."""
        pairs = (
            (answer["mask"], read_mask(tf.constant(raw)).numpy())
            for answer, raw in zip(answers, labels, strict=True)
        )
        return segmentation_scores(pairs, self.classes)

    @classmethod
    def tiny(cls) -> Self:
        """Three classes, in masks of 8 by 8 pixels."""
        return cls(["ground", "sky", "sea"], size=8)

    def labels(self) -> list[bytes]:
        """Masks that fit the first samples of `Image`."""
        y, x = np.mgrid[:24, :32]
        masks = [(y < 12), 2 * (x[:12] < 16), y + x > 27]
        return [self.encode(mask.astype("uint8")) for mask in masks]


@keras.saving.register_keras_serializable(package="mmkeras")
class SemanticSegmentationHead(keras.layers.Layer):
    """`{field: Tokens}` to `logits`, float32 [B, H, W, K].

    Args:
        field: the picture.
        grids: whose cells its tokens are.
        size: (H, W).
        num_classes: K.
        dropout: fraction of the tokens' features dropped in training.
    """

    def __init__(
        self,
        field: str,
        grids: Grids,
        size: tuple[int, int],
        num_classes: int,
        dropout: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.field = field
        self.grids = tuple((int(rows), int(columns)) for rows, columns in grids)
        self.size = tuple(size)
        self.num_classes = num_classes
        policy = self.dtype_policy
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, name="norm", dtype=policy)
        self.dropout = keras.layers.Dropout(dropout, dtype=policy)
        self.projection = keras.layers.Dense(num_classes, name="projection", dtype=policy)

    def build(self, tokens_shape: Mapping[str, Tokens]) -> None:
        width = tokens_shape[self.field].values[-1]
        policy = self.dtype_policy
        self.norm.build((None, None, width))
        self.levels = [
            keras.layers.Dense(width, name=f"level_{i}", dtype=policy)
            for i in range(len(self.grids))
        ]
        self.mixing = keras.layers.Conv2D(
            width, 3, padding="same", activation="gelu", name="mixing", dtype=policy
        )
        for level in self.levels:
            level.build((None, None, None, width))
        self.mixing.build((None, None, None, width))
        self.projection.build((None, None, None, width))

    def call(self, tokens: Mapping[str, Tokens], training: bool | None = None) -> dict[str, Any]:
        values, mask = tokens[self.field]
        values = self.dropout(self.norm(values), training=training)
        # What is masked may hold anything, and convolutions look around.
        seen = maps(ops.where(mask[..., None], values, 0.0), self.grids)
        finest = self.grids[0]
        mixed = sum(
            _resized(level(each), finest) for level, each in zip(self.levels, seen, strict=True)
        )
        logits = ops.cast(self.projection(self.mixing(mixed)), "float32")
        logits = ops.where(mask[:, :1, None, None], logits, 0.0)
        return {"logits": _resized(logits, self.size)}

    def compute_output_spec(
        self, tokens: Mapping[str, Tokens], training: bool | None = None
    ) -> Any:
        shape = (tokens[self.field].mask.shape[0], *self.size, self.num_classes)
        return {"logits": keras.KerasTensor(shape, dtype="float32")}

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "field": self.field,
            "grids": self.grids,
            "size": self.size,
            "num_classes": self.num_classes,
            "dropout": self.dropout.rate,
        }


def _resized(values: Any, size: tuple[int, int]) -> Any:
    """A map [B, H, W, D] of another size, by bilinear interpolation."""
    if tuple(values.shape[1:3]) == tuple(size):
        return values
    return ops.image.resize(values, size, interpolation="bilinear", data_format="channels_last")


def _middles(height: int, width: int) -> np.ndarray:
    """float32 [H, W, 2]: x and y of the middles of pixels, in shares of width and height."""
    y, x = np.mgrid[:height, :width]
    return np.stack([(x + 0.5) / width, (y + 0.5) / height], axis=-1).astype("float32")


def _nearest(mask: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """int32 [H, W]: what a mask [h, w] holds at places (x, y), float [H, W, 2]; -1 beyond it."""
    x, y = tf.unstack(tf.cast(tf.floor(places), tf.int32), axis=-1)
    height, width = tf.unstack(tf.shape(mask))
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    flat = tf.where(inside, y * width + x, 0)
    return tf.where(inside, tf.gather(tf.reshape(mask, [-1]), flat), -1)
