"""`Classification`: one class, or any number of classes, for a sample."""

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from mmkeras.contracts.classes import weights_of
from mmkeras.contracts.mix import Mixture
from mmkeras.contracts.task import NO_LAYOUTS, NO_ORIGINS, Task, Tensors
from mmkeras.layers.pooling import FieldPooling, check_pool, masked_mean
from mmkeras.losses.cross_entropy import binary_cross_entropy, cross_entropy
from mmkeras.losses.distillation import distillation
from mmkeras.metrics.accuracy import Accuracy, TopAccuracy
from mmkeras.metrics.by_class import AUC, F1
from mmkeras.metrics.matthews_correlation import MatthewsCorrelation
from mmkeras.tokens import Layout, Tokens

_MEASURES = ("accuracy", "top5", "f1", "micro_f1", "mcc", "auc")


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class Classification(Task):
    """Which class a sample belongs to; with `multi_label`, which classes, none among them.

    Outputs: `logits` and `probabilities`, float [B, K], and `votes`, float [B, F, K]: the logits of
    each of the F fields, in the order of their names, whose mean over the present fields `logits`
    is; the vote of an absent field is zero throughout. Answer: `label` (with `multi_label`, the
    labels of at least one half, joined by the separator) and `probability` of the likeliest class.

    Args:
        classes: the names, in the order of the outputs.
        multi_label: any number of classes may apply at once.
        label_smoothing: see `cross_entropy`.
        class_weights: how much each class counts in the loss, as `{name: weight}` (the others
            count 1) or as one number for each class.
        separator: stands between the labels of one sample in a raw label.
        dropout: fraction of each field's pooled features dropped in training.
        pool: how the tokens of a field become one: `"mean"`, `"max"`, `"first"` (BERT's `[CLS]`)
            or `"attention"`.
        measures: the metrics, of `"accuracy"`, `"top5"` (the class is among the five likeliest;
            single labels alone), `"f1"` (the mean over classes), `"micro_f1"`,
            `"mcc"` (Matthews correlation; single labels alone) and `"auc"` (area under the ROC
            curve, mean over classes; Keras' sum over 200 thresholds, which is coarse where
            probabilities crowd at 0 and 1). Accuracy if None, and with `multi_label` F1.
        vote_loss: how much the mean loss of the single votes counts beside that of their mean. It
            keeps a field that learns fast from stopping the others (Wang, Tran & Feiszli 2020,
            "What Makes Training Multi-Modal Classification Networks Hard?").
        temperature: what logits are divided by where they become probabilities; more than 1 makes a
            model less sure that was too sure. It changes no decision and no loss; see
            `mmkeras.evaluation.calibrate`, which finds it.

    Raises:
        ValueError: an unknown pool or measure; a temperature that is not above 0; fewer than two
            classes (one with `multi_label`), a class that is empty, occurs twice or holds the
            separator; weights of unknown classes or of the wrong number.

    Example:

    >>> task = Classification(["negative", "positive"])
    >>> int(task.target(tf.constant("positive")))
    1
    """

    classes: tuple[str, ...]
    multi_label: bool = False
    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None
    separator: str = "|"
    dropout: float = 0.1
    pool: str = "mean"
    measures: tuple[str, ...] = ()
    vote_loss: float = 0.0
    temperature: float = 1.0

    def __init__(
        self,
        classes: Iterable[str],
        multi_label: bool = False,
        label_smoothing: float = 0.0,
        class_weights: Mapping[str, float] | Iterable[float] | None = None,
        separator: str = "|",
        dropout: float = 0.1,
        pool: str = "mean",
        measures: Iterable[str] | None = None,
        vote_loss: float = 0.0,
        temperature: float = 1.0,
    ):
        if isinstance(classes, str):
            raise ValueError(f"classes must be a list of names; got the string {classes!r}.")
        classes = tuple(classes)
        if len(classes) < (1 if multi_label else 2):
            raise ValueError(f"Classification needs at least two classes; got {list(classes)}.")
        for name in classes:
            if not isinstance(name, str) or not name:
                raise ValueError(f"a class must be a non-empty string; got {name!r}.")
            if classes.count(name) > 1:
                raise ValueError(f"class {name!r} is named twice in {list(classes)}.")
            if multi_label and separator in name:
                raise ValueError(
                    f"class {name!r} holds the separator {separator!r}; pass another separator."
                )
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(f"label_smoothing must be in [0, 1); got {label_smoothing}.")
        if vote_loss < 0:
            raise ValueError(f"vote_loss must be at least 0; got {vote_loss}.")
        if not 0.0 < temperature < float("inf"):
            raise ValueError(f"temperature must be above 0; got {temperature}.")
        check_pool(pool)
        if measures is None:
            measures = ("accuracy", "f1") if multi_label else ("accuracy",)
        measures = tuple(measures)
        known = set(_MEASURES) - ({"mcc", "top5"} if multi_label else set())
        if not set(measures) <= known:
            raise ValueError(f"measures must be among {sorted(known)}; got {list(measures)}.")
        if isinstance(class_weights, Mapping):
            unknown = sorted(set(class_weights) - set(classes))
            if unknown:
                raise ValueError(f"class_weights names unknown classes {unknown}.")
            class_weights = [class_weights.get(name, 1.0) for name in classes]
        class_weights = weights_of(classes, class_weights)
        for name, value in {
            "classes": classes,
            "multi_label": multi_label,
            "label_smoothing": label_smoothing,
            "class_weights": class_weights,
            "separator": separator,
            "dropout": dropout,
            "pool": pool,
            "measures": measures,
            "vote_loss": vote_loss,
            "temperature": temperature,
        }.items():
            object.__setattr__(self, name, value)

    def encode(self, value: Any) -> bytes:
        """A class name, or with `multi_label` names in a list or joined by the separator.

        Example:

        >>> Classification(["cat", "dog"], multi_label=True).encode(["cat", "dog"])
        b'cat|dog'
        """
        if value is None:
            return b""
        if isinstance(value, bytes):
            return value
        if isinstance(value, str | int | bool):
            return str(value).encode()
        if self.multi_label and isinstance(value, list | tuple | set):
            return self.separator.join(str(name) for name in value).encode()
        raise TypeError(
            f"a label must be a class name{' or a list of them' if self.multi_label else ''}; "
            f"got {value!r}."
        )

    def target(self, raw: tf.Tensor, origins: Tensors = NO_ORIGINS) -> tf.Tensor:
        """int32 [], the class; with `multi_label` float32 [K]. See `Task.target`."""
        names = tf.strings.split(raw, self.separator) if self.multi_label else raw[None]
        names = tf.strings.strip(names)
        matches = names[:, None] == tf.constant(self.classes)[None, :]
        known = tf.reduce_any(matches, axis=1) | (names == "")
        check = tf.debugging.Assert(
            tf.reduce_all(known),
            ["unknown label", raw, f"; the classes are {', '.join(self.classes)}"],
        )
        with tf.control_dependencies([check]):
            if self.multi_label:
                return tf.cast(tf.reduce_any(matches, axis=0), tf.float32)
            return tf.argmax(matches[0], output_type=tf.int32)

    def mix(self, targets: tf.Tensor, mixture: Mixture) -> tf.Tensor:
        """float32 [K]: how much of the picture is of each class."""
        if not self.multi_label:
            targets = tf.one_hot(targets, len(self.classes))
        return tf.einsum("n,nk->k", mixture.shares, targets)

    def head(self, name: str, layouts: Mapping[str, Layout] = NO_LAYOUTS) -> keras.layers.Layer:
        """Every field votes with its own logits; see `FieldPooling`."""
        return ClassificationHead(
            len(self.classes),
            multi_label=self.multi_label,
            dropout=self.dropout,
            pool=self.pool,
            temperature=self.temperature,
            name=name,
        )

    def guide(self, head: keras.layers.Layer) -> None:
        """Sets the temperature; see `Task.guide`."""
        head.temperature = self.temperature

    def loss(self, target: Any, outputs: dict[str, Any]) -> Any:
        """Cross-entropy of each sample; with `multi_label`, binary and averaged over classes."""
        measure = binary_cross_entropy if self.multi_label else cross_entropy
        measure = functools.partial(
            measure, label_smoothing=self.label_smoothing, class_weights=self.class_weights
        )
        loss = measure(target, outputs["logits"])
        if self.vote_loss:
            votes = outputs["votes"]
            losses = ops.stack(
                [measure(target, votes[:, i]) for i in range(votes.shape[1])], axis=1
            )
            voted = ops.any(ops.not_equal(votes, 0), axis=-1)
            loss = loss + self.vote_loss * masked_mean(losses[..., None], voted)[:, 0]
        return loss

    @property
    def distils(self) -> tuple[str, ...]:
        """The logits."""
        return ("logits",)

    def distil(
        self, target: Any, outputs: dict[str, Any], taught: dict[str, Any], temperature: float
    ) -> Any:
        """See `distillation`; with `multi_label`, each class is a choice between it and nothing."""
        del target
        logits = [each["logits"] for each in (taught, outputs)]
        if self.multi_label:
            logits = [ops.stack([each, ops.zeros_like(each)], axis=-1) for each in logits]
        return distillation(*logits, temperature)

    def metrics(self) -> dict[str, list[keras.metrics.Metric]]:
        """The `measures`; with `multi_label`, accuracy and F1 ask for at least one half."""
        size, many = len(self.classes), self.multi_label
        threshold = 0.5 if many else None
        made = {
            "accuracy": lambda: (
                keras.metrics.BinaryAccuracy(name="accuracy") if many else Accuracy(name="accuracy")
            ),
            "top5": lambda: TopAccuracy(5, name="top5"),
            "f1": lambda: F1(size, average="macro", threshold=threshold, name="f1"),
            "micro_f1": lambda: F1(size, average="micro", threshold=threshold, name="micro_f1"),
            "mcc": lambda: MatthewsCorrelation(size, name="mcc"),
            "auc": lambda: AUC(size, name="auc"),
        }
        return {"probabilities": [made[name]() for name in self.measures]}

    def decode(
        self, outputs: dict[str, tf.Tensor], origins: Tensors = NO_ORIGINS
    ) -> dict[str, tf.Tensor]:
        """`label` string [B], `probability` float [B], `probabilities` float [B, K]."""
        probabilities = outputs["probabilities"]
        classes = tf.constant(self.classes)
        if self.multi_label:
            ragged = tf.ragged.boolean_mask(
                tf.broadcast_to(classes, tf.shape(probabilities)), probabilities >= 0.5
            )
            label = tf.strings.reduce_join(ragged, axis=1, separator=self.separator)
        else:
            label = tf.gather(classes, tf.argmax(probabilities, axis=1))
        return {
            "label": label,
            "probability": tf.reduce_max(probabilities, axis=1),
            "probabilities": probabilities,
        }

    def read(self, answer: dict[str, Any]) -> dict[str, Any]:
        """The answer with its probabilities under the names of their classes."""
        return answer | {"probabilities": dict(zip(self.classes, answer["probabilities"]))}

    def evidence(self, outputs: dict[str, Any], of: str | None = None) -> Any:
        """The log-odds of a class, before the temperature; of the likeliest where none is named."""
        logits = outputs["logits"]
        if of is not None and of not in self.classes:
            raise ValueError(f"there is no class {of!r}; the classes are {list(self.classes)}.")
        place = ops.argmax(logits, axis=-1) if of is None else self.classes.index(of)
        chosen = ops.one_hot(place, len(self.classes)) > 0
        logit = ops.sum(ops.where(chosen, logits, 0.0), axis=-1)
        if self.multi_label:
            return logit
        # What raises all logits alike speaks for none of the classes.
        return logit - ops.logsumexp(ops.where(chosen, -1e9, logits), axis=-1)

    def undefined(self, measure: str, targets: np.ndarray | None) -> str:
        """Means over classes need all of them, and what tells classes apart needs two."""
        if targets is None or measure not in ("f1", "mcc", "auc"):
            return ""
        there = (
            targets.any(axis=0) if self.multi_label else np.isin(range(len(self.classes)), targets)
        )
        if measure == "mcc":
            return "" if there.sum() > 1 else "all samples are of one class"
        if measure == "auc" and self.multi_label:
            there = there & (targets == 0).any(axis=0)
        missing = [name for name, known in zip(self.classes, there) if not known]
        return f"no sample is {missing[0]}" if missing else ""

    @classmethod
    def tiny(cls) -> Self:
        """Three classes."""
        return cls(["cat", "dog", "tree"])

    def labels(self) -> list[bytes]:
        """Every class."""
        return [name.encode() for name in self.classes]


