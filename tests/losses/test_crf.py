"""The loss of a conditional random field, against all sequences there are."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmkeras.layers import TagScheme
from mmkeras.losses import crf_negative_log_likelihood, cross_entropy

SEEDS = range(5)


def random_tags(mask, size, seed=0):
    tags = np.random.default_rng(seed).integers(0, size, mask.shape)
    return np.where(mask, tags, -1)


def by_hand(every_tagging, tags, scores, mask, *tables):
    losses = []
    for row in range(len(scores)):
        found = every_tagging(scores[row], mask[row], *tables)
        all_of_them = np.logaddexp.reduce(list(found.values()))
        losses.append(all_of_them - found[tuple(tags[row][mask[row]].tolist())])
    return np.array(losses)


@pytest.mark.parametrize("seed", SEEDS)
def test_is_brute_force(every_tagging, random_chains, seed):
    scores, mask, *tables = random_chains(seed)
    tags = random_tags(mask, 3, seed)
    actual = np.array(crf_negative_log_likelihood(tags, scores, mask, *tables))
    expected = by_hand(every_tagging, tags, scores, mask, *tables)
    assert actual.dtype == np.float32 and actual.shape == (4,)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
    assert actual[-1] == 0.0


def gradients(tags, scores, mask, *tables, weights):
    parts = [tf.constant(part) for part in (scores, *tables)]
    with tf.GradientTape() as tape:
        tape.watch(parts)
        losses = crf_negative_log_likelihood(tags, parts[0], mask, *parts[1:])
        total = tf.reduce_sum(losses * weights)
    return [np.array(part) for part in tape.gradient(total, parts)]


@pytest.mark.parametrize("seed", SEEDS)
def test_gradients_are_differences_of_brute_force(every_tagging, random_chains, seed):
    scores, mask, *tables = random_chains(seed, batch=3, length=4)
    tags, weights = random_tags(mask, 3, seed), np.array([1.0, 0.3, 2.0], "float32")
    found = gradients(tags, scores, mask, *tables, weights=weights)
    parts = [part.astype("float64") for part in (scores, *tables)]
    for part, gradient in zip(parts, found, strict=True):
        assert part.shape == gradient.shape
        for at in np.ndindex(part.shape):
            around = []
            for step in (1e-4, -1e-4):
                before, part[at] = part[at], part[at] + step
                losses = by_hand(every_tagging, tags, parts[0], mask, *parts[1:])
                around.append(np.sum(losses * weights))
                part[at] = before
            difference = (around[0] - around[1]) / 2e-4
            assert gradient[at] == pytest.approx(difference, abs=2e-4)


def test_without_transitions_it_is_cross_entropy_of_each_position(random_chains):
    scores, mask, *tables = random_chains(0, batch=6, length=9, size=5)
    zeros, tags = [np.zeros_like(part) for part in tables], random_tags(mask, 5)
    losses = crf_negative_log_likelihood(tags, scores, mask, *zeros)
    for row, loss in enumerate(np.array(losses)):
        each = cross_entropy(tags[row][mask[row]], scores[row][mask[row]])
        assert loss == pytest.approx(float(np.sum(each)), rel=1e-5, abs=1e-6)


def test_masked_positions_are_as_if_they_were_not_there(random_chains):
    scores, mask, *tables = random_chains(1, batch=5, length=8)
    tags = random_tags(mask, 3)
    losses = np.array(crf_negative_log_likelihood(tags, scores, mask, *tables))
    for row, kept in enumerate(mask[:-1]):
        alone = (part[row][kept][None] for part in (tags, scores, mask))
        assert losses[row] == pytest.approx(
            float(crf_negative_log_likelihood(*alone, *tables)[0]), rel=1e-5
        )
    everywhere = gradients(tags, scores, mask, *tables, weights=1.0)
    assert all(np.isfinite(part).all() for part in everywhere)
    assert not everywhere[0][~mask].any()


@pytest.mark.parametrize("scale", [1e2, 1e4])
def test_large_logits_stay_exact(every_tagging, random_chains, scale):
    scores, mask, *tables = random_chains(3, scale=scale)
    tags = random_tags(mask, 3)
    losses = np.array(crf_negative_log_likelihood(tags, scores, mask, *tables))
    # Up to the rounding of single scores; the sums are 10 times as large.
    expected = by_hand(every_tagging, tags, scores, mask, *tables)
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=2e-7 * scale)
    assert all(
        np.isfinite(part).all() for part in gradients(tags, scores, mask, *tables, weights=1.0)
    )
    # A long and sure sequence: two large numbers whose difference is small.
    long = np.zeros((1, 128, 3), "float32")
    long[..., 1], long[0, 5, 2] = scale, scale
    zero = [np.zeros((3, 3)), np.zeros(3), np.zeros(3)]
    loss = crf_negative_log_likelihood(np.ones((1, 128)), long, np.ones((1, 128), bool), *zero)
    assert float(loss[0]) == pytest.approx(np.log(2), rel=1e-6)


@pytest.mark.parametrize("never", [-np.inf, -1e9, -1e4])
@pytest.mark.parametrize("name", ["BIO", "BILOU"])
def test_what_is_forbidden_has_no_part(every_tagging, random_chains, name, never):
    scheme = TagScheme(("x",), name)
    scores, mask, *_ = random_chains(4, length=4, size=scheme.size)
    tables = [
        np.where(allowed, 0.0, never).astype("float32")
        for allowed in (scheme.transitions, scheme.starts, scheme.ends)
    ]
    tags = np.full(mask.shape, -1)
    for row, kept in enumerate(mask):
        if kept.any():
            tags[row][kept] = scheme.encode([(0, kept.sum(), "x")], kept.sum())
    losses = np.array(crf_negative_log_likelihood(tags, scores, mask, *tables))
    np.testing.assert_allclose(
        losses, by_hand(every_tagging, tags, scores, mask, *tables), rtol=1e-4, atol=1e-5
    )
    found = gradients(tags, scores, mask, *tables, weights=1.0)
    assert all(np.isfinite(part).all() for part in found)
    assert not found[1][~scheme.transitions].any()


def test_half_precision_goes_in_and_float32_comes_out(random_chains):
    scores, mask, *tables = random_chains(2)
    half = [part.astype("float16") for part in (scores, *tables)]
    single = [part.astype("float32") for part in half]
    tags = random_tags(mask, 3)
    losses = crf_negative_log_likelihood(tags, half[0], mask, *half[1:])
    assert losses.dtype == "float32"
    np.testing.assert_array_equal(
        losses, crf_negative_log_likelihood(tags, single[0], mask, *single[1:])
    )


def test_in_a_graph_of_unknown_shape_and_under_xla(random_chains):
    chains = random_chains(5, batch=3, length=7)
    tags = random_tags(chains[1], 3).astype("int32")
    expected = gradients(tags, *chains, weights=1.0)
    shapes = [[None, None], [None, None, 3], [None, None], [3, 3], [3], [3]]
    signature = [
        tf.TensorSpec(shape, part.dtype)
        for shape, part in zip(shapes, (tags, *chains), strict=True)
    ]

    def losses_and_gradients(tags, scores, mask, *tables):
        parts = (scores, *tables)
        with tf.GradientTape() as tape:
            tape.watch(parts)
            losses = crf_negative_log_likelihood(tags, scores, mask, *tables)
        return losses, tape.gradient(losses, parts)

    for options in ({"input_signature": signature}, {"jit_compile": True}):
        losses, found = tf.function(losses_and_gradients, **options)(tags, *chains)
        np.testing.assert_allclose(
            losses, crf_negative_log_likelihood(tags, *chains), rtol=1e-5, atol=1e-6
        )
        for part, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(part, other, rtol=1e-4, atol=1e-5)


def test_learns_transitions():
    """Scores that say nothing, tags that alternate: what follows what is all there is to learn."""
    tags = np.tile([0, 1], (8, 4))
    tables = [keras.Variable(np.zeros(shape, "float32")) for shape in ((2, 2), (2,), (2,))]
    scores, mask = np.zeros((8, 8, 2), "float32"), np.ones((8, 8), bool)
    optimizer = keras.optimizers.Adam(0.2)
    optimizer.build(tables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(crf_negative_log_likelihood(tags, scores, mask, *tables))
        optimizer.apply(tape.gradient(loss, [table.value for table in tables]), tables)
        return loss

    assert float(step()) == pytest.approx(8 * np.log(2), rel=1e-5)
    for _ in range(100):
        loss = step()
    assert float(loss) < 0.05


ON_JAX = """
import jax
import keras
import numpy as np

