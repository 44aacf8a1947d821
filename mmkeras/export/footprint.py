"""`footprint`: what a model costs to keep and to run."""

import dataclasses

import tensorflow as tf

from mmkeras.export.signatures import tensors_signature
from mmkeras.model import MultimodalModel
from mmkeras.quiet import quiet_tensorflow


@dataclasses.dataclass(frozen=True)
class Footprint:
    """What a model costs.

    Attributes:
        parameters: how many weights it has.
        trainable: how many of them training changes.
        flops: floating-point operations of one answer to one sample of the full lengths, a product
            and a sum counting as two.
    """

    parameters: int
    trainable: int
    flops: int


def footprint(model: MultimodalModel) -> Footprint:
    """Counts weights, and the operations of one forward pass, by TensorFlow's own profiler.

    What the profiler knows no count for, such as a Fourier transform, is left out, and a loop
    counts once: a model that writes step by step takes more. Where answers are drawn, loops do not
    count at all.

    Args:
        model: the model.

    Example:

    >>> import mmkeras as mm
    >>> model = mm.MultimodalModel({"text": mm.Text.tiny()}, {"stars": mm.Regression()},
    ...                            size="tiny")
    >>> found = footprint(model)
    >>> found.parameters == model.count_params(), found.flops > found.parameters
    (True, True)
    """
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    function = tensors_signature(model, batch_size=1).get_concrete_function()
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    # The profiler tells those who wrote it that it is old, and the conversion that it does without
    # the names of lookup tables.
    with quiet_tensorflow():
        graph = function.graph
        # The seed of what is drawn changes: it is no constant.
        if not any(task.draws for task in model.tasks.values()):
            graph = convert_variables_to_constants_v2(function).graph
        found = tf.compat.v1.profiler.profile(graph, cmd="op", options=options | {"output": "none"})
    trainable = sum(int(tf.size(weight.value)) for weight in model.trainable_weights)
    return Footprint(model.count_params(), trainable, int(found.total_float_ops))
