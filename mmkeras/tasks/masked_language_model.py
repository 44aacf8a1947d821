"""`MaskedLanguageModel`: hides words of a text, to learn from texts without labels."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import keras
import tensorflow as tf
from keras import ops

from mmkeras.contracts.task import NO_LAYOUTS, NO_ORIGINS, Tensors
from mmkeras.contracts.unlabelled import UnlabelledTask
from mmkeras.losses.cross_entropy import masked_cross_entropy
from mmkeras.metrics.masked_accuracy import MaskedAccuracy
from mmkeras.modalities.text import Text
from mmkeras.tokens import Layout, Tokens


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class MaskedLanguageModel(UnlabelledTask):
    """Which words were hidden: pretraining of a text encoder on texts alone.

    In every pass other words are hidden, each with all of its tokens: four in five tokens behind
    the mask, one in ten behind a random token, and one in ten stands as it was. No column holds a
    label. Train a model with this task, then hand its encoder to the model that shall do the work:
    `MultimodalModel(..., encoders={"text": pretrained.encoders["text"]})`.

    Output: `logits`, float [B, T, V]. Answer: `token_ids`, int32 [B, T], the likeliest token of
    each place.

    Sources: Devlin et al. 2019, "BERT"; whole words as in Cui et al. 2021, "Pre-Training with Whole
    Word Masking for Chinese BERT".

    Args:
        vocabulary_size: V, of the `Text`.
        mask_id: the id of its mask.
        field: the text that words are hidden of.
        share: how many of the words are hidden, in (0, 1); at least one is.

    Raises:
        ValueError: a number is out of its range.

    Example:

    >>> task = MaskedLanguageModel.of(Text.tiny(), field="review")
    >>> task.mask_id, task.points_into
    (4, ('review',))
    """

    reads: ClassVar[frozenset[str]] = frozenset({"words"})

    vocabulary_size: int
    mask_id: int
    field: str = "text"
    share: float = 0.15

    def __post_init__(self) -> None:
        """Checks the numbers."""
        if not 0 < self.share < 1:
            raise ValueError(f"share must be in (0, 1), such as 0.15; got {self.share}.")
        if not 0 < self.mask_id < self.vocabulary_size:
            raise ValueError(
                f"mask_id must be above 0 and below vocabulary_size={self.vocabulary_size}; got "
                f"{self.mask_id}."
            )

    @classmethod
    def of(cls, text: Text, field: str = "text", share: float = 0.15) -> Self:
        """The task for a `Text`.

        Raises:
            ValueError: its tokenizer has no mask.
        """
        if text.mask_id is None:
            raise ValueError(
                f"the {type(text.tokenizer).__name__} of the text has no mask to hide words "
                "behind; learn one with special tokens such as those of BERT."
            )
        return cls(text.vocabulary_size, text.mask_id, field, share)

    @property
    def points_into(self) -> tuple[str, ...]:
        """The text: its words are hidden as wholes."""
        return (self.field,)

    def target(self, raw: tf.Tensor, origins: Tensors = NO_ORIGINS) -> tf.Tensor:
        """int32 [T], all -1: `prepare` tells what is hidden."""
        del raw
        return tf.fill([origins[self.field]["words"].shape[0]], -1)

    def prepare(
        self, inputs: Tensors, target: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Tensors, tf.Tensor]:
        """Hides words; the target is what stood there, -1 elsewhere."""
        text = inputs[self.field]
        ids, words = text["token_ids"], text["words"]
        seeds = tf.random.experimental.stateless_split(seed, 3)
        draws = tf.random.stateless_uniform(tf.shape(ids), seeds[0])
        # One draw for a word; the smallest one is hidden in any case.
        draw = tf.where(words >= 0, tf.gather(draws, tf.maximum(words, 0)), 1.0)
        hidden = (words >= 0) & ((draw < self.share) | (draw == tf.reduce_min(draw)))
        kind = tf.random.stateless_uniform(tf.shape(ids), seeds[1])
        other = tf.random.stateless_uniform(
            tf.shape(ids), seeds[2], 1, self.vocabulary_size, tf.int32
        )
        shown = tf.where(kind < 0.8, self.mask_id, tf.where(kind < 0.9, other, ids))
        changed = {**text, "token_ids": tf.where(hidden, shown, ids)}
        return {**inputs, self.field: changed}, tf.where(hidden, ids, target)

    def head(self, name: str, layouts: Mapping[str, Layout] = NO_LAYOUTS) -> keras.layers.Layer:
        """Scores of all tokens for each place of the text."""
        return MaskedLanguageModelHead(self.field, self.vocabulary_size, name=name)

    def loss(self, target: Any, outputs: dict[str, Any]) -> Any:
        """The mean cross-entropy of the hidden tokens of each text."""
        return masked_cross_entropy(target, outputs["logits"])

    def metrics(self) -> dict[str, list[keras.metrics.Metric]]:
        """How many of the hidden tokens are guessed."""
        return {"logits": [MaskedAccuracy(name="accuracy")]}

    def decode(
        self, outputs: dict[str, tf.Tensor], origins: Tensors = NO_ORIGINS
    ) -> dict[str, tf.Tensor]:
        """`token_ids`, int32 [B, T]."""
        del origins
        return {"token_ids": tf.argmax(outputs["logits"], axis=-1, output_type=tf.int32)}

    @classmethod
    def tiny(cls) -> Self:
        """The task for a tiny `Text`, in the field `text`."""
        return cls.of(Text.tiny(), share=0.4)


@keras.saving.register_keras_serializable(package="mmkeras")
class MaskedLanguageModelHead(keras.layers.Layer):
    """`{field: Tokens}` to `logits`, float32 [B, T, V].

    Args:
        field: whose tokens are guessed.
        vocabulary_size: V.
    """

    def __init__(self, field: str, vocabulary_size: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.field = field
        self.vocabulary_size = vocabulary_size
        policy = self.dtype_policy
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, name="norm", dtype=policy)
        self.projection = keras.layers.Dense(vocabulary_size, name="projection", dtype=policy)

    def build(self, tokens_shape: Mapping[str, Tokens]) -> None:
        width = tokens_shape[self.field].values[-1]
        self.transform = keras.layers.Dense(
            width, activation="gelu", name="transform", dtype=self.dtype_policy
        )
        self.transform.build((None, None, width))
        self.norm.build((None, None, width))
        self.projection.build((None, None, width))

    def call(self, tokens: Mapping[str, Tokens], training: bool | None = None) -> dict[str, Any]:
        values, mask = tokens[self.field]
        logits = self.projection(self.norm(self.transform(values)))
        return {"logits": ops.where(mask[..., None], ops.cast(logits, "float32"), 0.0)}

    def compute_output_spec(
        self, tokens: Mapping[str, Tokens], training: bool | None = None
    ) -> Any:
        shape = (*tokens[self.field].mask.shape, self.vocabulary_size)
        return {"logits": keras.KerasTensor(shape, dtype="float32")}

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "field": self.field,
            "vocabulary_size": self.vocabulary_size,
        }