from mmkeras.losses import crf_negative_log_likelihood

assert keras.backend.backend() == "jax"
given = list(np.load("given.npz").values())

def total(scores, transitions, starts, ends):
    tags, mask = given[0], given[2]
    return crf_negative_log_likelihood(tags, scores, mask, transitions, starts, ends).sum()

found = jax.jit(jax.value_and_grad(total, (0, 1, 2, 3)))(given[1], *given[3:])
np.savez("made.npz", *jax.tree.leaves(found))
"""


def test_jax_learns_the_same(random_chains, in_backend, tmp_path):
    chains = random_chains(6)
    tags = random_tags(chains[1], 3)
    np.savez(tmp_path / "given.npz", tags, *chains)
    in_backend("jax", ON_JAX)
    loss, *found = np.load(tmp_path / "made.npz").values()
    assert float(loss) == pytest.approx(float(np.sum(crf_negative_log_likelihood(tags, *chains))))
    for part, other in zip(found, gradients(tags, *chains, weights=1.0), strict=True):
        np.testing.assert_allclose(part, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "part", "message"),
    [
        ("scores", np.zeros((2, 3)), r"scores must be float \[B, T, K\]; got shape \(2, 3\)"),
        ("mask", np.ones((2, 3)), r"mask must be bool \[B, T\].*got float"),
        ("mask", np.ones((2,), bool), r"mask must be bool .*got bool \(2,\)"),
        ("transitions", np.zeros((4, 3)), r"transitions must have shape \(4, 4\), .* 4 tags; got"),
        ("starts", np.zeros((1, 4)), r"starts must have shape \(4,\).*got \(1, 4\)"),
        ("ends", np.zeros(()), r"ends must have shape \(4,\)"),
    ],
)
def test_bad_input(name, part, message):
    good = {
        "tags": np.zeros((2, 3), int),
        "scores": np.zeros((2, 3, 4)),
        "mask": np.ones((2, 3), bool),
        "transitions": np.zeros((4, 4)),
        "starts": np.zeros(4),
        "ends": np.zeros(4),
    }
    with pytest.raises(ValueError, match=message):
        crf_negative_log_likelihood(**good | {name: part})
