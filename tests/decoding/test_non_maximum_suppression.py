"""Suppression of worse boxes, against TensorFlow's own, class by class."""

import numpy as np
import pytest
import tensorflow as tf

from mmkeras.decoding.non_maximum_suppression import non_maximum_suppression


def scene(seed, count=40, classes=3):
    random = np.random.default_rng(seed)
    start = random.uniform(0, 0.7, (2, count, 2))
    boxes = np.concatenate([start, start + random.uniform(0.1, 0.5, (2, count, 2))], -1)
    return boxes.astype("float32"), random.uniform(size=(2, count, classes)).astype("float32")


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("max_overlap", [0.3, 0.6])
def test_keeps_what_tensorflow_keeps(seed, max_overlap):
    boxes, scores = scene(seed)
    found = non_maximum_suppression(boxes, scores, 200, max_overlap)
    for b in range(2):
        expected = set()
        for k in range(scores.shape[2]):
            kept = tf.image.non_max_suppression(boxes[b], scores[b, :, k], 200, max_overlap)
            expected |= {(k, round(float(scores[b, i, k]), 6)) for i in kept.numpy()}
        there = np.array(found.scores[b]) > 0
        made = zip(np.array(found.classes[b])[there], np.array(found.scores[b])[there])
        assert {(int(k), round(float(s), 6)) for k, s in made} == expected
        assert (np.diff(np.array(found.scores[b])) <= 0).all()


def test_shapes_are_static_and_missing_detections_have_score_zero():
    boxes, scores = scene(0, count=2, classes=1)
    found = non_maximum_suppression(boxes, scores, 5)
    assert [tuple(part.shape) for part in found] == [(2, 5, 4), (2, 5), (2, 5)]
    assert (np.array(found.scores)[:, 2:] == 0).all()


def test_xla_keeps_the_same():
    boxes, scores = map(tf.constant, scene(1))
    plain = non_maximum_suppression(boxes, scores)
    compiled = tf.function(non_maximum_suppression, jit_compile=True)(boxes, scores)
    for one, other in zip(plain, compiled):
        np.testing.assert_allclose(one, other, atol=1e-6)
