"""`Contrastive`: one space for several fields, in which what belongs together is near."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from mmkeras.contracts.task import NO_LAYOUTS, NO_ORIGINS, Tensors
from mmkeras.contracts.unlabelled import UnlabelledTask
from mmkeras.layers.pooling import FieldPooling, check_pool
from mmkeras.losses.contrastive import info_nce, pairwise_sigmoid
from mmkeras.metrics.retrieval import query_scores, summary
from mmkeras.tokens import Layout, Tokens

#: The losses, the temperature that each begins with, and its bias.
LOSSES = {"info_nce": (info_nce, 0.07, 0.0), "sigmoid": (pairwise_sigmoid, 0.1, -10.0)}
#: A temperature below its inverse would make a batch all of the loss.
_LARGEST_SCALE = 100.0
_NUMBERS = ("scale", "bias")
#: So many different contents can be told apart.
_HASHES = 2**31 - 1


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class Contrastive(UnlabelledTask):
    """Each field of a sample becomes a vector of length 1, near those of its other fields.

    It needs no labels: that a photo and its caption stand in one row is all it learns from. Then
    anything can be looked for by anything: see `mmkeras.retrieval`.

    Every field is compared with every other, in both directions, over all samples of a batch, those
    of other replicas among them; the loss of a sample is the mean over the pairs of its fields that
    are there, and 0 where there is but one. Samples whose content is the same in one of the two
    fields, as the model meets it, are no negatives of each other: two photos may have one caption.
    A batch of one has nothing to be told apart from: with `"info_nce"` it teaches nothing.

    The fields must not know of each other, so the model's fusion has to be `Late`, which is then
    the default.

    Outputs, float32: for each field its name, [B, D], vectors of length 1, or zeros where the field
    is absent; `scale` and `bias`, [B], what similarities are multiplied by and what is added to
    them in the loss, both learned. Answer: the vectors.

    Source: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language
    Supervision" (CLIP); Zhai et al. 2023 (SigLIP) for `"sigmoid"`.

    Args:
        fields: those that share the space, two or more.
        dim: D.
        loss_name: `"info_nce"`, or `"sigmoid"`, which needs no large batches.
        temperature: of the similarities at the beginning; None: 0.07, or 0.1 with `"sigmoid"`.
        pool: how the tokens of a field become one; see `FieldPooling`.
        dropout: fraction of each field's pooled features dropped in training.

    Raises:
        ValueError: an argument is out of its range.

    Example:

    >>> from mmkeras.modalities import Image, Text
    >>> from mmkeras.model import MultimodalModel
    >>> model = MultimodalModel(
    ...     fields={"photo": Image.tiny(), "caption": Text.tiny()},
    ...     tasks={"space": Contrastive(("photo", "caption"), dim=8)},
    ...     size="tiny",
    ... )
    >>> answer = model.answer({"caption": "a dog"})["space"]
    >>> round(float(np.linalg.norm(answer["caption"])), 4), sum(answer["photo"])
    (1.0, 0.0)
    """

    fields: tuple[str, ...]
    dim: int = 128
    loss_name: str = "info_nce"
    temperature: float | None = None
    pool: str = "mean"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Checks the arguments."""
        if isinstance(self.fields, str) or len(set(self.fields)) < max(2, len(self.fields)):
            raise ValueError(
                "Contrastive: fields must be two or more different names, such as "
                f"('photo', 'caption'); got {self.fields!r}."
            )
        # A list, as JSON has it, would not hash.
        object.__setattr__(self, "fields", tuple(self.fields))
        taken = sorted(set(self.fields) & set(_NUMBERS))
        if taken:
            raise ValueError(f"Contrastive: no field can be called {taken[0]!r}; rename it.")
        if self.loss_name not in LOSSES:
            raise ValueError(
                f"Contrastive: loss_name is {self.loss_name!r}; it has to be one of {[*LOSSES]}."
            )
        least = 1 / _LARGEST_SCALE
        if self.temperature is not None and not least <= self.temperature < math.inf:
            raise ValueError(
                f"Contrastive: temperature is {self.temperature}; it has to be at least {least}."
            )
        if self.dim < 1:
            raise ValueError(f"Contrastive: dim is {self.dim}; it has to be at least 1.")
        check_pool(self.pool)

    @property
    def compares(self) -> tuple[str, ...]:
        """The fields."""
        return self.fields

    def target(self, raw: tf.Tensor, origins: Tensors = NO_ORIGINS) -> tf.Tensor:
        """int32 [F], zeros: see `prepare`."""
        del raw, origins
        return tf.zeros([len(self.fields)], tf.int32)

    def prepare(
        self, inputs: Tensors, target: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Tensors, tf.Tensor]:
        """The target is a number for what each field holds: equal contents have equal numbers."""
        del target, seed
        numbers = []
        for field in self.fields:
            tensors = inputs[field]
            content = [tf.io.serialize_tensor(tensors[name]) for name in sorted(tensors)]
            numbers.append(tf.strings.to_hash_bucket_fast(tf.strings.join(content), _HASHES))
        return inputs, tf.cast(tf.stack(numbers), tf.int32)

    def head(self, name: str, layouts: Mapping[str, Layout] = NO_LAYOUTS) -> keras.layers.Layer:
        """A vector of each field."""
        del layouts
        _, temperature, bias = LOSSES[self.loss_name]
        return ContrastiveHead(
            self.fields,
            self.dim,
            temperature if self.temperature is None else self.temperature,
            bias,
            self.pool,
            self.dropout,
            name=name,
        )

    def loss(self, target: Any, outputs: dict[str, Any]) -> Any:
        """The mean over the pairs of fields that are there; see `mmkeras.losses.contrastive`."""
        compare = LOSSES[self.loss_name][0]
        total = count = 0.0
        for pair in _pairs(self.fields, target, outputs, _of_all_replicas):
            scale, bias = outputs["scale"], outputs["bias"]
            loss = compare(
                scale * pair.positive + bias,
                scale[:, None] * pair.similarities + bias[:, None],
                pair.negatives,
            )
            total = total + ops.where(pair.there, loss, 0.0)
            count = count + ops.cast(pair.there, "float32")
        return total / ops.maximum(count, 1.0)

    def metrics(self) -> dict[str, list[keras.metrics.Metric]]:
        """How often a partner is found among the batch."""
        return {"": [PartnerAccuracy(self.fields)]}

    def conclude(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """The vectors."""
        return {field: outputs[field] for field in self.fields}

    def decode(
        self, outputs: dict[str, tf.Tensor], origins: Tensors = NO_ORIGINS
    ) -> dict[str, tf.Tensor]:
        """The vectors, float [B, D], by the names of the fields."""
        del origins
        return self.conclude(outputs)

    def scores(self, answers: Sequence[Any], labels: Sequence[Any]) -> dict[str, float]:
        """Every field looked for by every other among all samples.

        See `mmkeras.metrics.retrieval_scores`.

        `{query}_to_{candidate}_recall_at_1` and so on. Samples that have the same content as the
        one that is looked for, in one of the two fields, are right as well.

        Args:
            answers: see `Task.scores`.
            labels: the targets that `prepare` made, int [F] each.
        """
        everyone = self.scoring(answers, labels)(range(len(answers)))
        return {name: value for name, value in everyone.items() if not math.isnan(value)}

    def scoring(
        self, answers: Sequence[Any], labels: Sequence[Any]
    ) -> Callable[[Sequence[int]], dict[str, float]]:
        """Queries are chosen; each is looked for among all. NaN where none has both fields."""
        found: dict[str, np.ndarray] = {}
        contents = np.array(labels)
        for (i, query), (j, candidate) in itertools.permutations(enumerate(self.fields), 2):
            one, other = (
                np.array([answer[name] for answer in answers], "float32")
                for name in (query, candidate)
            )
            there = one.any(axis=1) & other.any(axis=1)
            if not there.any():
                continue
            one, other, known = one[there], other[there], contents[there]
            relevant = np.logical_or(*(np.equal.outer(known[:, k], known[:, k]) for k in (i, j)))
            for name, values in query_scores(one @ other.T, relevant).items():
                every = np.full(len(there), np.nan)
                every[there] = values
                found[f"{query}_to_{candidate}_{name}"] = every

        def chosen_scores(chosen: Sequence[int]) -> dict[str, float]:
            kept = {name: values[list(chosen)] for name, values in found.items()}
            return summary({name: values[~np.isnan(values)] for name, values in kept.items()})

        return chosen_scores

    @classmethod
    def tiny(cls) -> Self:
        """A text, and what the contract suite puts beside it."""
        return cls(("text", "a"), dim=8)


@keras.saving.register_keras_serializable(package="mmkeras")
class ContrastiveHead(keras.layers.Layer):
    """`{field: Tokens}` to a vector of each field, float32 [B, D], `scale` and `bias`, [B].

    Args:
        fields: those that get vectors.
        dim: D.
        temperature: the inverse of the scale at the beginning.
        bias: at the beginning; 0: there is none.
        pool: see `FieldPooling`.
        dropout: see `FieldPooling`.
    """

    def __init__(
        self,
        fields: Sequence[str],
        dim: int,
        temperature: float = 0.07,
        bias: float = 0.0,
        pool: str = "mean",
        dropout: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.fields = tuple(fields)
        self.dim, self.temperature, self.first_bias = dim, temperature, bias
        self.pooling = FieldPooling(dim, dropout, pool, name="pooling", dtype=self.dtype_policy)

    def build(self, tokens_shape: Mapping[str, Tokens]) -> None:
        self.pooling.build({field: tokens_shape[field] for field in self.fields})
        # Scalars of a loss stay in full precision.
        self.log_scale = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(math.log(1 / self.temperature)),
            # On the weight and not on what is made of it, whose gradient would be 0 beyond.
            constraint=_at_most,
            name="log_scale",
            dtype="float32",
            autocast=False,
        )
        self.bias = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(self.first_bias),
            trainable=self.first_bias != 0.0,
            name="bias",
            dtype="float32",
            autocast=False,
        )

    @property
    def scale(self) -> Any:
        """What similarities are multiplied by, float32 []."""
        return ops.exp(self.log_scale)

    def call(self, tokens: Mapping[str, Tokens], training: bool | None = None) -> dict[str, Any]:
        votes = self.pooling({field: tokens[field] for field in self.fields}, training=training)
        vectors = ops.cast(votes.values, "float32")
        # Absent fields vote zero, and stay so.
        squares = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
        # Not by the norm, whose gradient at zero is none.
        vectors = vectors * ops.rsqrt(ops.maximum(squares, 1e-12))
        place = {field: i for i, field in enumerate(sorted(self.fields))}
        ones = ops.ones_like(vectors[:, 0, 0])
        return {field: vectors[:, place[field]] for field in self.fields} | {
            "scale": self.scale * ones,
            "bias": ops.convert_to_tensor(self.bias) * ones,
        }

    def compute_output_spec(
        self, tokens: Mapping[str, Tokens], training: bool | None = None
    ) -> Any:
        batch = tokens[self.fields[0]].values.shape[0]
        shapes = dict.fromkeys(self.fields, (batch, self.dim)) | dict.fromkeys(_NUMBERS, (batch,))
        return {name: keras.KerasTensor(shape, dtype="float32") for name, shape in shapes.items()}

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "fields": self.fields,
            "dim": self.dim,
            "temperature": self.temperature,
            "bias": self.first_bias,
            "pool": self.pooling.pool,
            "dropout": self.pooling.dropout.rate,
        }


