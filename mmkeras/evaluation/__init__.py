"""Evaluation: the tasks' own metrics on subsets of fields and slices of samples, as a report."""

from mmkeras.evaluation.baselines import baselines
from mmkeras.evaluation.calibration import calibrate, fitted_temperature, reliability
from mmkeras.evaluation.callback import Evaluation
from mmkeras.evaluation.comparison import Comparison, Difference, compare
from mmkeras.evaluation.corruptions import Change, Corrupted, corruptions
from mmkeras.evaluation.estimate import Estimate
from mmkeras.evaluation.fairness import Disparity, fairness
from mmkeras.evaluation.field_shares import field_shares
from mmkeras.evaluation.gaps import Gap, gaps
from mmkeras.evaluation.litert import LiteRTComparison, compare_litert
from mmkeras.evaluation.page import save_page
from mmkeras.evaluation.report import Report, evaluate
from mmkeras.evaluation.robustness import robustness
from mmkeras.evaluation.scores import evaluate_scores
from mmkeras.evaluation.slices import grouped
from mmkeras.evaluation.subsets import evaluate_subsets, subsets
from mmkeras.evaluation.worst import WorstSample, worst

__all__ = [
    "Change",
    "Comparison",
    "Corrupted",
    "Difference",
    "Disparity",
    "Estimate",
    "Evaluation",
    "Gap",
    "LiteRTComparison",
    "Report",
    "WorstSample",
    "baselines",
    "calibrate",
    "compare",
    "compare_litert",
    "corruptions",
    "evaluate",
    "evaluate_scores",
    "evaluate_subsets",
    "fairness",
    "field_shares",
    "fitted_temperature",
    "gaps",
    "grouped",
    "reliability",
    "robustness",
    "save_page",
    "subsets",
    "worst",
]
