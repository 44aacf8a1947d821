"""`Regression`: one number for a sample."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Self

import keras
import tensorflow as tf
from keras import ops

from mmkeras.contracts.source import Source
from mmkeras.contracts.task import NO_LAYOUTS, NO_ORIGINS, Task, Tensors
from mmkeras.layers.pooling import FieldPooling, masked_mean
from mmkeras.losses.huber import huber
from mmkeras.tokens import Layout, Tokens


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class Regression(Task):
    """How large a quantity is.

    The network predicts (value - offset) / scale; `Regression.adapt` takes both from the training
    labels, so that quantities of any size train alike. Output: `value`, float [B, 1], and answer:
    `value`, float [B], in the quantity's own unit. The loss is Huber's, in units of `scale`.

    Args:
        offset: a typical value.
        scale: a typical deviation from it, greater than 0.
        dropout: fraction of each field's pooled features dropped in training.

    Raises:
        ValueError: `scale` is not a positive number, or `offset` is not finite.

    Example:

    >>> float(Regression(offset=20.0, scale=5.0).target(tf.constant("21.5")))
    21.5
    """

    offset: float = 0.0
    scale: float = 1.0
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if not (self.scale > 0 and math.isfinite(self.scale) and math.isfinite(self.offset)):
            raise ValueError(
                f"scale must be a positive and offset a finite number; got scale={self.scale}, "
                f"offset={self.offset}."
            )

    @classmethod
    def adapt(cls, source: Source, column: str, **kwargs: Any) -> Self:
        """The task whose offset and scale are mean and standard deviation of a column.

        Args:
            source: the training samples.
            column: the column of labels; absent ones are left out.
            **kwargs: further arguments of the constructor.

        Raises:
            ValueError: the column holds no number.
        """
        task = cls()
        raw = source.column(column, task.encode)
        present = raw.filter(lambda label: label != "")
        values = [float(value) for value in present.map(task.target).as_numpy_iterator()]
        if not values:
            raise ValueError(f"column {column!r} of {source!r} holds no number to learn from.")
        offset = sum(values) / len(values)
        deviation = math.sqrt(sum((value - offset) ** 2 for value in values) / len(values))
        return cls(offset=offset, scale=deviation or 1.0, **kwargs)

    def encode(self, value: Any) -> bytes:
        """A number, or its text; None and NaN give `b""`."""
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return b""
        if isinstance(value, bytes):
            return value
        try:
            return repr(float(value)).encode() if value != "" else b""
        except (TypeError, ValueError) as error:
            raise TypeError(f"a label must be a number; got {value!r}.") from error

    def target(self, raw: tf.Tensor, origins: Tensors = NO_ORIGINS) -> tf.Tensor:
        """float32 []. See `Task.target`."""
        value = tf.strings.to_number(tf.where(raw == "", "0", raw))
        check = tf.debugging.Assert(
            tf.math.is_finite(value), ["the label", raw, "is not a finite number"]
        )
        with tf.control_dependencies([check]):
            return tf.identity(value)

    def head(self, name: str, layouts: Mapping[str, Layout] = NO_LAYOUTS) -> keras.layers.Layer:
        """Every field votes with its own value; see `FieldPooling`."""
        return RegressionHead(self.offset, self.scale, dropout=self.dropout, name=name)

    def loss(self, target: Any, outputs: dict[str, Any]) -> Any:
        """Huber loss of each sample, in units of `scale`."""
        return huber(target / self.scale, outputs["value"][:, 0] / self.scale)

    def metrics(self) -> dict[str, list[keras.metrics.Metric]]:
        """Mean absolute error and root mean squared error, in the quantity's own unit."""
        return {
            "value": [
                keras.metrics.MeanAbsoluteError(name="mae"),
                keras.metrics.RootMeanSquaredError(name="rmse"),
            ]
        }

    def decode(
        self, outputs: dict[str, tf.Tensor], origins: Tensors = NO_ORIGINS
    ) -> dict[str, tf.Tensor]:
        """`value`, float [B]."""
        return {"value": outputs["value"][:, 0]}

    def evidence(self, outputs: dict[str, Any], of: str | None = None) -> Any:
        """The value itself; there is no other answer."""
        if of is not None:
            raise ValueError(f"the answer is one number; there is no {of!r} to explain.")
        return outputs["value"][:, 0]

    @classmethod
    def tiny(cls) -> Self:
        """Around 20, give or take 5."""
        return cls(offset=20.0, scale=5.0)

    def labels(self) -> list[bytes]:
        """Three numbers around the offset."""
        return [repr(self.offset + k * self.scale).encode() for k in (-1, 0, 1)]


@keras.saving.register_keras_serializable(package="mmkeras")
class RegressionHead(keras.layers.Layer):
    """`{field: Tokens}` to `value`, float32 [B, 1].

    Args:
        offset, scale: the value is offset + scale · (what the network says).
        dropout: see `FieldPooling`.
    """

    def __init__(self, offset: float, scale: float, dropout: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.offset = offset
        self.scale = scale
        self.pooling = FieldPooling(1, dropout, name="pooling", dtype=self.dtype_policy)

    def build(self, tokens_shape: Mapping[str, Tokens]) -> None:
        self.pooling.build(tokens_shape)

    def call(self, tokens: Mapping[str, Tokens], training: bool | None = None) -> dict[str, Any]:
        votes = self.pooling(dict(tokens), training=training)
        standard = ops.cast(masked_mean(*votes), "float32")
        return {"value": self.offset + self.scale * standard}

    def compute_output_spec(
        self, tokens: Mapping[str, Tokens], training: bool | None = None
    ) -> Any:
        batch = next(iter(tokens.values())).values.shape[0]
        return {"value": keras.KerasTensor((batch, 1), dtype="float32")}

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "offset": self.offset,
            "scale": self.scale,
            "dropout": self.pooling.dropout.rate,
        }
