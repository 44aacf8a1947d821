"""The encoder-decoder against `torch.nn.Transformer`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmkeras.layers import Residual, Transformer

pytestmark = [
    pytest.mark.filterwarnings("ignore:CUDA initialization"),
    pytest.mark.filterwarnings("ignore:enable_nested_tensor"),
]

RNG = np.random.default_rng(0)
SRC = RNG.normal(size=(2, 5, 8)).astype("float32")
TGT = RNG.normal(size=(2, 4, 8)).astype("float32")
SRC_MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], bool)


def build(norm_first=False, **options):
    residual = Residual(keras.layers.LayerNormalization(epsilon=1e-5), norm_first=norm_first)
    return Transformer(8, 2, 2, dim_feedforward=16, dropout=0.0, residual=residual, **options)


@pytest.mark.parametrize("norm_first", [True, False])
def test_is_pytorchs_transformer(from_torch, norm_first):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Transformer(
        8, 2, 2, 2, 16, dropout=0.0, batch_first=True, norm_first=norm_first
    )
    ours = build(norm_first)
    ours.build(SRC.shape, TGT.shape)
    from_torch.randomise(theirs)
    from_torch.transformer(theirs, ours)
    padding = torch.tensor(~SRC_MASK)
    later = torch.tensor(np.triu(np.ones((4, 4), bool), 1))
    src, tgt = (torch.tensor(part, requires_grad=True) for part in (SRC, TGT))
    expected = theirs(
        src,
        tgt,
        tgt_mask=later,
        src_key_padding_mask=padding,
        memory_key_padding_mask=padding,
    )
    weight = RNG.normal(size=TGT.shape).astype("float32")
    (expected * torch.tensor(weight)).sum().backward()
    inputs = [tf.constant(SRC), tf.constant(TGT)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        actual = ours(*inputs, src_mask=SRC_MASK)
        loss = tf.reduce_sum(actual * weight)
    kernel = ours.encoder.blocks[0].attention.query.kernel.value
    gradients = tape.gradient(loss, [*inputs, kernel])
    np.testing.assert_allclose(actual, expected.detach().numpy(), atol=2e-5)
    query = theirs.encoder.layers[0].self_attn.in_proj_weight.grad.numpy()[:8].T
    for ours_, theirs_ in zip(gradients, (src.grad.numpy(), tgt.grad.numpy(), query)):
        np.testing.assert_allclose(ours_, theirs_, atol=2e-4)


def test_step_by_step_is_all_at_once():
    ours = build()
    expected = np.array(ours(SRC, TGT, src_mask=SRC_MASK))
    state = ours.start(SRC, 4, SRC_MASK)
    for t in range(4):
        made, state = ours.step(TGT[:, t : t + 1], state)
        np.testing.assert_allclose(made[:, 0], expected[:, t], atol=1e-5)


def test_keras_passes_on_the_mask_of_the_source():
    ours = build()
    padded = np.where(SRC_MASK[..., None], SRC, 0).astype("float32")
    masked = keras.layers.Masking()(padded)
    np.testing.assert_allclose(ours(masked, TGT), ours(SRC, TGT, src_mask=SRC_MASK), atol=1e-5)


def test_comes_back_from_a_file(tmp_path):
    inputs = keras.Input((None, 8)), keras.Input((None, 8))
    model = keras.Model(inputs, build(True, activation="gelu", checkpoint=True)(*inputs))
    model.save(tmp_path / "transformer.keras")
    loaded = keras.saving.load_model(tmp_path / "transformer.keras")
    np.testing.assert_allclose(loaded([SRC, TGT]), model([SRC, TGT]), atol=1e-6)


def test_the_papers_defaults():
    ours = Transformer(512, 8, 1)
    assert ours.dim_feedforward == 2048 and ours.dropout == 0.1
    assert not ours.residual.norm_first
    assert ours.activation is keras.activations.relu


def test_bad_input():
    with pytest.raises(ValueError, match="num_layers must be at least 1; got 0"):
        Transformer(8, 2, 0)
    with pytest.raises(ValueError, match="num_heads=3 and dim=8"):
        Transformer(8, 3, 1)
    with pytest.raises(ValueError, match=r"src .* d_model = 8; got shape \(2, 5, 6\)"):
        build()(SRC[:, :, :6], TGT)
    with pytest.raises(ValueError, match=r"tgt .* d_model = 8; got shape \(2, 8\)"):
        build()(SRC, TGT[:, 0])
