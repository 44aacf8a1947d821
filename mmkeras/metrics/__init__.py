"""Metrics that Keras does not have, in `keras.ops`: they work inside `fit`.

`coco_scores` and `segmentation_scores` alone do not: they take what a person reads.
"""

from mmkeras.metrics.accuracy import Accuracy, TopAccuracy
from mmkeras.metrics.by_class import AUC, F1
from mmkeras.metrics.coco import coco_scores
from mmkeras.metrics.entity_f1 import EntityF1
from mmkeras.metrics.masked_accuracy import MaskedAccuracy
from mmkeras.metrics.matthews_correlation import MatthewsCorrelation
from mmkeras.metrics.segmentation import MeanOverlap, segmentation_scores

__all__ = [
    "AUC",
    "F1",
    "Accuracy",
    "EntityF1",
    "MaskedAccuracy",
    "MatthewsCorrelation",
    "MeanOverlap",
    "TopAccuracy",
    "coco_scores",
    "segmentation_scores",
]
