"""Evaluation: the tasks' own metrics on subsets of fields and slices of samples, as a report."""

from mmkeras.evaluation.baselines import baselines
from mmkeras.evaluation.calibration import calibrate, fitted_temperature, reliability
from mmkeras.evaluation.callback import Evaluation
from mmkeras.evaluation.estimate import Estimate
from mmkeras.evaluation.gaps import Gap, gaps
from mmkeras.evaluation.litert import LiteRTComparison, compare_litert
from mmkeras.evaluation.report import Report, evaluate
from mmkeras.evaluation.scores import evaluate_scores
from mmkeras.evaluation.slices import grouped
from mmkeras.evaluation.subsets import evaluate_subsets, subsets

__all__ = [
    "Estimate",
    "Evaluation",
    "Gap",
    "LiteRTComparison",
    "Report",
    "baselines",
    "calibrate",
    "compare_litert",
    "evaluate",
    "evaluate_scores",
    "evaluate_subsets",
    "fitted_temperature",
    "gaps",
    "grouped",
    "reliability",
    "subsets",
]
