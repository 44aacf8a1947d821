"""`Tokens`: the one currency that every part of a model takes and gives.

Shape legend, used in every docstring and comment of the package:

    B batch · T tokens or time steps · S source tokens, or samples of a waveform · D dim
    N heads · H, W pixels or grid cells · F fields · K classes
"""

from typing import Any, NamedTuple

#: (rows, columns) of each grid whose cells tokens are.
Grids = tuple[tuple[int, int], ...]


class Tokens(NamedTuple):
    """A batch of token sequences: what encoders make, fusions mix and heads read.

    Attributes:
        values: float tensor [B, T, D]; what stands at masked places never changes a result.
        mask: bool tensor [B, T], True = a real token. A row without one True is an absent field.

    Example:

    >>> import numpy as np
    >>> tokens = Tokens(values=np.zeros((2, 3, 8), "float32"), mask=np.ones((2, 3), bool))
    >>> tokens.values.shape, tokens.mask.shape
    ((2, 3, 8), (2, 3))
    """

    values: Any
    mask: Any


class Layout(NamedTuple):
    """What of the raw value a field's tokens stand for.

    Attributes:
        grids: (rows, columns) of the grids, finest first, whose cells the tokens are.
        step_s: seconds between the beginnings of two tokens; 0 where they are no steps in time.
    """

    grids: Grids = ()
    step_s: float = 0.0
