"""`TextGeneration`: a text is written about what the fields hold."""

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from mmkeras.contracts.modality import TensorSpec
from mmkeras.contracts.task import NO_LAYOUTS, NO_ORIGINS, Task, Tensors
from mmkeras.decoding.greedy import Greedy
from mmkeras.decoding.steering import against_repetition, ending_behind
from mmkeras.layers.autoregression import Search, Step
from mmkeras.layers.field_projection import FieldProjection
from mmkeras.layers.sizes import Size
from mmkeras.layers.token_decoder import Attending, TextDecoder, forced, gains_of
from mmkeras.metrics.cider import cider
from mmkeras.metrics.error_rate import error_rate
from mmkeras.metrics.text import bleu, chrf, exact_match, rouge_l
from mmkeras.tokenizers.character_tokenizer import CharacterTokenizer
from mmkeras.tokenizers.subwords import SubwordTokenizer
from mmkeras.tokenizers.text_labels import TextLabels, text_label
from mmkeras.tokens import Layout, Tokens

#: From labels and what was written to a number, by name.
_MEASURES: Mapping[str, Callable[[list[str], list[str]], float]] = {
    "exact_match": exact_match,
    "bleu": bleu,
    "chrf": chrf,
    "rouge_l": rouge_l,
    "cider": lambda labels, texts: cider([[label] for label in labels], texts),
    "wer": lambda labels, texts: error_rate(labels, texts, "words").rate,
    "cer": lambda labels, texts: error_rate(labels, texts, "characters").rate,
}


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class TextGeneration(TextLabels, Task):
    """A text is written, piece by piece: a caption, an answer, a transcript, a translation.

    A decoder looks at the pieces before and at the tokens of the fields. In training it is given
    the true pieces before each (teacher forcing); afterwards it goes on from its own, as `search`
    chooses them.

    With a `SpeechRecognition` of the same recording beside it, it is the hybrid of Watanabe et al.
    2017, whose alignment helps attention to be found: weigh the two by the model's `loss_weights`.
    Where both read the same labels, a blank one (white space alone) says to `SpeechRecognition`
    that nothing is said, and to this task nothing: it does not learn to be silent.

    A label is a text; white space around it is no part of it, and None, or a text of white space
    alone, says that nobody wrote one.

    Outputs: `token_ids`, float [B, T], the pieces, 0 behind them, and K - 1 for the end; `losses`
    and `nll`, float [B, T], of each true piece, 0 where there is none; `score`, float [B], the
    log-probability of what was written, as it was steered. Answer: `text`, and `score`, the mean
    probability of its pieces (geometric).

    Source: Vaswani et al. 2017, "Attention Is All You Need"; Williams & Zipser 1989 for the forced
    pieces; Szegedy et al. 2016 for label smoothing.

    Args:
        tokenizer: cuts texts into pieces: characters, sub-words or bytes; `adapt` learns one.
        fields: those that the decoder looks at; none named: all.
        max_tokens: L, the most pieces that a text may have; T is one more, the end.
        unknown: what is done about what the tokenizer does not know: `"raise"` an error, `"drop"`
            it, or `"keep"` its piece for the unknown, which is learned and never written.
        depth: number of decoder blocks.
        num_heads: of their attention.
        dropout: fraction of units dropped in training.
        label_smoothing: share of the target that all pieces get alike.
        decoder: how a text knows of the fields: `Attending()` looks at their tokens by
            cross-attention, `Prefix()` writes behind them, as a causal language model; both are in
            `mmkeras.layers`.
        search: how pieces are chosen; `model.set_task` changes it in a trained model.
        repetition_penalty: how much less probable pieces become that a text holds already; see
            `mmkeras.decoding.against_repetition`. 1: not at all. `model.set_task` changes it, too.
        stop: texts behind which nothing more is written; neither they nor what follows is part of
            the answer. `model.set_task` changes them, too.
        measures: what `scores` tells, of `"exact_match"`, `"bleu"`, `"chrf"`, `"rouge_l"`,
            `"cider"`, `"wer"` and `"cer"`; see the functions of these names in `mmkeras.metrics`,
            and `mmkeras.metrics.error_rate`.

    Raises:
        ValueError: an argument is out of its range.

    Example:

    >>> task = TextGeneration(CharacterTokenizer(("<pad>", "<unk>", "a", "b")), max_tokens=3)
    >>> task.target(tf.constant("ab")).numpy()  # and the end
    array([2, 3, 4, 0], dtype=int32)
    >>> from mmkeras.sources import Table
    >>> table = Table([{"caption": "a cat"}, {"caption": None}])
    >>> TextGeneration.adapt(table, "caption").tokenizer.vocabulary
    ('<pad>', '<unk>', 'a', ' ', 'c', 't')
    """

    tokenizer: SubwordTokenizer
    fields: tuple[str, ...] = ()
    max_tokens: int = 64
    unknown: str = "raise"
    depth: int = 2
    num_heads: int = 4
    dropout: float = 0.1
    label_smoothing: float = 0.0
    search: Search = Greedy()  # noqa: RUF009
    measures: tuple[str, ...] = ("exact_match",)
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    decoder: TextDecoder = Attending()  # noqa: RUF009

    def __post_init__(self) -> None:
        """Checks the arguments."""
        self.check_labels()
        if isinstance(self.fields, str):
            raise ValueError(
                f"TextGeneration: fields is {self.fields!r}; it has to be a tuple of names, such "
                f"as ({self.fields!r},)."
            )
        for name, value in (("depth", self.depth), ("num_heads", self.num_heads)):
            if value < 1:
                raise ValueError(f"TextGeneration: {name} is {value}; it has to be at least 1.")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(
                f"TextGeneration: label_smoothing is {self.label_smoothing}; it has to be in "
                "[0, 1)."
            )
        if not isinstance(self.search, Search):
            raise ValueError(
                f"TextGeneration: search is {self.search!r}; it has to be Greedy(), Beams(...) or "
                "Sampling(...) of mmkeras.decoding."
            )
        if not isinstance(self.decoder, TextDecoder):
            raise ValueError(
                f"TextGeneration: decoder is {self.decoder!r}; it has to be Attending() or "
                "Prefix() of mmkeras.layers."
            )
        if isinstance(self.measures, str) or not {*self.measures} <= {*_MEASURES}:
            raise ValueError(
                f"TextGeneration: measures is {self.measures!r}; it has to be a tuple of "
                f"{list(_MEASURES)}."
            )
        if not 1 <= self.repetition_penalty < float("inf"):
            raise ValueError(
                f"TextGeneration: repetition_penalty is {self.repetition_penalty}; it has to be a "
                "number from 1 up, such as 1.2."
            )
        if isinstance(self.stop, str) or not all(isinstance(each, str) for each in self.stop):
            raise ValueError(
                f"TextGeneration: stop is {self.stop!r}; it has to be a tuple of texts, such as "
                "('.',)."
            )
        unknown = self.tokenizer.unknown_id
        for text, ids in zip(self.stop, self._stop_ids(), strict=True):
            if not ids or unknown in ids:
                raise ValueError(
                    f"TextGeneration: stop holds {text!r}, which the tokenizer cannot write."
                )

    def _stop_ids(self) -> list[list[int]]:
        """The pieces of each stop."""
        if not self.stop:
            return []
        return self.tokenizer.tokenize(tf.constant(list(self.stop))).to_list()

    @functools.cached_property
    def stop_texts(self) -> list[str]:
        """The stops as they were given, and as the tokenizer writes them."""
        if not self.stop:
            return []
        written = self.tokenizer.detokenize(self.tokenizer.tokenize(tf.constant(list(self.stop))))
        spelled = [text.decode() for text in written.numpy()]
        return [text for text in dict.fromkeys([*self.stop, *spelled]) if text.strip()]

    @property
    def _stops(self) -> list[list[int]]:
        """The classes of each stop."""
        return [[i + self.tokenizer.shift for i in ids] for ids in self._stop_ids()]

    @property
    def repeatable(self) -> bool:
        """Whether the search gives the same in every call."""
        return self.search.repeatable

    @property
    def draws(self) -> bool:
        """Whether the search does."""
        return self.search.draws

    @property
    def num_classes(self) -> int:
        """K: padding, the pieces, and the end, which also begins a text."""
        return self.tokenizer.vocabulary_size + self.tokenizer.shift + 1

    def encode(self, value: Any) -> bytes:
        """A text, or its UTF-8 bytes; None, NaN and white space alone give `b""`."""
        text = text_label(value)
        return text if text.strip() else b""

    def target(self, raw: tf.Tensor, origins: Tensors = NO_ORIGINS) -> tf.Tensor:
        """int32 [L + 1]: the classes of the pieces and the end, 0 behind it. See `Task.target`."""
        del origins
        pieces = self.pieces(raw)
        count = tf.reduce_sum(tf.cast(pieces > 0, tf.int32))
        end = tf.one_hot(count, self.max_tokens + 1, self.num_classes - 1, 0, dtype=tf.int32)
        return tf.pad(pieces, [[0, 1]]) + end

    def hints(self) -> dict[str, TensorSpec]:
        """The true pieces: `token_ids`, int32 [T]."""
        return {"token_ids": TensorSpec((None,), "int32")}

    def hint(self, target: tf.Tensor) -> dict[str, tf.Tensor]:
        """The target itself."""
        return {"token_ids": target}

    def head(self, name: str, layouts: Mapping[str, Layout] = NO_LAYOUTS) -> keras.layers.Layer:
        """A decoder that looks at the tokens of the fields."""
        del layouts
        return TextGenerationHead(
            self.fields,
            self.num_classes,
            self.max_tokens + 1,
            self.depth,
            self.num_heads,
            self.dropout,
            self.label_smoothing,
            self.search,
            self.silent,
            self.repetition_penalty,
            self._stops,
            self.decoder,
            name=name,
        )

    def guide(self, head: keras.layers.Layer) -> None:
        """Gives it the search, and what steers it."""
        head.search = self.search
        head.repetition_penalty, head.stops = self.repetition_penalty, self._stops

    def loss(self, target: Any, outputs: dict[str, Any]) -> Any:
        """The mean cross-entropy of each text's pieces, its end among them."""
        return _mean(outputs["losses"], target)

    def metrics(self) -> dict[str, list[keras.metrics.Metric]]:
        """How surprising a true piece is, and how often the forced guess is right."""
        return {"": [Perplexity(), ForcedAccuracy()]}

    def decode(
        self, outputs: dict[str, tf.Tensor], origins: Tensors = NO_ORIGINS
    ) -> dict[str, tf.Tensor]:
        """`text` string [B] and `score` float [B]."""
        del origins
        ids = tf.cast(outputs["token_ids"], tf.int32)
        written = (ids > 0) & (ids < self.num_classes - 1)
        pieces = tf.ragged.boolean_mask(ids - self.tokenizer.shift, written)
        count = tf.reduce_sum(tf.cast(ids > 0, tf.float32), axis=1)
        text = self.tokenizer.detokenize(pieces)
        if self.stop:
            stops = "|".join(map(re.escape, self.stop_texts))
            text = tf.strings.regex_replace(text, f"(?s)(?:{stops}).*", "")
        return {
            "text": tf.strings.strip(text),
            "score": tf.exp(outputs["score"] / tf.maximum(count, 1.0)),
        }

    def scores(self, answers: Sequence[Any], labels: Sequence[bytes]) -> dict[str, float]:
        """The `measures`, of texts beside the labels as `written`.

        Raises:
            ImportError: a package that a measure needs is missing; the message names the extra.
        """
        texts = [answer["text"] for answer in answers]
        right = self.written(labels)
        return {name: _MEASURES[name](right, texts) for name in self.measures}

    @classmethod
    def tiny(cls) -> Self:
        """Two letters."""
        letters = CharacterTokenizer(("<pad>", "<unk>", "a", "b"))
        return cls(letters, max_tokens=3, depth=1, num_heads=2, dropout=0.0)

    def labels(self) -> list[bytes]:
        """Texts of the two letters."""
        return [b"ab", b"b", b"bba"]


