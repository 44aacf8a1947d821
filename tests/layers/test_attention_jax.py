"""Attention on Keras' JAX backend, by its fused kernel, equals attention on TensorFlow."""

from pathlib import Path

import numpy as np

ON_JAX = """
import jax
import keras
import numpy as np

from tests_attention_jax import attend, cases, tensors

assert keras.backend.backend() == "jax"
found = {}
for case in cases():
    loss = lambda *qkv: (attend(case, *qkv) * tensors()[3]).sum()
    for name, value in zip("qkv", jax.grad(loss, argnums=(0, 1, 2))(*tensors()[:3])):
        found[f"{case}/{name}"] = value
    found[f"{case}/result"] = jax.jit(lambda *qkv: attend(case, *qkv))(*tensors()[:3])
np.savez("found.npz", **found)
"""


def cases():
    """The arguments of each case, by name."""
    from mmkeras.layers import ALiBi, AttentionMask

    lengths = np.array([5, 0], "int32")
    segments = np.array([[1, 1, 2, 2, 2, 0]] * 2, "int32")
    return {
        "plain": {},
        "causal": {"mask": AttentionMask(causal=True)},
        "window": {"mask": AttentionMask(causal=True, window=2)},
        "padding": {"mask": np.arange(6) < lengths[:, None]},
        "packed": {"mask": AttentionMask(query_segments=segments, key_segments=segments)},
        "bias": {"bias": ALiBi(4).at(0)},
        "soft cap": {"soft_cap": 2.0},
        "scale": {"scale": 0.1, "mask": AttentionMask(causal=True)},
    }


def tensors():
    """Queries of 4 heads, keys and values of 2, and the gradient of the result."""
    random = np.random.default_rng(0)
    return [random.normal(size=(2, 6, n, 8)).astype("float32") for n in (4, 2, 2, 4)]


def attend(case, *qkv):
    from mmkeras.layers import dot_product_attention

    return dot_product_attention(*qkv, **cases()[case])


def test_results_and_gradients_are_those_on_tensorflow(in_backend, tmp_path):
    import tensorflow as tf

    (tmp_path / "tests_attention_jax.py").write_text(Path(__file__).read_text())
    in_backend("jax", ON_JAX)
    found = np.load(tmp_path / "found.npz")
    *qkv, upstream = map(tf.constant, tensors())
    for case in cases():
        with tf.GradientTape() as tape:
            tape.watch(qkv)
            result = attend(case, *qkv)
        np.testing.assert_allclose(found[f"{case}/result"], result, atol=2e-5, err_msg=case)
        changes = tape.gradient(result, qkv, output_gradients=upstream)
        for name, change in zip("qkv", changes):
            np.testing.assert_allclose(
                found[f"{case}/{name}"], change, atol=2e-5, err_msg=f"{case}, {name}"
            )
