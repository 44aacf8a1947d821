"""`Goal`: which trial of a tuning is better than another."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Self

from mmkeras.contracts.arguments import check_number
from mmkeras.metrics.direction import direction as direction_of


@dataclasses.dataclass(frozen=True)
class Goal:
    """A measure that is to become high or low, while others stay within limits.

    Attributes:
        objective: the measure's name.
        direction: `"max"` or `"min"`.
        limits: `{measure: the highest value that it may have}`.

    Example:

    >>> goal = Goal.of("val_mood_accuracy", limits={"latency_ms": 20})
    >>> goal.best([{"val_mood_accuracy": 0.8, "latency_ms": 9}, {"val_mood_accuracy": 0.9,
    ...            "latency_ms": 25}])
    0
    """

    objective: str
    direction: str
    limits: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(
        cls,
        objective: str,
        direction: str | None = None,
        limits: Mapping[str, float] | None = None,
    ) -> Self:
        """A goal whose direction is known by the name of the objective, unless it is given.

        Args:
            objective: see the class.
            direction: `"max"`, `"min"`, or None to go by the name.
            limits: see the class.

        Raises:
            ValueError: another word, or a name that does not tell the direction; a limit that is
                no number.
        """
        if direction is None:
            direction = direction_of(objective)
        if direction not in ("min", "max"):
            raise ValueError(
                f"whether {objective!r} is to become high or low is not known from its name: give "
                "the direction, 'max' or 'min'."
                if direction is None
                else f"direction must be 'max' or 'min'; got {direction!r}."
            )
        for name, limit in (limits or {}).items():
            check_number(f"the limit of {name}", limit)
        return cls(objective, direction, dict(limits or {}))

    @property
    def names(self) -> list[str]:
        """The measures that it needs."""
        return [self.objective, *self.limits]

    def excess(self, measured: Mapping[str, float]) -> float:
        """How far over the limits: the sum of what is above each, as a share of the limit.

        Args:
            measured: the numbers of one trial.
        """
        over = 0.0
        for name, limit in self.limits.items():
            if not measured[name] <= limit:
                above = measured[name] - limit
                over += math.inf if math.isnan(above) else above / (abs(limit) or 1.0)
        return over

    def is_better(self, one: float, other: float) -> bool:
        """Whether one value of the objective is better than another."""
        return one > other if self.direction == "max" else one < other

    def best(self, trials: Sequence[Mapping[str, float]]) -> int | None:
        """The place of the best that is within the limits; the first of equals; None if none is.

        Args:
            trials: the numbers of each.
        """
        found = None
        for i, measured in enumerate(trials):
            if self.excess(measured) > 0:
                continue
            if found is None or self.is_better(
                measured[self.objective], trials[found][self.objective]
            ):
                found = i
        return found

    def nearest(self, trials: Sequence[Mapping[str, float]]) -> int:
        """The place of the trial that is least over the limits."""
        return min(range(len(trials)), key=lambda i: self.excess(trials[i]))

    def scores(self, trials: Sequence[Mapping[str, float]]) -> list[float]:
        """What a search goes by: the objective, worse than all others' where a limit is broken.

        Deb 2000, "An Efficient Constraint Handling Method for Genetic Algorithms": whoever is over
        a limit gets the worst objective of those within, made worse by how far over it is: here by
        e / (1 + e) of the spread of their objectives, e being the excess. So the search learns
        where the limits are, and which way leads back, whatever the units.

        Args:
            trials: the numbers of each.
        """
        inside = [m[self.objective] for m in trials if not self.excess(m)]
        worst = (min if self.direction == "max" else max)(inside, default=0.0)
        spread = max(inside, default=0.0) - min(inside, default=0.0) or 1.0
        worse = -spread if self.direction == "max" else spread
        over = [1 - 1 / (1 + self.excess(measured)) for measured in trials]
        return [
            worst + worse * share if share else measured[self.objective]
            for share, measured in zip(over, trials)
        ]
