"""`relevance`: which tokens an answer rests on, by attention and its gradients."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from mmkeras.model import MultimodalModel
from mmkeras.transparency.attribution import Attribution
from mmkeras.transparency.opened import Opened
from mmkeras.transparency.rollout import attended, block_diagonal


def relevance(
    model: MultimodalModel,
    sample: Mapping[str, Any],
    task: str | None = None,
    of: str | None = None,
) -> Attribution:
    """Attention that raises the evidence, added up through all layers of encoders and fusion.

    Of each layer only that counts whose gradient is positive, mean over heads: R becomes R + Ā R,
    from the identity on. Where the source looks at the row of the token that is classified, here
    the rows of all tokens that the head is given are added, each weighted by what it adds to the
    evidence (gradient times value, where that is positive).

    Source: Chefer, Gur & Wolf 2021, "Generic Attention-Model Explainability", equations 5 and 6.

    Args:
        model: the model; encoders and fusion have to be Transformers, see `rollout`.
        sample: `{field: value}`, as `MultimodalModel.answer` takes it.
        task: whose answer is explained; None: the only one.
        of: the class to explain; None: the one that is answered.

    Returns:
        Scores of at least 0, all fields together summing to 1 (or to 0 where nothing speaks for
        the answer).

    Raises:
        ValueError: the task's answers cannot be explained, there is no such class, or see
            `rollout`.

    Example:

    >>> import mmkeras as mm
    >>> model = mm.MultimodalModel({"text": mm.Text.tiny()},
    ...                            {"mood": mm.Classification(["up", "down"])}, size="tiny")
    >>> bool((relevance(model, {"text": "the dog"}).scores["text"] >= 0).all())
    True
    """
    opened = Opened(model, sample, task)
    of = opened.answer() if of is None else of
    with tf.GradientTape() as tape:
        # Frozen weights are not watched by themselves.
        tape.watch([v.value for v in model.variables if "float" in v.dtype])
        seen = attended(opened)
        evidence = opened.evidence(seen.fused, of)
    values = {field: token.values for field, token in seen.fused.items()}
    gradients: Any = tape.gradient(
        evidence,
        (seen.encoders, seen.fusion, values),
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )
    of_encoders, of_fusion, of_values = gradients
    blocks = []
    for field in seen.fields:
        block = np.eye(seen.tokens[field].mask.shape[1])
        for weights, gradient in zip(seen.encoders[field], of_encoders[field]):
            block = block + _raising(weights, gradient) @ block
        blocks.append(block)
    reached = block_diagonal(blocks)
    for weights, gradient in zip(seen.fusion, of_fusion):
        reached = reached + _raising(weights, gradient) @ reached
    added = [
        tf.nn.relu(tf.reduce_sum(values[field] * of_values[field], axis=-1))[0].numpy()
        for field in seen.fields
    ]
    kept = np.concatenate([seen.tokens[field].mask.numpy()[0] for field in seen.fields])
    scores = np.where(kept, (np.concatenate(added) * kept) @ reached, 0.0)
    total = scores.sum()
    return Attribution(
        "relevance", opened.task, of, seen.by_field(scores / total if total > 0 else scores)
    )


def _raising(weights: Any, gradient: Any) -> np.ndarray:
    """float64 [T, T]: what of a layer's attention raises the evidence, mean over heads."""
    return tf.reduce_mean(tf.nn.relu(weights * gradient), axis=1)[0].numpy().astype("float64")
