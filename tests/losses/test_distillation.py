"""The distillation loss beside its formula in NumPy, and beside Hinton's gradient."""

import numpy as np
import pytest
import tensorflow as tf

from mmkeras.losses import distillation


def probabilities(logits, temperature):
    powers = np.exp(logits.astype("float64") / temperature)
    return powers / powers.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("shape", [(3, 5), (3, 4, 5), (2, 3, 4, 5)])
@pytest.mark.parametrize("temperature", [1.0, 3.5])
def test_is_the_formula(shape, temperature):
    draw = np.random.default_rng(0)
    teacher, student = (draw.normal(scale=2, size=shape).astype("float32") for _ in range(2))
    p, q = probabilities(teacher, temperature), probabilities(student, temperature)
    expected = temperature**2 * (p * np.log(p / q)).sum(axis=-1).reshape(shape[0], -1).mean(axis=1)
    np.testing.assert_allclose(distillation(teacher, student, temperature), expected, rtol=1e-4)


def test_its_gradient_is_that_of_softened_cross_entropy():
    """T · (q - p) of a sample's logits: equation 2 of the paper, times T²."""
    draw = np.random.default_rng(1)
    teacher, student = (draw.normal(size=(1, 6)).astype("float32") for _ in range(2))
    given, wanted = tf.Variable(teacher), tf.Variable(student)
    with tf.GradientTape() as tape:
        loss = distillation(given, wanted, 2.5)
    to_teacher, to_student = tape.gradient(loss, [given, wanted])
    assert to_teacher is None or not np.any(to_teacher)
    expected = 2.5 * (probabilities(student, 2.5) - probabilities(teacher, 2.5))
    np.testing.assert_allclose(to_student, expected, atol=1e-5)


def test_hot_it_asks_for_equal_logits():
    """Section 2.1: with much temperature and logits of mean 0, half their mean squared distance."""
    draw = np.random.default_rng(2)
    teacher, student = draw.normal(size=(2, 4, 6)).astype("float32")
    teacher, student = (each - each.mean(axis=-1, keepdims=True) for each in (teacher, student))
    expected = ((teacher - student) ** 2).mean(axis=-1) / 2
    np.testing.assert_allclose(distillation(teacher, student, 100.0), expected, rtol=0.03)


def test_places_that_do_not_count_have_no_effect():
    draw = np.random.default_rng(3)
    teacher, student = draw.normal(size=(2, 3, 4, 5)).astype("float32")
    mask = np.array([[True, True, False, False], [True] * 4, [False] * 4])
    teacher[~mask], student[0, 3] = np.nan, np.inf
    made = np.array(distillation(teacher, student, 2.0, mask))
    for row in range(2):
        kept = (each[row][mask[row]][None] for each in (teacher, student))
        np.testing.assert_allclose(made[row], distillation(*kept, 2.0)[0], rtol=1e-5)
    assert made[2] == 0