def _at_most(log_scale: Any) -> Any:
    return ops.minimum(log_scale, math.log(_LARGEST_SCALE))


@keras.saving.register_keras_serializable(package="mmkeras")
class PartnerAccuracy(keras.metrics.Mean):
    """How often a sample's own field is nearer than that of any other sample of the batch.

    Over all pairs of fields, in both directions. It depends on the size of the batch.

    Args:
        fields: those that are compared.
    """

    def __init__(self, fields: Sequence[str], name: str = "accuracy", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        self.fields = tuple(fields)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts a batch: targets int [B, F], and the outputs of the task."""
        for pair in _pairs(self.fields, y_true, y_pred, lambda tensor: tensor):
            rival = ops.max(ops.where(pair.negatives, pair.similarities, -2.0), axis=1)
            weight = ops.cast(pair.there, "float32")
            if sample_weight is not None:
                weight = weight * ops.cast(sample_weight, "float32")
            super().update_state(ops.cast(pair.positive > rival, "float32"), weight)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"fields": self.fields}


@dataclasses.dataclass(frozen=True)
class _Pair:
    """How alike a field of B samples is to another field of the N samples of all replicas.

    Attributes:
        positive: float [B], to that of the same sample.
        similarities: float [B, N], cosines.
        negatives: bool [B, N], which are there and of other content.
        there: bool [B], whether the sample has both.
    """

    positive: Any
    similarities: Any
    negatives: Any
    there: Any


def _pairs(fields: Sequence[str], target: Any, outputs: Mapping[str, Any], gather: Any) -> Any:
    """A `_Pair` for every two fields, in both directions."""
    target = ops.convert_to_tensor(target)
    contents = gather(target)
    everyone = {field: gather(outputs[field]) for field in fields}
    for (i, one), (j, other) in itertools.permutations(enumerate(fields), 2):
        differs = [target[:, None, k] != contents[None, :, k] for k in (i, j)]
        here = [_is_there(outputs[field]) for field in (one, other)]
        yield _Pair(
            positive=ops.sum(outputs[one] * outputs[other], axis=-1),
            similarities=ops.matmul(outputs[one], ops.transpose(everyone[other])),
            negatives=differs[0] & differs[1] & _is_there(everyone[other])[None, :],
            there=here[0] & here[1],
        )


def _is_there(vectors: Any) -> Any:
    """bool [B]: absent fields have zeros instead of a vector of length 1."""
    return ops.sum(vectors * vectors, axis=-1) > 0.25


def _of_all_replicas(tensor: Any) -> Any:
    """[B, ...] to [N, ...]: what the other replicas hold too.

    On JAX, a program sees the whole batch, and the compiler spreads it over the devices.
    """
    if keras.backend.backend() != "tensorflow":
        return tensor
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tensor
    return context.all_gather(tensor, axis=0)
