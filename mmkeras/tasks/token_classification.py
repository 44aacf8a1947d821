"""`TokenClassification`: named entities and other spans of words in a text."""

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from mmkeras.contracts.refusal import refuse
from mmkeras.contracts.source import Source
from mmkeras.contracts.task import NO_LAYOUTS, NO_ORIGINS, Task, Tensors
from mmkeras.decoding.crf_marginals import crf_marginals
from mmkeras.decoding.viterbi import viterbi
from mmkeras.layers.tagging import TagScheme
from mmkeras.losses.crf import crf_negative_log_likelihood
from mmkeras.losses.distillation import distillation
from mmkeras.metrics.entity_f1 import EntityF1
from mmkeras.tokenizers.characters import shifted
from mmkeras.tokens import Layout, Tokens

_SPAN = r"\d+:\d+:\S+"
# The type in a tag or a span.
_NAMED = r"(?:[BI]-|\d+:\d+:)(\S+)"
# Added to the score of what no legal sequence of tags holds.
_NEVER = -1e9
#: The raw label of a text without any entity; the empty one says that nobody looked for them.
NO_ENTITY = b" "


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class TokenClassification(Task):
    """Which spans of a text are of which type: named-entity recognition, chunking, slot filling.

    Every word gets a tag (`B-PER` begins an entity, `I-PER` goes on, `O` is none), at its first
    token. Words are those of the text and not of the tokenizer (see `Text.origins`), so that any
    tokenizer with offsets will do; a word that an entity covers in part belongs to it. The best
    legal sequence of tags is found by Viterbi's algorithm: no answer holds an `I-` after an `O`.

    A label is either a BIO tag for each word between white space, `"B-PER I-PER O"` or a list of
    these (an `I-` that continues nothing begins an entity), or the spans in characters (code
    points, the end exclusive): `"0:11:PER 20:25:LOC"`, or a list of dicts with `start`, `end` and
    `type`, of triples, or JSON of that. An empty list says that there is no entity, None or an
    empty string that the text was not labelled.

    Outputs: `logits`, float [B, T, K], K tags for each token; with `crf` also `chain`, float
    [B, K + 2, K], the same in each row: K rows of scores from tag to tag, one of first and one of
    last tags. Answer: `entities`, a list of `type`, `start`, `end`, `text` and `score`, the
    probability of the least certain of its words.

    Sources: Ramshaw & Marcus 1995 (BIO); Ratinov & Roth 2009 (BILOU); Lafferty et al. 2001 and
    Lample et al. 2016 (conditional random fields over neural scores).

    Args:
        types: the types of entities.
        field: the text that entities are found in.
        scheme: `"BIO"`, or `"BILOU"`, which also tells the last word of an entity and entities of a
            single word. Labels are BIO in either case.
        crf: learns which tags follow each other: the loss is that of whole sequences.
        dropout: fraction of the tokens' features dropped in training.

    Raises:
        ValueError: a type is empty, named twice or holds white space, or the scheme is unknown.

    Example:

    >>> task = TokenClassification(["PER", "LOC"], field="text")
    >>> task.encode([{"start": 0, "end": 3, "type": "PER"}]), task.encode(["B-PER", "O"])
    (b'0:3:PER', b'B-PER O')
    """

    reads: ClassVar[frozenset[str]] = frozenset({"starts", "ends", "words", "text"})

    types: tuple[str, ...]
    field: str = "text"
    scheme: str = "BIO"
    crf: bool = True
    dropout: float = 0.1

    def __init__(
        self,
        types: Iterable[str],
        field: str = "text",
        scheme: str = "BIO",
        crf: bool = True,
        dropout: float = 0.1,
    ):
        if isinstance(types, str):
            raise ValueError(f"types must be a list of names; got the string {types!r}.")
        for name, value in {
            "types": tuple(types),
            "field": field,
            "scheme": scheme,
            "crf": crf,
            "dropout": dropout,
        }.items():
            object.__setattr__(self, name, value)
        self.tagging  # checks types and scheme  # noqa: B018

    @classmethod
    def adapt(cls, source: Source, column: str, **kwargs: Any) -> Self:
        """The task whose types are those of a column of labels, in alphabetical order.

        Args:
            source: the training samples.
            column: the column of labels.
            **kwargs: further arguments of the constructor, such as `field`.

        Raises:
            ValueError: the column holds no entity.

        Example:

        >>> from mmkeras.rows import Rows
        >>> rows = Rows({"text": ["anna in x"], "ner": ["B-PER O B-LOC"]})
        >>> TokenClassification.adapt(rows, "ner").types
        ('LOC', 'PER')
        """
        labels = source.column(column, _raw).batch(1_024).as_numpy_iterator()
        items = {item for batch in labels for raw in batch for item in raw.decode().split()}
        types = sorted({found[1] for item in items if (found := re.fullmatch(_NAMED, item))})
        if not types:
            raise ValueError(
                f"column {column!r} of {source!r} holds no entity to learn from; its labels have "
                "to be tags such as 'B-PER O' or spans such as '0:5:PER'."
            )
        return cls(types, **kwargs)

    @property
    def tagging(self) -> TagScheme:
        """The tags, and which may follow which."""
        return TagScheme(self.types, self.scheme)

    @property
    def points_into(self) -> tuple[str, ...]:
        """The text that entities are found in."""
        return (self.field,)

    def encode(self, value: Any) -> bytes:
        """Tags, or spans as triples, dicts or JSON.

        Raises:
            TypeError: the label is none of these.
        """
        return _raw(value)

    def target(self, raw: tf.Tensor, origins: Tensors = NO_ORIGINS) -> tf.Tensor:
        """int32 [T], the tag of each word at its first token, elsewhere -1. See `Task.target`."""
        place = origins[self.field]
        items = tf.strings.split(raw)
        spans = tf.cond(
            tf.reduce_any(tf.strings.regex_full_match(items, _SPAN)),
            lambda: self._written(raw, items, place["text"]),
            lambda: self._tagged(raw, items, place["text"]),
        )
        return self._tags(spans, place)

    def _written(self, raw: tf.Tensor, items: tf.Tensor, text: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """The start, the end and the number of the type, int32 [E] each, of written spans."""
        length = tf.strings.length(text, unit="UTF8_CHAR")
        written = tf.reduce_all(tf.strings.regex_full_match(items, _SPAN))
        with refuse(~written, "the label {} mixes spans with something else", raw):
            parts = tf.strings.split(items, ":", maxsplit=2).to_tensor(shape=[None, 3])
        starts = tf.strings.to_number(parts[:, 0], tf.int32)
        ends = tf.strings.to_number(parts[:, 1], tf.int32)
        order = tf.argsort(starts)
        starts, ends = tf.gather(starts, order), tf.gather(ends, order)
        types, known = self._numbers(tf.gather(parts[:, 2], order), self.types)
        wrong = tf.reduce_any(starts >= ends) | tf.reduce_any(ends > length)
        message = "the label {} holds an empty span, or one that leaves the text of {} characters"
        with (
            refuse(~known, "unknown type in {}; the types are " + ", ".join(self.types), raw),
            refuse(wrong, message, raw, length),
            refuse(tf.reduce_any(ends[:-1] > starts[1:]), "spans overlap in {}", raw),
        ):
            return starts, ends, tf.identity(types)

    def _tagged(self, raw: tf.Tensor, items: tf.Tensor, text: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """The spans that BIO tags, one for each word between white space, tell of."""
        begins, ends = _between_white_space(text)
        tags, known = self._numbers(items, TagScheme(self.types, "BIO").tags)
        # None of them: nothing is labelled, or there is no entity.
        fits = (tf.size(items) == tf.size(begins)) | (tf.size(items) == 0)
        message = "the label has {} tags, and the text {} words between white space"
        with (
            refuse(~known, "unknown tag in {}; the types are " + ", ".join(self.types), raw),
            refuse(~fits, message, tf.size(items), tf.size(begins)),
        ):
            begins, ends = begins[: tf.size(items)], ends[: tf.size(items)]
        type_ = (tags + 1) // 2
        begin = (tags % 2 == 1) | (tags > 0) & (type_ != shifted(type_, 1, 0))
        inside = tf.where(tags > 0)[:, 0]
        number = tf.cumsum(tf.cast(begin, tf.int32)) - 1
        begin = tf.where(begin)[:, 0]
        return (
            tf.gather(begins, begin),
            tf.math.segment_max(tf.gather(ends, inside), tf.gather(number, inside)),
            tf.gather(type_, begin) - 1,
        )

    @staticmethod
    def _numbers(names: tf.Tensor, known: tuple[str, ...]) -> tuple[tf.Tensor, tf.Tensor]:
        """The places (int32 [N]) of names among known ones, and whether all are (bool [])."""
        matches = names[:, None] == tf.constant(known)[None]
        return (
            tf.argmax(matches, axis=1, output_type=tf.int32),
            tf.reduce_all(tf.reduce_any(matches, axis=1)),
        )

    def _tags(self, spans: tuple[tf.Tensor, ...], place: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """int32 [T]: spans in characters as tags of words."""
        length = place["words"].shape[0]
        positions, starts, ends = _words(place["words"][None], place["starts"], place["ends"])
        # Behind the last span stands one that nothing touches.
        span_starts, span_ends, types = (tf.pad(part, [[0, 1]]) for part in spans)
        touches = (starts[:, None] < span_ends) & (ends[:, None] > span_starts)
        span = tf.argmax(touches, axis=1, output_type=tf.int32)
        span = tf.where(tf.reduce_any(touches, axis=1), span, tf.size(types) - 1)
        begin, last = span != shifted(span, 1, -1), span != shifted(span, -1, -1)
        role = tf.where(begin, tf.where(last, 3, 0), tf.where(last, 2, 1))
        tags = tf.gather_nd(self._tag_table, tf.stack([role, tf.gather(types, span)], axis=1))
        tags = tf.where(span == tf.size(types) - 1, 0, tags)
        return tf.tensor_scatter_nd_update(tf.fill([length], -1), positions[:, 1:], tags)

    @property
    def _tag_table(self) -> np.ndarray:
        """int32 [4, types]: the tag of the first, a middle, the last and the only word."""
        tags = self.tagging.tags
        roles = "BILU" if self.scheme == "BILOU" else "BIIB"
        return np.array([[tags.index(f"{r}-{t}") for t in self.types] for r in roles], "int32")

    def head(self, name: str, layouts: Mapping[str, Layout] = NO_LAYOUTS) -> keras.layers.Layer:
        """Scores of tags for each token of the text."""
        return TokenClassificationHead(
            self.field, self.tagging.size, crf=self.crf, dropout=self.dropout, name=name
        )

    def loss(self, target: Any, outputs: dict[str, Any]) -> Any:
        """The negative log-likelihood of the tags of each text, divided by its number of words."""
        logits = outputs["logits"]
        tags = target[:, : logits.shape[1] or ops.shape(logits)[1]]
        mask = tags >= 0
        if self.crf:
            loss = crf_negative_log_likelihood(tags, logits, mask, *self._chain(outputs))
        else:
            loss = crf_negative_log_likelihood(tags, logits, mask, *_no_chain(self.tagging.size))
        return loss / ops.maximum(ops.sum(ops.cast(mask, loss.dtype), axis=1), 1.0)

    @property
    def distils(self) -> tuple[str, ...]:
        """The logits; with `crf` none: its scores are no probabilities of single tags."""
        return () if self.crf else ("logits",)

    def distil(
        self, target: Any, outputs: dict[str, Any], taught: dict[str, Any], temperature: float
    ) -> Any:
        """See `distillation`, of the tokens that have a tag."""
        if self.crf:
            return super().distil(target, outputs, taught, temperature)
        logits = outputs["logits"]
        mask = target[:, : logits.shape[1] or ops.shape(logits)[1]] >= 0
        return distillation(taught["logits"], logits, temperature, mask)

    def metrics(self) -> dict[str, list[keras.metrics.Metric]]:
        """F1 of entities, with exact borders and type, over the words that the model reads."""
        return {"": [AnsweredEntityF1(self, name="f1")]}

    def tags(self, outputs: dict[str, Any], mask: Any) -> Any:
        """The best legal tags, in `keras.ops`.

        Args:
            outputs: the head's.
            mask: bool [B, T], the tokens that have a tag.

        Returns:
            int32 [B, T], -1 where there is none.
        """
        return viterbi(outputs["logits"], mask, *self._chain(outputs))[0]

    def _chain(self, outputs: dict[str, Any]) -> tuple[Any, Any, Any]:
        """Scores from tag to tag [K, K], of first and of last tags [K]: legal ones alone."""
        scheme = self.tagging
        legal = (np.array(part) for part in (scheme.transitions, scheme.starts, scheme.ends))
        chain = [ops.convert_to_tensor(np.where(part, 0.0, _NEVER), "float32") for part in legal]
        if not self.crf:
            return chain[0], chain[1], chain[2]
        learned = outputs["chain"][0]
        return chain[0] + learned[:-2], chain[1] + learned[-2], chain[2] + learned[-1]

    def decode(
        self, outputs: dict[str, tf.Tensor], origins: Tensors = NO_ORIGINS
    ) -> dict[str, tf.Tensor]:
        """`type`, `text` string, `start`, `end` int32 and `score` float32, [B, E] each.

        E is the largest number of entities in a text; the others are filled up with empty strings
        and zeros.
        """
        length = tf.shape(outputs["logits"])[1]
        place = origins[self.field]
        words, starts, ends = (place[name][:, :length] for name in ("words", "starts", "ends"))
        positions, starts, ends = _words(words, tf.reshape(starts, [-1]), tf.reshape(ends, [-1]))
        mask = tf.scatter_nd(positions, tf.ones_like(starts), tf.shape(words, tf.int64)) > 0
        tags = tf.gather_nd(tf.convert_to_tensor(self.tags(outputs, mask)), positions)
        marginals = crf_marginals(outputs["logits"], mask, *self._chain(outputs))
        probability = tf.gather_nd(
            tf.convert_to_tensor(marginals),
            tf.concat([positions, tf.cast(tags, tf.int64)[:, None]], 1),
        )
        begin = tf.gather(self.tagging.begins, tags)
        inside = tf.where(tags > 0)[:, 0]
        number = tf.gather(tf.cumsum(tf.cast(begin, tf.int32)) - 1, inside)
        begin = tf.where(begin)[:, 0]
        row, start = tf.gather(positions[:, 0], begin), tf.gather(starts, begin)
        end = tf.math.segment_max(tf.gather(ends, inside), number)
        text = tf.gather(place["text"], row)
        found = {
            "type": tf.gather(self.types, tf.gather(self.tagging.type_ids, tf.gather(tags, begin))),
            "start": start,
            "end": end,
            "text": tf.strings.substr(text, start, end - start, unit="UTF8_CHAR"),
            "score": tf.math.segment_min(tf.gather(probability, inside), number),
        }
        rows = tf.shape(words, tf.int64)[0]
        return {
            name: tf.RaggedTensor.from_value_rowids(part, row, rows, validate=False).to_tensor()
            for name, part in found.items()
        }

    def read(self, answer: dict[str, Any]) -> dict[str, Any]:
        """`entities`, a list of dicts."""
        rows = zip(*(answer[name] for name in answer), strict=True)
        return {"entities": [found for row in rows if (found := dict(zip(answer, row)))["type"]]}

    @classmethod
    def tiny(cls) -> Self:
        """Two types, in the field `text`."""
        return cls(["ANIMAL", "SIZE"])

    def labels(self) -> list[bytes]:
        """Spans that fit the first samples of `Text`."""
        return [
            b"4:8:ANIMAL 16:19:ANIMAL",
            b"0:1:ANIMAL 2:3:ANIMAL",
            b"0:3:ANIMAL",
            b"0:5:SIZE",
            b" ",
        ]


class AnsweredEntityF1(EntityF1):
    """`EntityF1` of the answers that a task's outputs give.

    Args:
        task: whose outputs and targets are compared.
        kwargs: of `EntityF1`.
    """

    def __init__(self, task: TokenClassification, **kwargs: Any):
        super().__init__(task.tagging, **kwargs)
        self.task = task

    def update_state(self, y_true: Any, y_pred: dict[str, Any], sample_weight: Any = None) -> None:
        """Counts the entities of targets (int [B, T]) and outputs; see `EntityF1`."""
        length = y_pred["logits"].shape[1] or ops.shape(y_pred["logits"])[1]
        tags = self.task.tags(y_pred, y_true[:, :length] >= 0)
        super().update_state(y_true[:, :length], tags, sample_weight)


@keras.saving.register_keras_serializable(package="mmkeras")
class TokenClassificationHead(keras.layers.Layer):
    """`{field: Tokens}` to `logits`, float32 [B, T, K], and with `crf` `chain` [B, K + 2, K].

    Args:
        field: whose tokens are tagged.
        num_tags: K.
        crf: whether there are scores from tag to tag.
        dropout: fraction of the tokens' features dropped in training.
    """

    def __init__(
        self, field: str, num_tags: int, crf: bool = True, dropout: float = 0.0, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.field = field
        self.num_tags = num_tags
        self.crf = crf
        policy = self.dtype_policy
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, name="norm", dtype=policy)
        self.dropout = keras.layers.Dropout(dropout, dtype=policy)
        self.projection = keras.layers.Dense(num_tags, name="projection", dtype=policy)

    def build(self, tokens_shape: Mapping[str, Tokens]) -> None:
        width = tokens_shape[self.field].values[-1]
        self.norm.build((None, None, width))
        self.projection.build((None, None, width))
        if self.crf:
            self.chain = self.add_weight(
                shape=(self.num_tags + 2, self.num_tags),
                initializer="zeros",
                name="chain",
                dtype="float32",
                autocast=False,
            )

    def call(self, tokens: Mapping[str, Tokens], training: bool | None = None) -> dict[str, Any]:
        values, mask = tokens[self.field]
        logits = self.projection(self.dropout(self.norm(values), training=training))
        logits = ops.where(mask[..., None], ops.cast(logits, "float32"), 0.0)
        if not self.crf:
            return {"logits": logits}
        # Outputs have the batch first.
        rows = ops.ones_like(logits[:, :1, :1])
        return {"logits": logits, "chain": rows * self.chain[None]}

    def compute_output_spec(
        self, tokens: Mapping[str, Tokens], training: bool | None = None
    ) -> Any:
        batch, length = tokens[self.field].mask.shape
        shapes = {"logits": (batch, length, self.num_tags)}
        if self.crf:
            shapes["chain"] = (batch, self.num_tags + 2, self.num_tags)
        return {name: keras.KerasTensor(shape, dtype="float32") for name, shape in shapes.items()}

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "field": self.field,
            "num_tags": self.num_tags,
            "crf": self.crf,
            "dropout": self.dropout.rate,
        }


def _raw(value: Any) -> bytes:
    """See `TokenClassification.encode`."""
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        if not value.lstrip().startswith("["):
            return value.encode()
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise TypeError(f"the label {value!r:.80} is no JSON: {error}.") from error
    if not isinstance(value, list | tuple):
        raise TypeError(
            "a label must be a list of tags such as 'B-PER', or of spans such as "
            f"{{'start': 0, 'end': 5, 'type': 'PER'}}; got {value!r:.80}."
        )
    return " ".join(map(_item, value)).encode() or NO_ENTITY


def _item(item: Any) -> str:
    """One tag, or one span, of a label."""
    if isinstance(item, str):
        return item
    if isinstance(item, Mapping):
        item = [item.get(name) for name in ("start", "end", "type")]
    if isinstance(item, list | tuple) and len(item) == 3 and isinstance(item[2], str):
        return f"{int(item[0])}:{int(item[1])}:{item[2]}"
    raise TypeError(f"a span must have a start, an end and a type; got {item!r:.80}.")


def _no_chain(size: int) -> tuple[Any, Any, Any]:
    return ops.zeros((size, size)), ops.zeros((size,)), ops.zeros((size,))


def _between_white_space(text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where the words (int32 [W] each) of a text (string []) begin and end, in characters."""
    codes = tf.strings.unicode_decode(text, "UTF-8")
    solid = ~((codes == ord(" ")) | (codes >= 9) & (codes <= 13))
    begins = tf.where(solid & ~shifted(solid, 1, False))[:, 0]
    ends = tf.where(solid & ~shifted(solid, -1, False))[:, 0] + 1
    return tf.cast(begins, tf.int32), tf.cast(ends, tf.int32)


def _words(
    words: tf.Tensor, starts: tf.Tensor, ends: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Where the words of texts stand.

    Args:
        words: int32 [B, T], the number of the word of each token, or -1.
        starts, ends: int32 [B · T], the places of the tokens in characters.

    Returns:
        int64 [W, 2], row and place of the first token of each word; and where in its text each word
        starts and ends, int32 [W].
    """
    length = tf.shape(words)[1]
    first = (words >= 0) & (words != tf.pad(words, [[0, 0], [1, 0]], constant_values=-1)[:, :-1])
    flat = tf.range(tf.shape(words)[0])[:, None] * length + words
    flat = tf.where(words < 0, -1, flat)
    last = tf.math.unsorted_segment_max(ends, tf.reshape(flat, [-1]), tf.size(words))
    positions = tf.where(first)
    start = tf.gather(starts, tf.where(tf.reshape(first, [-1]))[:, 0])
    return positions, start, tf.gather(last, tf.gather_nd(flat, positions))
