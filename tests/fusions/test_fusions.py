"""Who hears whom: in `Late` nobody, in the others everybody."""

import numpy as np
import pytest

from mmkeras import fusions
from mmkeras.fusions import Bottleneck, Late
from mmkeras.layers import Size
from mmkeras.testing.tokens import random_tokens
from mmkeras.tokens import Tokens


def influence(fusion):
    """By how much field "a" of the full sample changes when field "b" says something else."""
    tokens = random_tokens()
    before = np.array(fusion(tokens)["a"].values)[0]
    tokens["b"] = Tokens(-tokens["b"].values, tokens["b"].mask)
    return np.abs(np.array(fusion(tokens)["a"].values)[0] - before).max()


@pytest.mark.parametrize("name", fusions.__all__)
def test_fields_hear_each_other(name):
    fusion = getattr(fusions, name).of_size("tiny")
    if isinstance(fusion, Late):
        assert influence(fusion) == 0.0
    else:
        depth = 2 if isinstance(fusion, Bottleneck) else 1
        assert influence(type(fusion).of_size(Size(16, depth, 2, 32))) > 1e-4


def test_a_bottleneck_needs_two_rounds():
    """In the first the bottleneck listens, in the second it speaks."""
    assert influence(Bottleneck(Size(16, 1, 2, 32).block(), 1)) == 0.0
