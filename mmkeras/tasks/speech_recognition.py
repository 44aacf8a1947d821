"""`SpeechRecognition`: what is said in a recording."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from mmkeras.contracts.modality import TensorSpec
from mmkeras.contracts.refusal import refuse
from mmkeras.contracts.task import NO_LAYOUTS, NO_ORIGINS, Task, Tensors
from mmkeras.decoding.ctc_align import ctc_align
from mmkeras.decoding.ctc_beam import CTCBeams
from mmkeras.decoding.ctc_greedy import ctc_greedy
from mmkeras.decoding.ngram_model import NGramModel
from mmkeras.decoding.speller import Speller, rescored
from mmkeras.layers.autoregression import Sequences
from mmkeras.layers.sizes import Size
from mmkeras.layers.token_decoder import Attending, forced, gains_of
from mmkeras.losses.ctc import alignable, ctc_loss
from mmkeras.metrics.token_error_rate import TokenErrorRate
from mmkeras.tokenizers.character_tokenizer import CharacterTokenizer
from mmkeras.tokenizers.subwords import SubwordTokenizer
from mmkeras.tokenizers.text_labels import TextLabels, text_label
from mmkeras.tokens import Layout, Tokens


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class SpeechRecognition(TextLabels, Task):
    """What is said in a recording, as text, with the time of every word and every piece.

    Each token of the recording, a step in time, says by itself which piece of text is heard, or
    none; the loss is that of all ways to spread a text over the steps (Graves et al. 2006,
    "Connectionist Temporal Classification"). So no label says when what is said.

    A label is a text. White space around it is no part of it, and a label of white space alone says
    that nothing is said; None, or an empty label, says that nobody listened. A text that has more
    pieces than its recording has steps (two equal pieces in a row need a step between them) teaches
    nothing; the metric `unalignable` is the share of such labels. A labelled recording that is
    longer than the `seconds` of its `Audio` is refused, since its end would not be heard.

    With a `speller`, an attention decoder learns the same texts beside, which helps both to learn
    (Watanabe et al. 2017), and scores what the beams find once more; see
    `mmkeras.decoding.rescored`. It needs beams to be asked, and whole recordings:
    `mmkeras.transcription` does without it.

    Outputs: `logits`, float [B, T, K], class 0 being "nothing", and `times`, float [B, T, 2], the
    seconds at which each step begins and ends, -1 behind the recording; with a speller also
    `spelled`, float [B, T], the best of what the beams found, 0 behind it and in training, and
    `spelling_loss`, float [B], 0 outside of training. Concluded: `token_ids`
    [B, T], 0 behind the last piece, their `starts_s` and `ends_s`, and `score` [B]. Answer: `text`,
    `score` (the mean probability of its steps), `words` and `pieces`, lists of dicts with `text`,
    `start_s`, `end_s`.

    Args:
        tokenizer: cuts texts into pieces: characters, sub-words or bytes; `adapt` learns one.
        field: the recording.
        max_tokens: L, the most pieces that a label may have.
        unknown: what is done about what the tokenizer does not know: `"raise"` an error, `"drop"`
            it, or `"keep"` its piece for the unknown, which is learned and never answered.
        dropout: fraction of the tokens' features dropped in training.
        beams: how the likeliest text is looked for, with a language model or without; None takes
            the likeliest piece of each step, which is fastest. It may be changed in a trained
            model: `model.set_task("text", beams=CTCBeams(language_model=...))`.
        speller: an attention decoder that is asked, too, or None.

    Raises:
        ValueError: an argument is out of its range.

    Example:

    >>> task = SpeechRecognition(CharacterTokenizer(("<pad>", "<unk>", "a", "b")), max_tokens=4)
    >>> task.target(tf.constant(" ab ")).numpy()
    array([2, 3, 0, 0], dtype=int32)
    >>> from mmkeras.sources import Table
    >>> table = Table([{"said": "To be"}, {"said": None}])
    >>> SpeechRecognition.adapt(table, "said").tokenizer.vocabulary
    ('<pad>', '<unk>', ' ', 'b', 'e', 'o', 't')
    """

    reads: ClassVar[frozenset[str]] = frozenset({"start_s", "is_cut"})
    normalization: ClassVar[tuple[str, ...]] = ("lowercase",)

    tokenizer: SubwordTokenizer
    field: str = "speech"
    max_tokens: int = 200
    unknown: str = "raise"
    dropout: float = 0.1
    beams: CTCBeams | None = None
    speller: Speller | None = None

    def __post_init__(self) -> None:
        """Checks the arguments."""
        self.check_labels()
        if not isinstance(self.beams, CTCBeams | None):
            raise ValueError(
                f"SpeechRecognition: beams is {self.beams!r:.80}; it has to be None or a "
                "CTCBeams of mmkeras.decoding, such as CTCBeams(num_beams=8)."
            )
        if not isinstance(self.speller, Speller | None):
            raise ValueError(
                f"SpeechRecognition: speller is {self.speller!r:.80}; it has to be None or a "
                "Speller of mmkeras.decoding, such as Speller(depth=2)."
            )
        known = self.beams and self.beams.language_model
        if known and known.num_tokens != self.num_classes:
            raise ValueError(
                f"SpeechRecognition: the language model of its beams knows {known.num_tokens} "
                f"classes; it has to know the {self.num_classes} of the tokenizer: see "
                "language_model."
            )

    @property
    def points_into(self) -> tuple[str, ...]:
        """The recording: answers tell when what was said."""
        return (self.field,)

    @property
    def num_classes(self) -> int:
        """K, "nothing" included."""
        return self.tokenizer.vocabulary_size + self.tokenizer.shift

    def encode(self, value: Any) -> bytes:
        """A text, or its UTF-8 bytes; None and NaN give `b""`."""
        return text_label(value)

    def target(self, raw: tf.Tensor, origins: Tensors = NO_ORIGINS) -> tf.Tensor:
        """int32 [L]: the classes of the pieces, 0 behind them. See `Task.target`.

        Raises:
            tf.errors.InvalidArgumentError: see `pieces`; or the end of the recording is missing.
        """
        is_cut = origins.get(self.field, {}).get("is_cut", tf.constant(False))
        with refuse(
            is_cut & (tf.strings.length(raw) > 0),
            "the recording is longer than the seconds of its Audio, and the text tells of all of "
            "it; raise Audio(seconds=...), or cut both.",
        ):
            return self.pieces(raw)

    def hints(self) -> dict[str, TensorSpec]:
        """With a speller, the true pieces: `token_ids`, int32 [L]."""
        return {"token_ids": TensorSpec((None,), "int32")} if self.speller else {}

    def hint(self, target: tf.Tensor) -> dict[str, tf.Tensor]:
        """With a speller, the target itself."""
        return {"token_ids": target} if self.speller else {}

    def head(self, name: str, layouts: Mapping[str, Layout] = NO_LAYOUTS) -> keras.layers.Layer:
        """Scores of all pieces at each step of the recording."""
        step_s = layouts.get(self.field, Layout()).step_s
        if not step_s:
            raise ValueError(
                f"SpeechRecognition listens to field {self.field!r}, whose encoder makes tokens "
                "that are no steps in time; use a Conformer or an AudioTransformer for it."
            )
        return SpeechRecognitionHead(
            self.field,
            step_s,
            self.num_classes,
            self.dropout,
            self.speller,
            self.beams if self.speller else None,
            self.silent,
            self.max_tokens,
            name=name,
        )

    def guide(self, head: keras.layers.Layer) -> None:
        """Gives it the beams, and the speller's weight."""
        head.beams = self.beams if self.speller else None
        if head.speller and self.speller:
            head.speller = dataclasses.replace(head.speller, weight=self.speller.weight)

    def loss(self, target: Any, outputs: dict[str, Any]) -> Any:
        """The negative log-likelihood of each text, divided by the number of its pieces.

        0 where a text does not fit into its recording; such labels count as samples, and so lower
        the mean loss: see the metric `unalignable`. With a speller, its loss has its share.
        """
        losses = ctc_loss(outputs["logits"], outputs["times"][..., 0] >= 0, target)
        pieces = ops.cast(ops.sum(ops.cast(target > 0, "int32"), axis=1), losses.dtype)
        losses = losses / ops.maximum(pieces, 1.0)
        if self.speller is None:
            return losses
        share = self.speller.loss_share
        return (1.0 - share) * losses + share * outputs["spelling_loss"]

    def metrics(self) -> dict[str, list[keras.metrics.Metric]]:
        """How many pieces are wrong, missing or too many, and how many labels do not fit."""
        return {"": [PieceErrorRate(), Unalignable()]}

    def language_model(
        self, texts: Iterable[str | bytes | None], order: int = 5, min_count: int = 1
    ) -> NGramModel:
        """An n-gram model of this tokenizer's pieces, for `CTCBeams`.

        Args:
            texts: what people say, such as a column of labels, of which absent ones are left out;
                so are pieces that the tokenizer does not know.
            order: how many pieces are looked at together.
            min_count: see `NGramModel`.

        Raises:
            ValueError: there is no text, or there is one that is no list.
            TypeError: a text is something else.

        Example:

        >>> task = SpeechRecognition(CharacterTokenizer(("<pad>", "<unk>", "a", "b")))
        >>> task.language_model(["ab", "abab"], order=2).num_tokens
        4
        """
        if isinstance(texts, str | bytes):
            raise ValueError(
                f"language_model: texts is {texts!r:.80}; it has to be a list of texts, such as "
                f"[{texts!r:.20}]."
            )
        said = [text for text in map(text_label, texts) if text]
        ids = self.tokenizer.tokenize(tf.strings.strip(tf.constant(said, tf.string)))
        unknown = self.tokenizer.unknown_id
        rows = [[i + self.tokenizer.shift for i in row if i != unknown] for row in ids.to_list()]
        return NGramModel.learn(rows, order, self.num_classes, min_count)

    def conclude(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """The likeliest pieces, in time; see `ctc_greedy`, or `ctc_beam` where there are beams.

        Where a speller was asked, those that it spelled.

        Pieces that are no text, such as the one for the unknown, are not among them.

        `token_ids` int32 [B, T], 0 behind the last piece; `starts_s` and `ends_s`, float [B, T];
        `score`, float [B].
        """
        begins, ends = outputs["times"][..., 0], outputs["times"][..., 1]
        logits, mask = _written(outputs["logits"], self.silent), begins >= 0
        if self.beams is None:
            found = ctc_greedy(logits, mask)
            ids = found.token_ids
        else:
            ids = (
                ops.cast(outputs["spelled"], "int32")
                if "spelled" in outputs
                else self.beams.best(logits, mask)
            )
            found = ctc_align(logits, mask, ids)
        there = ids > 0
        starts = ops.take_along_axis(begins, found.starts, axis=1)
        ends = ops.take_along_axis(ends, ops.maximum(found.ends - 1, 0), axis=1)
        steps = ops.sum(ops.cast(mask, "float32"), axis=1)
        return {
            "token_ids": ids,
            "starts_s": ops.where(there, starts, 0.0),
            "ends_s": ops.where(there, ends, 0.0),
            "score": ops.exp(found.scores / ops.maximum(steps, 1.0)),
        }

    @functools.cached_property
    def search(self) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """`conclude`, in a graph where there are beams.

        Outside of one they would take their steps one by one in Python.
        """
        if self.beams is None:
            return self.conclude
        return tf.function(self.conclude, reduce_retracing=True)

    def decode(
        self, outputs: dict[str, tf.Tensor], origins: Tensors = NO_ORIGINS
    ) -> dict[str, tf.Tensor]:
        """`text` string [B], `score` float [B]; pieces, string [B, M], and words, with their times.

        Where there are fewer pieces or words than M, their text is empty. Seconds are those of the
        recording, from its beginning.
        """
        return self.spell(self.search(outputs), origins[self.field]["start_s"])

    def spell(self, found: Mapping[str, tf.Tensor], start_s: tf.Tensor) -> dict[str, tf.Tensor]:
        """What `decode` gives, of what was concluded.

        Args:
            found: what `conclude` gives.
            start_s: float [B], where in the recording each begins.
        """
        ids, offset = found["token_ids"], start_s[:, None]
        lengths = tf.reduce_sum(tf.cast(ids > 0, tf.int32), axis=1)
        # As many columns as the longest has pieces.
        ids = ids[:, : tf.reduce_max(lengths)]
        pieces = tf.RaggedTensor.from_tensor(ids - self.tokenizer.shift, lengths)
        starts, ends = (
            found[name][:, : tf.shape(ids)[1]] + offset for name in ("starts_s", "ends_s")
        )
        text, word = _words_of(pieces, self.tokenizer)
        words = tf.strings.split(text).to_tensor("")
        count = tf.shape(words)[1]
        # What is no part of a word, such as a blank, goes behind the last one, which is cut off.
        segment = tf.where(word >= 0, word, count)
        segment += tf.range(tf.shape(ids)[0])[:, None] * (count + 1)

        def of_words(seconds: tf.Tensor, combine: Any) -> tf.Tensor:
            flat = [tf.reshape(each, [-1]) for each in (seconds, segment)]
            made = combine(*flat, tf.shape(ids)[0] * (count + 1))
            return tf.where(words == "", 0.0, tf.reshape(made, [-1, count + 1])[:, :count])

        there = ids > 0
        return {
            "text": text,
            "score": found["score"],
            "words": words,
            "word_starts_s": of_words(starts, tf.math.unsorted_segment_min),
            "word_ends_s": of_words(ends, tf.math.unsorted_segment_max),
            "pieces": tf.where(there, _alone(ids - self.tokenizer.shift, self.tokenizer), ""),
            "piece_starts_s": tf.where(there, starts, 0.0),
            "piece_ends_s": tf.where(there, ends, 0.0),
        }

    def read(self, answer: dict[str, Any]) -> dict[str, Any]:
        """`text`, `score`, and the lists `words` and `pieces`."""

        def timed(kind: str) -> list[dict[str, Any]]:
            starts, ends = answer[f"{kind}_starts_s"], answer[f"{kind}_ends_s"]
            rows = zip(answer[f"{kind}s"], starts, ends, strict=True)
            return [{"text": text, "start_s": s, "end_s": e} for text, s, e in rows if text]

        return {
            "text": answer["text"],
            "score": answer["score"],
            "words": timed("word"),
            "pieces": timed("piece"),
        }

    def scores(self, answers: Sequence[Any], labels: Sequence[bytes]) -> dict[str, float]:
        """Word and character error rate, `wer` and `cer`; see `mmkeras.metrics.error_rate`.

        Of the whole labels, what the tokenizer does not know among them; see `written`.
        """
        from mmkeras.metrics.error_rate import error_rate

        said, heard = self.written(labels), [answer["text"] for answer in answers]
        return {
            "wer": error_rate(said, heard, "words").rate,
            "cer": error_rate(said, heard, "characters").rate,
        }

    @classmethod
    def tiny(cls) -> Self:
        """Two letters."""
        return cls(CharacterTokenizer(("<pad>", "<unk>", "a", "b")), max_tokens=3, dropout=0.0)

    def labels(self) -> list[bytes]:
        """Texts that fit the first samples of `Audio`."""
        return [b"ab", b"b", b"a"]


@keras.saving.register_keras_serializable(package="mmkeras")
class SpeechRecognitionHead(keras.layers.Layer):
    """`{field: Tokens}`, and the true pieces or none, to the outputs of `SpeechRecognition`.

    The times are the seconds at which each step begins and ends, -1 at masked places.

    Args:
        field: the recording.
        step_s: seconds between the beginnings of two tokens.
        num_classes: K.
        dropout: fraction of the tokens' features dropped in training.
        speller: how the attention decoder is made and asked; None: there is none.
        beams: what finds the texts that the decoder is asked about; None: it is not asked.
        silent: classes that are never written.
        max_tokens: the most pieces of a text that the decoder knows.
    """

    def __init__(
        self,
        field: str,
        step_s: float,
        num_classes: int,
        dropout: float = 0.0,
        speller: Speller | None = None,
        beams: CTCBeams | None = None,
        silent: Sequence[int] = (),
        max_tokens: int = 200,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.field, self.step_s, self.num_classes = field, step_s, num_classes
        self.speller, self.beams = speller, beams
        self.silent, self.max_tokens = tuple(silent), max_tokens
        policy = self.dtype_policy
        self.dropout = keras.layers.Dropout(dropout, dtype=policy)
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, name="norm", dtype=policy)
        self.projection = keras.layers.Dense(num_classes, name="projection", dtype=policy)

    def build(self, tokens_shape: Mapping[str, Tokens], hints_shape: Any = None) -> None:
        width = tokens_shape[self.field].values[-1]
        self.norm.build((None, None, width))
        self.projection.build((None, None, width))
        if self.speller is not None:
            size = Size(width, self.speller.depth, self.speller.num_heads, 4 * width)
            # One class more than is heard, the end.
            made = (self.num_classes + 1, self.max_tokens + 1, self.speller.dropout)
            try:
                self.decoder = Attending().layer(size, *made, dtype=self.dtype_policy)
            except ValueError as error:
                raise ValueError(f"task {self.name!r}: {error}") from error

    def call(
        self,
        tokens: Mapping[str, Tokens],
        hints: Mapping[str, Any] | None = None,
        training: bool | None = None,
    ) -> dict[str, Any]:
        values, mask = tokens[self.field]
        heard = self.norm(values)
        logits = ops.cast(self.projection(self.dropout(heard, training=training)), "float32")
        there = mask[..., None]
        steps = ops.arange(ops.shape(values)[1], dtype="float32")[None, :, None]
        steps = (steps + ops.convert_to_tensor([0.0, 1.0])) * self.step_s
        outputs = {
            "logits": ops.where(there, logits, 0.0),
            "times": ops.where(there, steps, -1.0),
        }
        if self.speller is None:
            return outputs
        told = None if hints is None else hints.get("token_ids")
        spelled = ops.zeros_like(mask, dtype="float32")
        loss = ops.zeros_like(outputs["logits"][:, 0, 0])
        if told is not None:
            gain, there = self._gain(told, heard, mask, training)
            loss = -ops.sum(gain, axis=1) / ops.sum(ops.cast(there, "float32"), axis=1)
        elif self.beams is not None:
            found = self.beams(_written(outputs["logits"], self.silent), mask)
            spelled = self._best(found, heard, mask, self.speller.weight)
        return outputs | {"spelled": spelled, "spelling_loss": loss}

    def _gain(self, ids: Any, heard: Any, mask: Any, training: bool | None) -> tuple[Any, Any]:
        """The log-probability of each piece and the end, float32 [B, L + 1], and which there are.

        Args:
            ids: int [B, L], 0 behind the last piece.
            heard: float [B, T, D].
            mask: bool [B, T].
            training: True applies dropout.
        """
        ids = ops.pad(ops.cast(ids, "int32"), [[0, 0], [0, 1]])
        ended = ops.cumsum(ops.cast(ops.equal(ids, 0), "int32"), axis=1)
        ids = ops.where(ops.equal(ended, 1), self.num_classes, ids)
        gain = forced(self.decoder, ids, heard, mask, self.num_classes, training)
        return gains_of(gain, ids), ids > 0

    def _best(self, found: Sequences, heard: Any, mask: Any, weight: float) -> Any:
        """The best of what the beams found, float32 [B, T]."""
        count = found.scores.shape[1]

        def log_probability(ids: Any) -> Any:
            known = ids[:, : self.max_tokens]
            gain, _ = self._gain(
                known, ops.repeat(heard, count, axis=0), ops.repeat(mask, count, axis=0), False
            )
            # A longer text was never learned.
            longer = ops.any(ids[:, self.max_tokens :] > 0, axis=1)
            return ops.where(longer, _NEVER, ops.sum(gain, axis=1))

        return ops.cast(rescored(found, log_probability, weight).token_ids[:, 0], "float32")

    def compute_output_spec(
        self, tokens: Mapping[str, Tokens], hints: Any = None, training: bool | None = None
    ) -> Any:
        shape = tokens[self.field].mask.shape
        made = {
            "logits": keras.KerasTensor((*shape, self.num_classes), dtype="float32"),
            "times": keras.KerasTensor((*shape, 2), dtype="float32"),
        }
        if self.speller is not None:
            made["spelled"] = keras.KerasTensor(shape, dtype="float32")
            made["spelling_loss"] = keras.KerasTensor(shape[:1], dtype="float32")
        return made

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "field": self.field,
            "step_s": self.step_s,
            "num_classes": self.num_classes,
            "dropout": self.dropout.rate,
            "speller": keras.saving.serialize_keras_object(self.speller),
            "beams": keras.saving.serialize_keras_object(self.beams),
            "silent": self.silent,
            "max_tokens": self.max_tokens,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The head that `get_config` described."""
        values = ("speller", "beams")
        made = {name: keras.saving.deserialize_keras_object(config[name]) for name in values}
        return cls(**config | made)


#: Less than any text's log-probability, and finite, so that nothing times 0 is no number.
_NEVER = -1e9


def _written(logits: Any, silent: Sequence[int]) -> Any:
    """Logits, float [B, T, K], without the classes that are never written."""
    written = ~np.isin(np.arange(logits.shape[-1]), silent)
    return ops.where(written, logits, -float("inf"))


@keras.saving.register_keras_serializable(package="mmkeras")
class PieceErrorRate(TokenErrorRate):
    """How many pieces of the likeliest of each step are wrong, of all that were said.

    With letters as pieces it is the character error rate without beams. A blank label has no piece:
    all that is heard there is wrong, and nothing is added to what was said.
    """

    def __init__(self, name: str = "piece_error_rate", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts a batch: labels int [B, L], and the outputs of the task."""
        found = ctc_greedy(y_pred["logits"], y_pred["times"][..., 0] >= 0)
        super().update_state(y_true, found.token_ids, sample_weight)


@keras.saving.register_keras_serializable(package="mmkeras")
class Unalignable(keras.metrics.Mean):
    """The share of labels that have more pieces than their recordings have steps for.

    Such a label teaches nothing, and its loss of 0 lowers the mean: cut the text, or shorten steps,
    or use larger pieces.
    """

    def __init__(self, name: str = "unalignable", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts a batch: labels int [B, L], and the outputs of the task."""
        fits = alignable(y_pred["times"][..., 0] >= 0, y_true)
        super().update_state(1.0 - ops.cast(fits, "float32"), sample_weight)


def _words_of(pieces: tf.RaggedTensor, tokenizer: SubwordTokenizer) -> tuple[tf.Tensor, tf.Tensor]:
    """The texts of pieces (int32 [B, None]), string [B], and the word of each piece, int32 [B, M].

    Any tokenizer can be asked what the text is with a piece and without it: one that adds a letter
    is part of the last word that is there then. -1 where it adds none. A few pieces before it are
    enough to know, so that an hour is read in a time that grows with it alone.
    """
    ids = pieces.to_tensor(0)
    count = tf.shape(ids)[1]
    near = tf.signal.frame(tf.pad(ids, [[0, 0], [_NEAR, 0]]), _NEAR + 1, 1, axis=1)
    # In front of the first pieces there are fewer.
    within = tf.range(_NEAR + 1) + tf.range(count)[:, None] >= _NEAR
    upto = tf.ragged.boolean_mask(
        tf.reshape(near, [-1, _NEAR + 1]), tf.tile(within, [tf.shape(ids)[0], 1])
    )
    texts = tf.strings.strip(tokenizer.detokenize(upto))
    without = tf.strings.strip(tokenizer.detokenize(upto[:, :-1]))
    begins = tf.strings.split(texts).row_lengths() > tf.strings.split(without).row_lengths()
    adds, begins = (tf.reshape(each, tf.shape(ids)) for each in (texts != without, begins))
    there = tf.sequence_mask(pieces.row_lengths(), count)
    word = tf.cumsum(tf.cast(begins & there, tf.int32), axis=1) - 1
    whole = tf.strings.strip(tokenizer.detokenize(pieces))
    return whole, tf.where(adds & there, word, -1)


#: Pieces that are looked at to know what a piece adds; a letter has up to four, its bytes.
_NEAR = 8


def _alone(ids: tf.Tensor, tokenizer: SubwordTokenizer) -> tf.Tensor:
    """The text of each piece by itself: int32 [B, M] to string [B, M]."""
    texts = tokenizer.detokenize(tf.reshape(tf.maximum(ids, 0), [-1, 1]))
    return tf.reshape(texts, tf.shape(ids))
