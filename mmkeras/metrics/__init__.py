"""Metrics that Keras does not have, in `keras.ops`: they work inside `fit`.

`coco_scores`, `segmentation_scores`, `retrieval_scores`, those of texts and of speech do not: they
take all answers at once.
"""

from mmkeras.metrics.accuracy import Accuracy, TopAccuracy
from mmkeras.metrics.by_class import AUC, F1
from mmkeras.metrics.cider import cider
from mmkeras.metrics.coco import coco_scores
from mmkeras.metrics.entity_f1 import EntityF1
from mmkeras.metrics.masked_accuracy import MaskedAccuracy
from mmkeras.metrics.matthews_correlation import MatthewsCorrelation
from mmkeras.metrics.retrieval import retrieval_scores
from mmkeras.metrics.segmentation import MeanOverlap, segmentation_scores
from mmkeras.metrics.speech import (
    duration_error,
    dynamic_time_warping,
    f0_error,
    mel_cepstral_distortion,
)
from mmkeras.metrics.text import bleu, chrf, exact_match, rouge_l
from mmkeras.metrics.token_error_rate import TokenErrorRate
from mmkeras.metrics.vqa_accuracy import vqa_accuracy

__all__ = [
    "AUC",
    "F1",
    "Accuracy",
    "EntityF1",
    "MaskedAccuracy",
    "MatthewsCorrelation",
    "MeanOverlap",
    "TokenErrorRate",
    "TopAccuracy",
    "bleu",
    "chrf",
    "cider",
    "coco_scores",
    "duration_error",
    "dynamic_time_warping",
    "exact_match",
    "f0_error",
    "mel_cepstral_distortion",
    "retrieval_scores",
    "rouge_l",
    "segmentation_scores",
    "vqa_accuracy",
]
