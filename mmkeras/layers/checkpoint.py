"""Gradient checkpointing: a layer's activations are computed again instead of kept.

Source: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
"""

from typing import Any

import keras
from keras import ops


def checkpointed(layer: keras.layers.Layer, *tensors: Any, **arguments: Any) -> Any:
    """`layer(*tensors, **arguments)`, whose backward pass computes the layer once more.

    The second pass is given the variables' values of the first, the states of random generators
    among them: dropout leaves out the same units twice, and the gradient is exact.

    Args:
        layer: a built layer that returns one tensor.
        tensors: its float tensors, by position; gradients flow to these.
        arguments: its other arguments, by name, such as masks.

    Returns:
        What the layer returns.

    Example:

    >>> import numpy as np
    >>> layer = keras.layers.Dense(3)
    >>> x = np.ones((2, 4), "float32")
    >>> expected = np.array(layer(x))
    >>> bool(np.allclose(checkpointed(layer, x), expected))
    True
    """
    weights = [ops.convert_to_tensor(variable.value) for variable in layer.trainable_variables]
    # Copies: what is read may share memory with a variable that the layer then updates.
    others = [ops.copy(variable.value) for variable in layer.non_trainable_variables]

    def run(*given: Any) -> Any:
        inputs, weights = given[: len(tensors)], given[len(tensors) :]
        return layer.stateless_call(weights, others, *inputs, **arguments)

    inputs = [ops.convert_to_tensor(tensor) for tensor in tensors]
    result, updated = keras.remat(run)(*inputs, *weights)
    for variable, value in zip(layer.non_trainable_variables, updated):
        variable.assign(value)
    return result
