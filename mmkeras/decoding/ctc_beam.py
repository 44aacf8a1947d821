"""Prefix beam search: the likeliest token sequences of connectionist temporal classification."""

import dataclasses
from typing import Any, NamedTuple, Protocol, runtime_checkable

import keras
from keras import ops

from mmkeras.contracts.arguments import check_count, check_number
from mmkeras.contracts.configured import Configured
from mmkeras.layers.autoregression import Sequences
from mmkeras.layers.ctc_lattice import add


@runtime_checkable
class LanguageModel(Protocol):
    """What knows which tokens follow which, as an automaton; `NGramModel` is one.

    Attributes:
        num_tokens: K, those of the logits; 0, the blank among them, is here the end.
        start: the state before the first token.
    """

    @property
    def num_tokens(self) -> int:
        """K."""
        ...

    @property
    def start(self) -> int:
        """The state before the first token."""
        ...

    def scores(self, states: Any) -> Any:
        """int32 [...] to float32 [..., K]: log P(next token | state), the end's at 0."""
        ...

    def advance(self, states: Any, token_ids: Any) -> Any:
        """int32 [...] twice to int32 [...]: the states behind these tokens."""
        ...


def ctc_beam(
    logits: Any,
    mask: Any,
    *,
    num_beams: int,
    top_k: int | None = None,
    language_model: LanguageModel | None = None,
    lm_weight: float = 0.0,
    insertion_bonus: float = 0.0,
) -> Sequences:
    """The best token sequences, all ways to spread each of them over the frames together.

    Frame by frame it keeps the `num_beams` beginnings with the highest score. Beginnings that are
    equal token by token are one, with the probabilities of both, so that with as many beams as
    there are beginnings the scores are exact. The score is

        log P(tokens | logits) + lm_weight · log P(tokens, end) + insertion_bonus · number of tokens

    with the second probability that of the language model; a beginning is not yet asked for its
    end.

    Source: Hannun et al. 2014, "First-Pass Large Vocabulary Continuous Speech Recognition using
    Bi-Directional Recurrent DNNs", algorithm 1.

    Args:
        logits: float [B, T, K], class 0 the blank; where masked anything, NaN too.
        mask: bool [B, T], True = a frame that counts; those stand in front.
        num_beams: number of beginnings kept, and of sequences returned.
        top_k: how many of the likeliest tokens of each frame may be appended; None: all.
        language_model: None, or what rates the tokens too.
        lm_weight: how much it counts.
        insertion_bonus: added for each token, as language models like sequences to be short.

    Returns:
        `Sequences` of [B, num_beams, T], the best first; 0 behind the tokens. Where fewer sequences
        exist, the others are empty, with score -inf.

    Raises:
        ValueError: `num_beams` or `top_k` is below 1, or the language model has other tokens.

    Example:

    >>> import numpy as np
    >>> logits = np.log([[[0.6, 0.4], [0.6, 0.4]]])  # greedy: blank twice, 0.36
    >>> found = ctc_beam(logits, np.ones((1, 2), bool), num_beams=2)
    >>> np.array(found.token_ids).tolist()
    [[[1, 0], [0, 0]]]
    >>> np.exp(np.array(found.scores, "float64")).round(4).tolist()
    [[0.64, 0.36]]
    """
    CTCBeams(num_beams, top_k, language_model, lm_weight, insertion_bonus)
    logits, mask = (ops.convert_to_tensor(part) for part in (logits, mask))
    size = logits.shape[-1]
    if language_model is not None and language_model.num_tokens != size:
        raise ValueError(
            f"the language model has {language_model.num_tokens} tokens and the logits have "
            f"{size}; both must count the blank, which is the language model's end."
        )
    batch, length = ops.shape(logits)[0], ops.shape(logits)[1]
    logits = ops.where(mask[..., None], ops.cast(logits, "float32"), 0.0)
    # Behind the last frame a blank is sure: it changes nothing any more.
    blank = ops.where(ops.arange(size) == 0, 0.0, _NEVER)
    gain = ops.where(mask[..., None], ops.log_softmax(logits, axis=-1), blank)
    gain = ops.transpose(ops.maximum(gain, _NEVER), (1, 0, 2))
    appended = min(size - 1, size if top_k is None else top_k)
    places = ops.arange(length, dtype="int32")

    def unfinished(t: Any, beams: _Beams) -> Any:
        del beams
        return t < length

    def advance(t: Any, beams: _Beams) -> tuple[Any, _Beams]:
        here = gain[t]
        best, ids = ops.top_k(here[:, 1:], appended)
        ids = ops.cast(ids, "int32") + 1
        both = add(beams.blank, beams.spoken)
        # Whether the first beginning is the second without its last token.
        alive = both + beams.prior > _NEVER / 2
        grown_by_one = ops.equal(beams.lengths[:, :, None] + 1, beams.lengths[:, None, :])
        parent = grown_by_one & ops.equal(beams.shared, beams.lengths[:, :, None])
        parent = parent & alive[:, :, None] & alive[:, None, :]

        # A token right after itself is the same one, unless there is a blank between them.
        again = ops.equal(beams.last[:, :, None], beams.last[:, None, :])
        onto = ops.where(again, beams.blank[:, :, None], both[:, :, None])
        said = ops.take_along_axis(here, beams.last, axis=1)
        onto = ops.max(ops.where(parent, onto, _NEVER), axis=1)
        stay_blank = both + here[:, :1]
        stay_spoken = add(beams.spoken, onto) + said
        again = ops.equal(beams.last[:, :, None], ids[:, None, :])
        grow = ops.where(again, beams.blank[:, :, None], both[:, :, None]) + best[:, None, :]
        # What a token makes of a beginning that is there was added to that.
        there = parent[..., None] & ops.equal(beams.last[:, None, :, None], ids[:, None, None, :])
        grow = ops.where(ops.any(there, axis=2), _NEVER, grow)
        rise = ops.zeros_like(grow) + insertion_bonus
        if language_model is not None:
            rated = ops.maximum(language_model.scores(beams.state), _NEVER)
            tokens = ops.zeros_like(grow, dtype="int32") + ids[:, None, :]
            rise = rise + lm_weight * ops.take_along_axis(rated, tokens, axis=2)

        stay_total = add(stay_blank, stay_spoken) + beams.prior
        grow_total = grow + beams.prior[:, :, None] + rise
        _, kept = ops.top_k(
            ops.concatenate([stay_total, ops.reshape(grow_total, (batch, -1))], axis=1), num_beams
        )
        kept = ops.cast(kept, "int32")
        stays = kept < num_beams
        # Of beginnings that stay, any token: it is not used.
        entry = ops.maximum(kept - num_beams, 0)
        source = ops.where(stays, kept, entry // appended)
        token = ops.take_along_axis(ids, entry % appended, axis=1)

        def of(values: Any) -> Any:
            return ops.take_along_axis(values, source, axis=1)

        def grown(values: Any) -> Any:
            return ops.take_along_axis(ops.reshape(values, (batch, -1)), entry, axis=1)

        lengths = of(beams.lengths)
        written = ops.equal(places, lengths[:, :, None]) & ~stays[:, :, None]
        made = ops.take_along_axis(beams.made, source[:, :, None], axis=1)
        made = ops.where(written, token[:, :, None], made)
        lengths = lengths + ops.cast(~stays, "int32")
        state = of(beams.state)
        if language_model is not None:
            state = ops.where(stays, state, language_model.advance(state, token))
        return t + 1, _Beams(
            made=made,
            lengths=lengths,
            last=ops.where(stays, of(beams.last), token),
            shared=_shared(beams.shared, source, made, lengths),
            blank=ops.where(stays, of(stay_blank), _NEVER),
            spoken=ops.maximum(ops.where(stays, of(stay_spoken), grown(grow)), _NEVER),
            prior=of(beams.prior) + ops.where(stays, 0.0, grown(rise)),
            state=state,
        )

    none = ops.zeros((batch, num_beams), dtype="int32")
    # The beams begin alike: all but one would be copies of it.
    first = ops.where(ops.arange(num_beams) == 0, 0.0, _NEVER)
    start = _Beams(
        made=none[:, :, None] + ops.zeros_like(places),
        lengths=none,
        last=none,
        shared=none[:, :, None] + none[:, None, :],
        blank=ops.cast(none, "float32") + first,
        spoken=ops.cast(none, "float32") + _NEVER,
        prior=ops.cast(none, "float32"),
        state=none if language_model is None else none + language_model.start,
    )
    _, end = ops.while_loop(unfinished, advance, (ops.zeros((), dtype="int32"), start))
    scores = add(end.blank, end.spoken) + end.prior
    if language_model is not None:
        scores = scores + lm_weight * ops.maximum(language_model.scores(end.state)[..., 0], _NEVER)
    scores, order = ops.top_k(scores, num_beams)
    there = scores > _NEVER / 2
    made = ops.take_along_axis(end.made, order[:, :, None], axis=1)
    return Sequences(
        ops.where(there[:, :, None], made, 0),
        ops.where(there, ops.take_along_axis(end.lengths, order, axis=1), 0),
        ops.where(there, scores, -float("inf")),
    )


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class CTCBeams(Configured):
    """The arguments of `ctc_beam`, kept together: a `SpeechRecognition` searches with them.

    Args:
        num_beams: number of beginnings kept.
        top_k: how many of the likeliest tokens of each frame may be appended; None: all.
        language_model: None, or what rates the tokens too, such as an `NGramModel`.
        lm_weight: how much it counts. The best value is found on validation samples.
        insertion_bonus: added for each token, as language models like sequences to be short.

    Raises:
        ValueError: a number is out of its range, or the language model is none.

    Example:

    >>> import numpy as np
    >>> logits = np.log([[[0.6, 0.4], [0.6, 0.4]]])
    >>> np.array(CTCBeams(num_beams=2).best(logits, np.ones((1, 2), bool))).tolist()
    [[1, 0]]
    """

    num_beams: int = 16
    top_k: int | None = 8
    language_model: LanguageModel | None = None
    lm_weight: float = 0.5
    insertion_bonus: float = 0.0

    def __post_init__(self) -> None:
        """Checks the arguments."""
        check_count("num_beams", self.num_beams)
        if self.top_k is not None:
            check_count("top_k", self.top_k)
        if not isinstance(self.language_model, LanguageModel | None):
            raise ValueError(
                "language_model must be None or a model of tokens, such as an NGramModel of "
                f"SpeechRecognition.language_model(texts); got {self.language_model!r:.80}."
            )
        check_number("lm_weight", self.lm_weight, least=0)
        check_number("insertion_bonus", self.insertion_bonus)

    def __call__(self, logits: Any, mask: Any) -> Sequences:
        """What `ctc_beam` finds, `Sequences` of [B, num_beams, T]."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return ctc_beam(logits, mask, **values)

    def best(self, logits: Any, mask: Any) -> Any:
        """The best token sequence of each sample, int32 [B, T], 0 behind it; see `ctc_beam`."""
        return self(logits, mask).token_ids[:, 0]


#: Stands for minus infinity: differences of it are still numbers.
_NEVER = -1e30


class _Beams(NamedTuple):
    """The beginnings that are kept, W of them for each sample, the best first."""

    made: Any  # int32 [B, W, T], the tokens
    lengths: Any  # int32 [B, W]
    last: Any  # int32 [B, W], the last token; 0 if there is none
    shared: Any  # int32 [B, W, W], how many tokens two beginnings have in common at their start
    blank: Any  # float32 [B, W], log-probability of all ways that end with a blank
    spoken: Any  # float32 [B, W], of those that end with the last token
    prior: Any  # float32 [B, W], what the language model and the bonus add
    state: Any  # int32 [B, W], the language model's


def _shared(before: Any, source: Any, made: Any, lengths: Any) -> Any:
    """int32 [B, W, W]: how many tokens the new beginnings have in common, exactly.

    Each is one of the old ones (`source`) with at most one more token. So two have in common what
    the old ones had, and one more token if both have a next one and it is the same.
    """
    rows = ops.take_along_axis(before, source[:, :, None], axis=1)
    shared = ops.take_along_axis(rows, source[:, None, :], axis=2)
    within = shared < ops.minimum(lengths[:, :, None], lengths[:, None, :])
    following = ops.take_along_axis(made, ops.where(within, shared, 0), axis=2)
    same = ops.equal(following, ops.transpose(following, (0, 2, 1)))
    return shared + ops.cast(within & same, "int32")
