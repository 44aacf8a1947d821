"""Evaluation: the tasks' own metrics, for every subset of the fields."""

from mmkeras.evaluation.baselines import baselines
from mmkeras.evaluation.litert import Comparison, compare_litert
from mmkeras.evaluation.scores import evaluate_scores
from mmkeras.evaluation.subsets import evaluate_subsets, subsets

__all__ = [
    "Comparison",
    "baselines",
    "compare_litert",
    "evaluate_scores",
    "evaluate_subsets",
    "subsets",
]
