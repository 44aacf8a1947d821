"""Gaps between slices: which are worse off, and whether chance alone explains it."""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

#: What chance alone would make as seldom, of all that is tested together, is no chance.
LEVEL = 0.05
_RANKS_AT_ONCE = 4_000_000


@dataclasses.dataclass(frozen=True)
class Gap:
    """One group against all other samples.

    Attributes:
        slice: name of the slice, such as the column `voice`.
        group: the group, such as `anna`.
        task: whose loss it is.
        loss: mean loss of the group.
        rest: mean loss of all others.
        count: samples of the group that count.
        p_value: how often chance alone makes a gap as large anywhere, see `gaps`.
        alarm: whether the group is worse off and chance is no good explanation.
        tested: whether it and the others have enough samples; else the p-value is 1.
    """

    slice: str
    group: str
    task: str
    loss: float
    rest: float
    count: int
    p_value: float
    alarm: bool
    tested: bool = True


def gaps(
    losses: Mapping[str, np.ndarray],
    slices: Mapping[str, np.ndarray],
    min_count: int = 30,
    permutations: int = 2_000,
    seed: int = 0,
) -> list[Gap]:
    """Every group's mean loss against the others', tested by permutation.

    Loss is what every task has for every sample, in small steps, so that it tells a difference
    sooner than right and wrong do. Under the hypothesis that groups do not matter, samples may be
    dealt to the groups anew: the share of deals in which the largest standardised gap of all groups
    of all slices is at least the one observed is the p-value (Westfall & Young 1993, max-T), so
    that alarms without a cause come in at most one report of twenty, however many groups there are.
    Ranks stand for losses in the test, since one sample of a huge loss makes no group.

    Args:
        losses: `{task: float [N]}`, NaN where a sample has no label.
        slices: `{slice: group of each sample [N]}`.
        min_count: groups of fewer samples are not tested: their p-value is 1.
        permutations: how often samples are dealt anew.
        seed: of the deals.

    Returns:
        A gap for each task, slice and group, the most significant first.

    Raises:
        ValueError: there are not as many losses as samples in groups.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> groups = np.array(["anna", "ben"] * 100, dtype=object)
    >>> losses = rng.exponential(size=200) + (groups == "ben")
    >>> worst = gaps({"category": losses}, {"voice": groups})[0]
    >>> worst.group, worst.alarm
    ('ben', True)
    """
    for values, groups in itertools.product(losses.values(), slices.values()):
        if len(values) != len(groups):
            raise ValueError(f"there are {len(values)} losses, but the groups of {len(groups)}.")
    found: list[tuple[Any, ...]] = []
    observed: list[float] = []
    largest = np.full(permutations, -np.inf)
    for task, values in losses.items():
        there = ~np.isnan(values)
        kept = values[there]
        ranks = _ranks(kept)
        contrasts = []
        for name, groups in slices.items():
            for group in sorted({*groups[there]}):
                member = groups[there] == group
                count, others = int(member.sum()), int((~member).sum())
                if not others:
                    continue
                contrast = _contrast(member)
                tested = min(count, others) >= min_count
                if tested:
                    contrasts.append(contrast)
                observed.append(float(ranks @ contrast) if tested else -np.inf)
                found.append((name, group, task, kept[member].mean(), kept[~member].mean(), count))
        if contrasts:
            dealt = _dealt(ranks, np.stack(contrasts, axis=1), permutations, seed)
            largest = np.maximum(largest, dealt)
    made = []
    for (name, group, task, loss, rest, count), statistic in zip(found, observed):
        # The deal that was observed is one of those that chance makes.
        tested = math.isfinite(statistic)
        p = (1 + int((largest >= statistic).sum())) / (permutations + 1) if tested else 1.0
        alarm = p < LEVEL and statistic > 0
        made.append(Gap(name, group, task, float(loss), float(rest), count, p, alarm, tested))
    return sorted(made, key=lambda gap: (gap.p_value, gap.rest - gap.loss))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks, equal for equal values, centred and scaled to a deviation of 1."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[inverse]
    spread = ranks.std()
    return (ranks - ranks.mean()) / spread if spread else np.zeros(len(ranks))


def _contrast(member: np.ndarray) -> np.ndarray:
    """float [N]: with it ranks sum to the gap of their means, in deviations of chance."""
    n, m = int(member.sum()), int((~member).sum())
    return np.where(member, 1 / n, -1 / m) / np.sqrt(1 / n + 1 / m)


def _dealt(ranks: np.ndarray, contrasts: np.ndarray, times: int, seed: int) -> np.ndarray:
    """float [times]: the largest of all contrasts [N, G] in each deal."""
    random = np.random.default_rng(seed)
    at_once = max(_RANKS_AT_ONCE // len(ranks), 1)
    largest = []
    for start in range(0, times, at_once):
        deals = np.tile(ranks, (min(at_once, times - start), 1))
        largest.append((random.permuted(deals, axis=1) @ contrasts).max(axis=1))
    return np.concatenate(largest)


def largest_difference(values: Mapping[str, float | None]) -> tuple[float, str, str] | None:
    """The largest difference of a measure between two groups: it, the lowest and the highest.

    Args:
        values: the measure of each group; None where it is undefined.

    Returns:
        None where fewer than two groups have one.

    Example:

    >>> largest_difference({"anna": 0.9, "ben": 0.7, "eva": None})
    (0.2, 'ben', 'anna')
    """
    known: Sequence[tuple[float, str]] = sorted(
        (value, group) for group, value in values.items() if value is not None
    )
    if len(known) < 2:
        return None
    (low, lowest), (high, highest) = known[0], known[-1]
    return round(high - low, 12), lowest, highest
