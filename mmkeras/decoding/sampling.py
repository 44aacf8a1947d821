"""Sampling: the next token is drawn, from the whole distribution or from its head."""

import dataclasses
import math
from typing import Any

import keras
from keras import ops

from mmkeras.contracts.arguments import check_count
from mmkeras.layers.autoregression import (
    Choose,
    ForwardSearch,
    Sequences,
    Step,
    autoregress,
)


def keep_top_k(logits: Any, k: int) -> Any:
    """The `k` highest logits, and those equal to the last of them; the others become -inf.

    Source: Fan et al. 2018, "Hierarchical Neural Story Generation", section 5.4.

    Args:
        logits: float [..., K].
        k: how many; all, where K is not larger.

    Raises:
        ValueError: `k` is below 1.

    Example:

    >>> import numpy as np
    >>> np.array(keep_top_k(np.array([1.0, 3.0, 2.0]), 2)).tolist()
    [-inf, 3.0, 2.0]
    """
    if k < 1:
        raise ValueError(f"top_k must be at least 1; got {k}.")
    logits = ops.convert_to_tensor(logits)
    lowest = ops.top_k(logits, min(k, logits.shape[-1]))[0][..., -1:]
    return ops.where(logits >= lowest, logits, -float("inf"))


def keep_top_p(logits: Any, p: float) -> Any:
    """The most probable tokens that together have at least the probability `p`; others are -inf.

    The most probable one is always kept; tokens as probable as the last that is kept are, too.

    Source: Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration", section 3.1.

    Args:
        logits: float [..., K].
        p: probability of the nucleus, in (0, 1].

    Raises:
        ValueError: `p` is not in (0, 1].

    Example:

    >>> import numpy as np
    >>> kept = keep_top_p(np.log(np.array([0.1, 0.6, 0.3])), 0.8)
    >>> np.isfinite(np.array(kept)).tolist()
    [False, True, True]
    """
    if not 0.0 < p <= 1.0:
        raise ValueError(f"top_p must be in (0, 1]; got {p}.")
    logits = ops.convert_to_tensor(logits)
    if p == 1.0:
        return logits
    probabilities = ops.softmax(ops.cast(logits, "float32"), axis=-1)
    falling = ops.flip(ops.sort(probabilities, axis=-1), axis=-1)
    before = ops.cumsum(falling, axis=-1) - falling
    lowest = ops.min(ops.where(before < p, falling, 2.0), axis=-1, keepdims=True)
    return ops.where(probabilities >= lowest, logits, -float("inf"))


def draw(logits: Any, uniform: Any) -> Any:
    """One token for each row, drawn with its softmax probability by inverting the distribution.

    Args:
        logits: float [B, K]; what is -inf is never drawn.
        uniform: float32 [B], random in [0, 1).

    Returns:
        int32 [B].

    Example:

    >>> import numpy as np
    >>> logits = np.log(np.array([[0.25, 0.75]] * 3, "float32"))
    >>> np.array(draw(logits, np.array([0.1, 0.2, 0.3], "float32"))).tolist()
    [0, 0, 1]
    """
    probabilities = ops.softmax(ops.cast(logits, "float32"), axis=-1)
    # Sums of floats need not grow where nothing is added: what has no probability is taken out.
    reached = ops.where(probabilities > 0.0, ops.cumsum(probabilities, axis=-1), 0.0)
    threshold = uniform[:, None] * ops.max(reached, axis=-1, keepdims=True)
    return ops.cast(ops.argmax(ops.cast(reached > threshold, "int32"), axis=-1), "int32")


def sample(
    step: Step,
    state: Any,
    first_ids: Any,
    *,
    max_new_tokens: int,
    end_id: int | None = None,
    pad_id: int = 0,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | keras.random.SeedGenerator | None = None,
) -> Sequences:
    """Sequences whose tokens are drawn from softmax(logits / temperature), perhaps from its head.

    Args:
        step: `(token_ids int32 [B], state) -> (logits [B, K], state)`; see `Step`.
        state: what `step` takes with the first token; see `Step`.
        first_ids: int [B]: the beginning-of-sequence token, or the last of each prompt.
        max_new_tokens: the longest sequence.
        end_id: the token that ends a sequence; None: none does.
        pad_id: the token behind the end.
        temperature: above 0; below 1 sharpens the distribution, above 1 flattens it.
        top_k: draw from the `top_k` most probable tokens; see `keep_top_k`.
        top_p: then draw from the nucleus of this probability; see `keep_top_p`.
        seed: an int draws the same in every call; a `SeedGenerator` goes on from call to call, in
            a SavedModel too where the exported object holds it; None uses Keras' global one.
            XLA and JAX draw other numbers from the same seed than TensorFlow's own kernels do.

    Returns:
        `Sequences` of [B, max_new_tokens]; the scores are those of the model's own distribution.

    Raises:
        ValueError: an argument is out of its range.

    Example:

    >>> import numpy as np
    >>> def step(token_ids, state):
    ...     return ops.zeros((1, 9)), state
    >>> made = sample(step, (), np.array([0]), max_new_tokens=5, top_k=9, seed=0)
    >>> tuple(made.token_ids.shape)
    (1, 5)
    """
    return autoregress(
        step,
        state,
        first_ids,
        _drawing(ops.shape(first_ids)[0], max_new_tokens, temperature, top_k, top_p, seed),
        max_new_tokens=max_new_tokens,
        end_id=end_id,
        pad_id=pad_id,
    )


def _drawing(
    batch: Any,
    max_new_tokens: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    seed: Any,
) -> Choose:
    """How `sample` draws its tokens."""
    if not temperature > 0.0:
        raise ValueError(
            f"temperature must be above 0; got {temperature}. Greedy search is its limit at 0."
        )
    # Drawn before the loop: within one, a generator's state could not be updated on every backend.
    uniform = keras.random.uniform((max_new_tokens, batch), seed=seed, dtype="float32")

    def drawn(logits: Any, index: Any) -> Any:
        logits = logits / temperature
        if top_k is not None:
            logits = keep_top_k(logits, top_k)
        if top_p is not None:
            logits = keep_top_p(logits, top_p)
        return draw(logits, ops.take(uniform, index, axis=0))

    return drawn


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class Sampling(ForwardSearch):
    """`sample` as a value.

    Args:
        temperature: above 0; below 1 sharpens the distribution, above 1 flattens it.
        top_k: draw from so many of the most probable tokens; None: all.
        top_p: then draw from the nucleus of this probability; None: all.
        seed: of what is drawn, the same in every call with as many sequences; None draws anew in
            every call, in a SavedModel too.

    Raises:
        ValueError: an argument is out of its range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        """Checks the arguments."""
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"temperature must be a number above 0; got {self.temperature}.")
        if self.top_k is not None:
            check_count("top_k", self.top_k)
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be in (0, 1]; got {self.top_p}.")

    @property
    def draws(self) -> bool:
        """It does."""
        return True

    @property
    def repeatable(self) -> bool:
        """Whether there is a seed."""
        return self.seed is not None

    def chooser(self, batch: Any, max_new_tokens: int, seed: Any = None) -> Choose:
        """See `ForwardSearch.chooser`."""
        seed = seed if self.seed is None else self.seed
        return _drawing(batch, max_new_tokens, self.temperature, self.top_k, self.top_p, seed)
