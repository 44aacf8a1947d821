"""The loss of segmentation, against loops over pixels."""

import numpy as np
import pytest

from mmkeras.losses.segmentation import segmentation_loss

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(3, 4, 5, 3)).astype("float32")
TARGET = RANDOM.integers(-1, 3, (3, 4, 5))
TARGET[1] = np.where(TARGET[1] == 2, 0, TARGET[1])  # A class that a picture does not hold.
TARGET[2] = -1


@pytest.mark.parametrize("weights", [None, (1.0, 0.5, 3.0)])
@pytest.mark.parametrize("dice_weight", [0.0, 0.7])
def test_is_its_formula(weights, dice_weight):
    made = segmentation_loss(TARGET, LOGITS, weights, dice_weight)
    for b in range(2):
        p = np.exp(LOGITS[b].astype("float64"))
        p /= p.sum(-1, keepdims=True)
        entropy = count = 0.0
        for y, x in zip(*np.nonzero(TARGET[b] >= 0)):
            kind = TARGET[b, y, x]
            weight = 1.0 if weights is None else weights[kind]
            entropy -= weight * np.log(p[y, x, kind])
            count += weight
        known = TARGET[b] >= 0
        dices = []
        for kind in range(3):
            q = TARGET[b] == kind
            if q.any():
                both = 2 * (p[..., kind] * q)[known].sum()
                dices.append(1 - both / (p[known][:, kind].sum() + q.sum()))
        expected = entropy / count + dice_weight * np.mean(dices)
        assert float(made[b]) == pytest.approx(expected, rel=1e-5)
    assert float(made[2]) == 0