@keras.saving.register_keras_serializable(package="mmkeras")
class ClassificationHead(keras.layers.Layer):
    """`{field: Tokens}` to `logits` and `probabilities`, float32 [B, K], and `votes` [B, F, K].

    Args:
        num_classes: K.
        multi_label: probabilities by sigmoid instead of softmax.
        dropout, pool: see `FieldPooling`.
        temperature: what logits are divided by before they become probabilities.
    """

    def __init__(
        self,
        num_classes: int,
        multi_label: bool = False,
        dropout: float = 0.0,
        pool: str = "mean",
        temperature: float = 1.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.multi_label = multi_label
        self.temperature = temperature
        self.pooling = FieldPooling(
            num_classes, dropout, pool, name="pooling", dtype=self.dtype_policy
        )

    def build(self, tokens_shape: Mapping[str, Tokens]) -> None:
        self.pooling.build(tokens_shape)

    def call(self, tokens: Mapping[str, Tokens], training: bool | None = None) -> dict[str, Any]:
        votes, voted = self.pooling(dict(tokens), training=training)
        votes = ops.cast(votes, "float32")
        logits = masked_mean(votes, voted)
        scaled = logits / self.temperature
        probabilities = ops.sigmoid(scaled) if self.multi_label else ops.softmax(scaled)
        return {"logits": logits, "probabilities": probabilities, "votes": votes}

    def compute_output_spec(
        self, tokens: Mapping[str, Tokens], training: bool | None = None
    ) -> Any:
        batch = next(iter(tokens.values())).values.shape[0]
        shapes = {name: (batch, self.num_classes) for name in ("logits", "probabilities")}
        shapes["votes"] = (batch, len(tokens), self.num_classes)
        return {name: keras.KerasTensor(shape, dtype="float32") for name, shape in shapes.items()}

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "num_classes": self.num_classes,
            "multi_label": self.multi_label,
            "dropout": self.pooling.dropout.rate,
            "pool": self.pooling.pool,
            "temperature": self.temperature,
        }
