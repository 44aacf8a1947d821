"""Metrics that Keras does not have, in `keras.ops`: they work inside `fit`.

`coco_scores` alone does not: it takes what a person reads.
"""

from mmkeras.metrics.by_class import AUC, F1
from mmkeras.metrics.coco import coco_scores
from mmkeras.metrics.entity_f1 import EntityF1
from mmkeras.metrics.masked_accuracy import MaskedAccuracy
from mmkeras.metrics.matthews_correlation import MatthewsCorrelation

__all__ = ["AUC", "F1", "EntityF1", "MaskedAccuracy", "MatthewsCorrelation", "coco_scores"]
