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

#: cuDNN's kernel is chosen where it is right and fast: (dtype, queries, keys, D, mask, whether).
ON_GPU = """
import types

import jax
import keras
from keras import ops

from mmkeras.layers import AttentionMask
from mmkeras.layers.attention import _has_flash_kernel

assert keras.backend.backend() == "jax"
everything, causal = AttentionMask(), AttentionMask(causal=True)
padding = AttentionMask(keys=ops.ones((2, 8), "bool"))
cases = [
    ("bfloat16", 8, 8, 64, everything, True),
    ("float16", 6, 8, 64, everything, True),
    ("bfloat16", 8, 8, 64, causal, True),
    ("float32", 8, 8, 64, everything, False),
    ("bfloat16", 7, 8, 64, everything, False),
    ("bfloat16", 8, 8, 20, everything, False),
    ("bfloat16", 6, 8, 64, causal, False),
    ("bfloat16", 8, 8, 64, AttentionMask(causal=True, window=3), False),
    ("bfloat16", 8, 8, 64, padding, False),
]
tensors = [[ops.ones((2, n, 1, c[3]), c[0]) for n in (c[1], c[2], c[2])] for c in cases]
gpu = types.SimpleNamespace(platform="gpu", compute_capability="9.0")
jax.devices = lambda: [gpu]
for case, qkv in zip(cases, tensors):
    assert _has_flash_kernel(*qkv, case[4]) == case[5], case
for capability in ("7.5", "gfx942"):
    gpu.compute_capability = capability
    assert not _has_flash_kernel(*tensors[0], everything)
gpu.compute_capability = "8.0"
assert _has_flash_kernel(*tensors[0], everything)
keras.config.disable_flash_attention()
assert not _has_flash_kernel(*tensors[0], everything)
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


def test_flash_attention_is_chosen_where_it_is_right(in_backend):
    in_backend("jax", ON_GPU)
