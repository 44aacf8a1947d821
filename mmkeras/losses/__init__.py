"""Losses of each sample, in `keras.ops`."""

from mmkeras.losses.alignment import forward_sum
from mmkeras.losses.contrastive import info_nce, pairwise_sigmoid
from mmkeras.losses.crf import crf_negative_log_likelihood
from mmkeras.losses.cross_entropy import (
    binary_cross_entropy,
    cross_entropy,
    masked_cross_entropy,
)
from mmkeras.losses.ctc import alignable, ctc_loss
from mmkeras.losses.distillation import distillation
from mmkeras.losses.huber import huber
from mmkeras.losses.spectral import log_magnitude_error, turn_error
from mmkeras.losses.uncertainty import uncertainty_weighted

__all__ = [
    "alignable",
    "binary_cross_entropy",
    "crf_negative_log_likelihood",
    "cross_entropy",
    "ctc_loss",
    "distillation",
    "forward_sum",
    "huber",
    "info_nce",
    "log_magnitude_error",
    "masked_cross_entropy",
    "pairwise_sigmoid",
    "turn_error",
    "uncertainty_weighted",
]
