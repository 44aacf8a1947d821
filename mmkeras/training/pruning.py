"""`MagnitudePruning`: small weights become zero while a model goes on learning."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from mmkeras.contracts.arguments import check_count, check_number

#: What is pruned: matrices, convolutions and tables; not biases, norms and scales, which are few.
PRUNED = ("kernel", "embeddings")


def sparsity(model: keras.Model) -> dict[str, float]:
    """The share of zeros in each kernel and table of a model.

    Args:
        model: a built model.

    Returns:
        `{path of the weight: share}`, and of all of them together under the empty name.

    Raises:
        ValueError: the model has no such weights, perhaps because it is not built.
    """
    weights = _weights(model)
    zeros = {weight.path: int(np.sum(_array(weight) == 0)) for weight in weights}
    sizes = {weight.path: int(np.prod(weight.shape)) for weight in weights}
    whole = {"": sum(zeros.values()) / sum(sizes.values())}
    return whole | {path: zeros[path] / sizes[path] for path in zeros}


class MagnitudePruning(keras.callbacks.Callback):
    """Sets the smallest weights to zero, more of them step by step, and keeps them there.

    After step t between `begin_step` and `end_step`, of each kernel and table the share
    s = sparsity + (initial - sparsity) · (1 - (t - begin) / (end - begin))³ is zero: many go while
    there are many to spare, and few at the end. Steps behind `end_step` let the others make up for
    what is lost. Every weight has the same share: one threshold for all would empty those that are
    small by their initialisation, such as tables of vectors, and spare the large ones. EMA weights,
    which take the place of the others at the end of `fit`, are masked as well.

    What it brings is files that compress well (zip, gzip, an app store's download). LiteRT
    multiplies by zeros as by other numbers: neither its files nor its latency become smaller by
    zeros that stand anywhere.

    Steps are those of this `fit`, wherever the optimizer of a model out of a file stands, and those
    of an interrupted run that `keras.callbacks.BackupAndRestore` brings back.

    tensorflow-model-optimization, which has such a callback, works on Keras 2 alone.

    Source: Zhu & Gupta 2017, "To prune, or not to prune: exploring the efficacy of pruning for
    model compression".

    Args:
        sparsity: the share of zeros at the end, in (0, 1).
        end_step: the step by which it is reached; leave some for fine-tuning.
        begin_step: the step before the first that prunes.
        initial_sparsity: the share with which it begins.
        frequency: steps between two choices of what is zero.

    Raises:
        ValueError: a number is out of its range; when training begins: there is nothing to prune.

    Example:

    >>> pruning = MagnitudePruning(sparsity=0.8, end_step=100)
    >>> [round(pruning.share(step), 2) for step in (0, 25, 50, 100, 200)]
    [0.0, 0.46, 0.7, 0.8, 0.8]
    """

    def __init__(
        self,
        sparsity: float,
        end_step: int,
        begin_step: int = 0,
        initial_sparsity: float = 0.0,
        frequency: int = 10,
    ):
        super().__init__()
        check_number("sparsity", sparsity)
        check_number("initial_sparsity", initial_sparsity)
        if not 0 < sparsity < 1:
            raise ValueError(f"sparsity must be a share in (0, 1), such as 0.8; got {sparsity}.")
        if not 0 <= initial_sparsity <= sparsity:
            raise ValueError(
                f"initial_sparsity must be from 0 to sparsity={sparsity}; got {initial_sparsity}."
            )
        check_count("begin_step", begin_step, least=0)
        check_count("end_step", end_step, least=begin_step + 1)
        check_count("frequency", frequency)
        self.sparsity = sparsity
        self.end_step = end_step
        self.begin_step = begin_step
        self.initial_sparsity = initial_sparsity
        self.frequency = frequency
        self._first = self._step = 0
        self._kept: dict[str, np.ndarray] = {}

    def share(self, step: int) -> float:
        """How much of each weight is zero after a step."""
        if step <= self.begin_step:
            return self.initial_sparsity if step == self.begin_step else 0.0
        left = max(self.end_step - step, 0) / (self.end_step - self.begin_step)
        return self.sparsity + (self.initial_sparsity - self.sparsity) * left**3

    def set_model(self, model: keras.Model) -> None:
        """Begins to count: only afterwards is a backup brought back."""
        super().set_model(model)
        self._first = int(model.optimizer.iterations)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Checks that there are weights, and goes on where a run was interrupted."""
        _weights(self.model)
        self._step = self._taken()
        self._kept = {}

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Chooses anew every `frequency` steps, and takes back what the optimizer changed."""
        # A call may hold several steps.
        before, self._step = self._step, self._taken()
        if self._step < self.begin_step:
            return
        due = self._step // self.frequency > before // self.frequency
        reached = before < self.end_step <= self._step
        if not self._kept or (due and before < self.end_step) or reached:
            self._choose()
        self._mask()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Masks the finished weights, which may be averages."""
        if self._kept:
            self._mask()

    def _taken(self) -> int:
        return int(self.model.optimizer.iterations) - self._first

    def _choose(self) -> None:
        share = self.share(self._step)
        for weight in _weights(self.model):
            sizes = np.abs(_array(weight)).ravel()
            kept = np.ones(sizes.size, "float32")
            # What is zero already is the smallest, so that zeros stay.
            kept[np.argsort(sizes, kind="stable")[: round(share * sizes.size)]] = 0
            self._kept[weight.path] = kept.reshape(weight.shape)

    def _mask(self) -> None:
        for weight in _weights(self.model):
            weight.assign(weight * self._kept[weight.path])


def _array(weight: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(weight)


def _weights(model: keras.Model) -> list[Any]:
    """The kernels and tables that are trained, of at least two dimensions."""
    found = [
        weight
        for weight in model.trainable_weights
        if weight.path.rsplit("/", 1)[-1] in PRUNED and len(weight.shape) > 1
    ]
    if not found:
        raise ValueError(
            f"model {model.name!r} has no trainable {' or '.join(PRUNED)} to prune; if it is not "
            "built yet, call it on a batch first."
        )
    return found
