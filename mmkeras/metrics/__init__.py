"""Metrics that Keras does not have, one in each file."""

from mmkeras.metrics.masked_accuracy import MaskedAccuracy

__all__ = ["MaskedAccuracy"]
