"""Which frames of a recording speak which token of its text, when both are in order.

An alignment is a monotonic path: the first frame belongs to the first token, the last frame to the
last, and from each frame to the next the token stays or is the next one.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Self

from keras import ops

#: Stands for minus infinity: sums and differences of it are still numbers.
_NEVER = -1e30


def log_likelihood(
    frames: Any, tokens: Any, token_mask: Any, log_prior: Any = None, sharpness: float = 0.1
) -> Any:
    """How probable each frame is if a token is said in it, but for a constant.

    A token's frames are spread around its own vector, as Gaussians of one width. It is no softmax
    over the tokens: there, one of them that is always a little more probable than its neighbours
    would win all their frames, whatever is heard in them; here it would have to sound like them.

    Source: Kim et al. 2020, "Glow-TTS", section 3.2; with frames as they are, as in Popov et al.
    2021, "Grad-TTS", section 3.2.

    Args:
        frames: float [B, F, D], what was heard.
        tokens: float [B, T, D], what each token sounds like.
        token_mask: bool [B, T], True = a token that counts.
        log_prior: float [B, F, T] or None, such as `beta_binomial_log_prior` gives.
        sharpness: what a squared distance is multiplied with, 1 / (2 · variance).

    Returns:
        float32 [B, F, T]; -1e30 where masked.

    Example:

    >>> import numpy as np
    >>> frames, tokens = np.array([[[0.0], [4.0]]]), np.array([[[0.0], [4.0], [9.0]]])
    >>> mask = np.array([[True, True, False]])
    >>> made = np.array(log_likelihood(frames, tokens, mask, sharpness=0.5))
    >>> (made[..., :2] + 0.0).tolist()
    [[[0.0, -8.0], [-8.0, 0.0]]]
    """
    frames, tokens = ops.cast(frames, "float32"), ops.cast(tokens, "float32")
    products = ops.matmul(frames, ops.transpose(tokens, (0, 2, 1)))
    lengths = [ops.sum(ops.square(each), axis=-1) for each in (frames, tokens)]
    distances = lengths[0][:, :, None] + lengths[1][:, None, :] - 2.0 * products
    likelihood = -sharpness * ops.maximum(distances, 0.0)
    if log_prior is not None:
        likelihood = likelihood + log_prior
    return ops.where(token_mask[:, None, :], likelihood, _NEVER)


def beta_binomial_log_prior(frame_mask: Any, token_mask: Any, width: float = 1.0) -> Any:
    """Log probabilities of tokens near the diagonal, by beta-binomial distributions.

    Source: Shih et al. 2021, "RAD-TTS", appendix A; Badlani et al. 2022, section 2.2. Of n frames
    and k tokens, frame t = 1 … n has a beta-binomial distribution over the tokens 0 … k - 1 with
    alpha = width · t and beta = width · (n + 1 - t).

    Args:
        frame_mask: bool [B, F], True = a frame that counts; these come first.
        token_mask: bool [B, T], likewise.
        width: the larger, the closer to the diagonal.

    Returns:
        float32 [B, F, T]; -1e30 at tokens that are masked, finite at frames that are.

    Example:

    >>> import numpy as np
    >>> everything = np.array([[True, True]])
    >>> print(np.exp(beta_binomial_log_prior(everything, everything)).round(2))
    [[[0.67 0.33]
      [0.33 0.67]]]
    """
    num_frames = ops.sum(ops.cast(frame_mask, "float32"), axis=1)[:, None, None]
    last = ops.sum(ops.cast(token_mask, "float32"), axis=1)[:, None, None] - 1.0
    t = ops.arange(1, ops.shape(frame_mask)[1] + 1, dtype="float32")[None, :, None]
    alpha = width * t
    beta = width * ops.maximum(num_frames + 1.0 - t, 1.0)
    token = ops.arange(ops.shape(token_mask)[1], dtype="float32")[None, None, :]
    rest = ops.maximum(last - token, 0.0)
    last = ops.maximum(last, 0.0)
    chosen = _log_gamma(last + 1.0) - _log_gamma(token + 1.0) - _log_gamma(rest + 1.0)
    ahead = _log_gamma(token + alpha) + _log_gamma(rest + beta) - _log_gamma(last + alpha + beta)
    whole = _log_gamma(alpha) + _log_gamma(beta) - _log_gamma(alpha + beta)
    return ops.where(token_mask[:, None, :], chosen + ahead - whole, _NEVER)


def monotonic_alignment(log_likelihood: Any, frame_mask: Any, token_mask: Any) -> Any:
    """How many frames each token has on the most probable monotonic path.

    Source: Kim et al. 2020, "Glow-TTS", algorithm 1 (monotonic alignment search).

    Args:
        log_likelihood: float [B, F, T], the log probability of each token in each frame; at masked
            places anything.
        frame_mask: bool [B, F], True = a frame that counts; these come first.
        token_mask: bool [B, T], likewise.

    Returns:
        int32 [B, T]: at least 1 for each token, in all as many as there are frames. Where there are
        fewer frames than tokens, the first tokens have one frame each and the others 0; so have
        masked tokens. Of equally probable paths, the one that is late with earlier tokens.

    Example:

    >>> import numpy as np
    >>> attention = np.log([[[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.9, 0.1]]])
    >>> masks = np.ones((1, 4), bool), np.ones((1, 2), bool)
    >>> np.array(monotonic_alignment(attention, *masks)).tolist()
    [[2, 2]]
    """
    paths = Paths.of(log_likelihood, frame_mask, token_mask)
    after = paths.forward(ops.maximum)
    before = ops.concatenate([ops.zeros_like(after[:1]), after[:-1]])
    token = ops.arange(ops.shape(after)[2], dtype="int32")
    frame = ops.arange(ops.shape(after)[0], dtype="int32")[:, None, None]
    # So early, a path that has moved at every frame is here.
    moves = ops.logical_or(_shifted(before) > before, frame <= token)
    moves = ops.logical_and(ops.logical_and(moves, token > 0), paths.counts[..., None])

    def retreat(current: Any, moves: Any) -> tuple[Any, Any]:
        moved = ops.any(ops.logical_and(moves, ops.equal(token, current[:, None])), axis=-1)
        return current - ops.cast(moved, "int32"), current

    last = ops.minimum(paths.num_frames, paths.num_tokens) - 1
    _, path = ops.scan(retreat, last, moves, reverse=True)
    here = ops.logical_and(ops.equal(path[..., None], token), paths.counts[..., None])
    return ops.sum(ops.cast(here, "int32"), axis=0)


class Paths(NamedTuple):
    """All monotonic paths of a batch, and how probable each is.

    Attributes:
        scores: float32 [F, B, T], the log probability of each token in each frame, less the
            highest of the frame; time leads, because every algorithm walks along it. -1e30 where no
            path goes: at masked tokens, and in the first frame at all but the first token.
        highest: float32 [B], what was taken off, summed over the frames that count.
        counts: bool [F, B], True = a frame that counts.
        num_frames: int32 [B], the frames that count.
        num_tokens: int32 [B].

    Example:

    >>> import numpy as np
    >>> masks = np.ones((1, 4), bool), np.ones((1, 3), bool)
    >>> paths = Paths.of(np.zeros((1, 4, 3)), *masks)
    >>> round(float(np.exp(paths.log_total(paths.forward(ops.logaddexp))[0])), 4)
    3.0
    """

    scores: Any
    highest: Any
    counts: Any
    num_frames: Any
    num_tokens: Any

    @classmethod
    def of(cls, log_likelihood: Any, frame_mask: Any, token_mask: Any) -> Self:
        """The paths; the arguments are those of `monotonic_alignment`.

        Raises:
            ValueError: a shape or a dtype is another.
        """
        log_likelihood, frame_mask, token_mask = (
            ops.convert_to_tensor(part) for part in (log_likelihood, frame_mask, token_mask)
        )
        if len(log_likelihood.shape) != 3:
            raise ValueError(
                f"log_likelihood must be float [B, F, T]; got shape {tuple(log_likelihood.shape)}."
            )
        for name, mask in (("frame_mask", frame_mask), ("token_mask", token_mask)):
            if len(mask.shape) != 2 or ops.dtype(mask) != "bool":
                raise ValueError(
                    f"{name} must be bool [B, {name[0].upper()}], True = a {name[:5]} that counts; "
                    f"got {ops.dtype(mask)} {tuple(mask.shape)}."
                )
        counts = ops.transpose(frame_mask)
        scores = ops.transpose(ops.cast(log_likelihood, "float32"), (1, 0, 2))
        scores = ops.maximum(ops.where(token_mask, scores, _NEVER), _NEVER)
        # Every path goes once through each frame, so this changes no path beside another, and
        # small numbers add up exactly.
        highest = ops.max(scores, axis=-1)
        scores = scores - highest[..., None]
        scores = ops.where(token_mask, scores, _NEVER)
        frame = ops.arange(ops.shape(scores)[0], dtype="int32")[:, None, None]
        token = ops.arange(ops.shape(scores)[2], dtype="int32")
        return cls(
            ops.where(ops.logical_and(frame == 0, token > 0), _NEVER, scores),
            ops.sum(ops.where(counts, highest, 0.0), axis=0),
            counts,
            ops.sum(ops.cast(frame_mask, "int32"), axis=1),
            ops.sum(ops.cast(token_mask, "int32"), axis=1),
        )

    @property
    def exist(self) -> Any:
        """bool [B]: whether there is a path: a token, and a frame for each token."""
        return ops.logical_and(self.num_tokens > 0, self.num_frames >= self.num_tokens)

    def forward(self, combine: Callable[[Any, Any], Any]) -> Any:
        """Walks to the end, combining all paths that lead to each token.

        Args:
            combine: two float tensors to one: the maximum gives the score of the best path,
                `ops.logaddexp` that of all of them together.

        Returns:
            float32 [F, B, T]: the combined score of all paths up to each frame, by its token; at
            masked frames that of the last one that counts.
        """

        def advance(ways: Any, here: Any) -> tuple[Any, Any]:
            scores, counts = _unpacked(here)
            ways = ops.where(counts, scores + combine(ways, _shifted(ways)), ways)
            return ways, ways

        # Nothing is behind the first frame, whose own scores say where paths begin.
        nothing = ops.zeros_like(self.scores[0])
        return ops.scan(advance, nothing, self._packed())[1]

    def log_total(self, after: Any) -> Any:
        """float32 [B]: the combined log probability of all whole paths; of none, anything.

        Args:
            after: what `forward` gives.
        """
        return ops.sum(ops.where(self._is_last, after[-1], 0.0), axis=-1) + self.highest

    def posterior(self, after: Any) -> Any:
        """float32 [F, B, T]: how probable each token is in each frame, all paths considered.

        Where no frame counts or no path exists, anything.

        Args:
            after: what `forward` with `ops.logaddexp` gives.
        """

        def retreat(ahead: Any, here: Any) -> tuple[Any, Any]:
            scores, counts = _unpacked(here)
            onward = scores + ahead
            from_next = ops.pad(onward[:, 1:], [[0, 0], [0, 1]], constant_values=_NEVER)
            return ops.where(counts, ops.logaddexp(onward, from_next), ahead), ahead

        end = ops.where(self._is_last, 0.0, _NEVER)
        _, ahead = ops.scan(retreat, end, self._packed(), reverse=True)
        return ops.softmax(after + ahead, axis=-1)

    def _packed(self) -> Any:
        """`scores` and `counts` in one: of several tensors, Keras scans those of known length."""
        counts = ops.cast(self.counts, "float32")[..., None]
        return ops.concatenate([self.scores, counts], axis=-1)

    @property
    def _is_last(self) -> Any:
        token = ops.arange(ops.shape(self.scores)[2], dtype="int32")
        return ops.equal(token, self.num_tokens[:, None] - 1)


def _unpacked(here: Any) -> tuple[Any, Any]:
    """float32 [B, T + 1] to the scores, [B, T], and whether the frame counts, bool [B, 1]."""
    return here[:, :-1], here[:, -1:] > 0.5


def _shifted(ways: Any) -> Any:
    """float32 [..., T]: what stands at the token before."""
    never = ops.full_like(ways[..., :1], _NEVER)
    return ops.concatenate([never, ways[..., :-1]], axis=-1)


def _log_gamma(x: Any) -> Any:
    """The logarithm of the gamma function of positive numbers, by Stirling's series from 6 on."""
    shifted = x + 6.0
    series = 1.0 / (12.0 * shifted) - 1.0 / (360.0 * shifted**3)
    below = x * (x + 1.0) * (x + 2.0) * (x + 3.0) * (x + 4.0) * (x + 5.0)
    half_log_tau = 0.9189385332046727
    return (shifted - 0.5) * ops.log(shifted) - shifted + half_log_tau + series - ops.log(below)