@keras.saving.register_keras_serializable(package="mmkeras")
class TextGenerationHead(keras.layers.Layer):
    """`{field: Tokens}`, and the true pieces or none, to the outputs of `TextGeneration`.

    Args:
        fields: those that the decoder looks at; none named: all.
        num_classes: K; the last class is the end.
        max_length: T, the longest text, its end included.
        depth: number of decoder blocks.
        num_heads: of their attention.
        dropout: fraction of units dropped in training.
        label_smoothing: share of the target that all pieces get alike.
        search: how pieces are chosen where they are not given.
        silent: classes that are never chosen, besides 0.
        repetition_penalty: see `mmkeras.decoding.against_repetition`.
        stops: sequences of classes behind which nothing but the end is chosen.
        decoder: how a text knows of its source; None: by cross-attention.
    """

    def __init__(
        self,
        fields: Sequence[str],
        num_classes: int,
        max_length: int,
        depth: int,
        num_heads: int,
        dropout: float = 0.0,
        label_smoothing: float = 0.0,
        search: Search | None = None,
        silent: Sequence[int] = (),
        repetition_penalty: float = 1.0,
        stops: Sequence[Sequence[int]] = (),
        decoder: TextDecoder | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.fields = tuple(fields)
        self.num_classes, self.max_length = num_classes, max_length
        self.depth, self.num_heads, self.dropout = depth, num_heads, dropout
        self.label_smoothing = label_smoothing
        self.search = Greedy() if search is None else search
        self.seed = keras.random.SeedGenerator(name="seed")
        self.silent = tuple(silent)
        self.repetition_penalty = repetition_penalty
        self.stops = [list(stop) for stop in stops]
        self.kind = Attending() if decoder is None else decoder

    def build(self, tokens_shape: Mapping[str, Tokens], hints_shape: Any = None) -> None:
        seen = {field: tokens_shape[field] for field in self._seen(tokens_shape)}
        width = max(shape.values[-1] for shape in seen.values())
        policy = self.dtype_policy
        size = Size(width, self.depth, self.num_heads, 4 * width)
        try:
            self.decoder = self.kind.layer(
                size, self.num_classes, self.max_length, self.dropout, dtype=policy
            )
        except ValueError as error:
            raise ValueError(f"task {self.name!r}: {error}") from error
        self.projection = FieldProjection(width, name="projection", dtype=policy)
        self.projection.build(seen)

    def _seen(self, tokens: Mapping[str, Any]) -> list[str]:
        """The fields, in an order that does not depend on the dict's."""
        missing = sorted(set(self.fields) - set(tokens))
        if missing:
            raise ValueError(
                f"TextGeneration writes about {missing}, which the model does not have; its "
                f"fields are {sorted(tokens)}."
            )
        return sorted(self.fields or tokens)

    def call(
        self,
        tokens: Mapping[str, Tokens],
        hints: Mapping[str, Any] | None = None,
        training: bool | None = None,
    ) -> dict[str, Any]:
        source = self.source(tokens)
        told = None if hints is None else hints.get("token_ids")
        if told is None:
            return self.written(source, self.search)
        return self._forced(*source, ops.cast(told, "int32"), training)

    def source(self, tokens: Mapping[str, Tokens]) -> Tokens:
        """What the decoder looks at: the tokens of its fields, one field behind the other."""
        seen = self.projection({field: tokens[field] for field in self._seen(tokens)}).values()
        values = ops.concatenate([each.values for each in seen], axis=1)
        return Tokens(values, ops.concatenate([each.mask for each in seen], axis=1))

    @property
    def end(self) -> int:
        """The class that ends a text, and stands before the first piece."""
        return self.num_classes - 1

    def begin(self, source: Tokens) -> tuple[Step, Any]:
        """How texts about a source are written: what makes a step, and its first state."""
        written = ~np.isin(np.arange(self.num_classes), (0, *self.silent))

        def plain(token_ids: Any, state: Any) -> tuple[Any, Any]:
            logits, state = self.decoder.step(token_ids, state)
            return ops.where(written, ops.cast(logits, "float32"), -float("inf")), state

        step, state = plain, self.decoder.start(*source, self.max_length)
        batch, size = ops.shape(source.mask)[0], self.num_classes
        if self.repetition_penalty != 1.0:
            step, state = against_repetition(
                step, state, batch, size, self.repetition_penalty, free=[self.end]
            )
        if self.stops:
            step, state = ending_behind(step, state, batch, size, self.stops, self.end)
        return step, state

    def written(self, source: Tokens, search: Search) -> dict[str, Any]:
        """What the decoder writes by itself, as `call` gives it.

        Args:
            source: see `source`.
            search: how pieces are chosen.
        """
        step, state = self.begin(source)
        found = search(
            step,
            state,
            ops.full((ops.shape(source.mask)[0],), self.end, dtype="int32"),
            max_new_tokens=self.max_length,
            end_id=self.end,
            seed=self.seed,
        )
        ids = ops.cast(found.token_ids, "float32")
        none = ops.zeros_like(ids)
        return {"token_ids": ids, "score": found.scores, "losses": none, "nll": none}

    def _forced(self, source: Any, mask: Any, target: Any, training: bool | None) -> dict[str, Any]:
        """How probable the true pieces are, each behind those before it."""
        there = target > 0
        gain = forced(self.decoder, target, source, mask, self.end, training)
        nll = -gains_of(gain, target)
        smooth = self.label_smoothing
        losses = (1 - smooth) * nll - smooth * ops.mean(gain, axis=-1)
        guess = ops.where(there, ops.cast(ops.argmax(gain, axis=-1) + 1, "float32"), 0.0)
        return {
            "token_ids": guess,
            "score": -ops.sum(nll, axis=1),
            "losses": ops.where(there, losses, 0.0),
            "nll": nll,
        }

    def compute_output_spec(
        self, tokens: Mapping[str, Tokens], hints: Any = None, training: bool | None = None
    ) -> Any:
        batch = next(iter(tokens.values())).values.shape[0]
        shapes = {"token_ids": (batch, None), "score": (batch,)}
        shapes |= {"losses": (batch, None), "nll": (batch, None)}
        return {n: keras.KerasTensor(shape, dtype="float32") for n, shape in shapes.items()}

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "fields": self.fields,
            "num_classes": self.num_classes,
            "max_length": self.max_length,
            "depth": self.depth,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "label_smoothing": self.label_smoothing,
            "search": keras.saving.serialize_keras_object(self.search),
            "silent": self.silent,
            "repetition_penalty": self.repetition_penalty,
            "stops": self.stops,
            "decoder": keras.saving.serialize_keras_object(self.kind),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The head that `get_config` described."""
        values = ("search", "decoder")
        made = {name: keras.saving.deserialize_keras_object(config[name]) for name in values}
        return cls(**config | made)


@keras.saving.register_keras_serializable(package="mmkeras")
class Perplexity(keras.metrics.Mean):
    """exp(mean negative log-likelihood of a true piece, ends among them), of all texts together."""

    def __init__(self, name: str = "perplexity", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts a batch: targets int [B, T], and the outputs of the task."""
        super().update_state(y_pred["nll"], _weights(y_true, y_pred["nll"], sample_weight))

    def result(self) -> Any:
        """float []; 1 where nothing was counted."""
        return ops.exp(super().result())


@keras.saving.register_keras_serializable(package="mmkeras")
class ForcedAccuracy(keras.metrics.Mean):
    """How often the likeliest piece behind the true ones before it is the true one."""

    def __init__(self, name: str = "accuracy", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts a batch: targets int [B, T], and the outputs of the task."""
        guess = y_pred["token_ids"]
        target = ops.cast(y_true, "float32")[:, : ops.shape(guess)[1]]
        right = ops.cast(ops.equal(guess[:, : ops.shape(target)[1]], target), "float32")
        super().update_state(right, _weights(y_true, guess, sample_weight))


def _weights(target: Any, values: Any, sample_weight: Any) -> Any:
    """float [B, T']: 1 at true pieces, times the samples' weights."""
    weight = ops.cast(ops.convert_to_tensor(target) > 0, "float32")[:, : ops.shape(values)[1]]
    if sample_weight is None:
        return weight
    return weight * ops.reshape(ops.cast(sample_weight, "float32"), (-1, 1))


def _mean(values: Any, target: Any) -> Any:
    """float [B]: the mean over each text's pieces."""
    weight = _weights(target, values, None)
    values = values[:, : ops.shape(weight)[1]]
    return ops.sum(values * weight, axis=1) / ops.maximum(ops.sum(weight, axis=1), 1.0)
