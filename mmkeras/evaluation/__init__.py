"""Evaluation: the tasks' own metrics, for every subset of the fields."""

from mmkeras.evaluation.baselines import baselines
from mmkeras.evaluation.scores import evaluate_scores
from mmkeras.evaluation.subsets import evaluate_subsets, subsets

__all__ = ["baselines", "evaluate_scores", "evaluate_subsets", "subsets"]
