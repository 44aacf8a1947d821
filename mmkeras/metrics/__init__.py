"""Metrics that Keras does not have, in `keras.ops`: they work inside `fit`."""

from mmkeras.metrics.by_class import AUC, F1
from mmkeras.metrics.entity_f1 import EntityF1
from mmkeras.metrics.masked_accuracy import MaskedAccuracy
from mmkeras.metrics.matthews_correlation import MatthewsCorrelation

__all__ = ["AUC", "F1", "EntityF1", "MaskedAccuracy", "MatthewsCorrelation"]
