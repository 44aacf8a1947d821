"""Measures of segmentation, against scikit-learn's confusion matrix."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from mmkeras.metrics.segmentation import MeanOverlap, segmentation_scores

CLASSES = ("sky", "sea", "sand", "ship")


def masks(seed):
    random = np.random.default_rng(seed)
    pairs = []
    for _ in range(5):
        shape = random.integers(1, 30, 2)
        true = random.integers(0, 3, shape).astype("uint8")  # No ship.
        answered = np.where(random.uniform(size=shape) < 0.4, true, random.integers(0, 3, shape))
        true[random.uniform(size=shape) < 0.2] = 255
        pairs.append((answered.astype("uint8"), true))
    return pairs


@pytest.mark.parametrize("seed", range(10))
def test_is_what_the_confusion_matrix_says(seed):
    pairs = masks(seed)
    known = [true != 255 for _, true in pairs]
    answered = np.concatenate([a[k] for (a, _), k in zip(pairs, known)])
    true = np.concatenate([t[k] for (_, t), k in zip(pairs, known)])
    matrix = confusion_matrix(true, answered, labels=range(3))
    expected = np.diag(matrix) / (matrix.sum(0) + matrix.sum(1) - np.diag(matrix))
    scores = segmentation_scores(pairs, CLASSES)
    assert list(scores["iou_by_class"].values())[:3] == pytest.approx(expected.tolist())
    assert np.isnan(scores["iou_by_class"]["ship"])
    assert scores["mIoU"] == pytest.approx(expected.mean())
    assert scores["pixel_accuracy"] == pytest.approx(np.diag(matrix).sum() / matrix.sum())


def test_the_metric_of_fit_is_the_same_in_batches_and_leaves_out_what_has_no_weight():
    random = np.random.default_rng(0)
    true = random.integers(-1, 3, (6, 8, 8))
    logits = random.normal(size=(6, 8, 8, 4)).astype("float32")
    metric = MeanOverlap(4)
    metric.update_state(true[:3], logits[:3], np.ones(3))
    metric.update_state(true[3:], logits[3:], np.array([1.0, 0, 1]))
    answered = logits.argmax(-1).astype("uint8")
    kept = [0, 1, 2, 3, 5]
    pairs = [(answered[i], np.where(true[i] < 0, 255, true[i]).astype("uint8")) for i in kept]
    assert float(metric.result()) == pytest.approx(
        segmentation_scores(pairs, CLASSES)["mIoU"], abs=1e-6
    )


def test_masks_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 3\) does not fit its answer of \(3, 2\)"):
        segmentation_scores([(np.zeros((3, 2), "uint8"), np.zeros((2, 3), "uint8"))], CLASSES)
