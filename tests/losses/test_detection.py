"""Assignment and loss of detection, against loops in NumPy that follow the paper."""

import numpy as np
import pytest
import tensorflow as tf

from mmkeras.layers.grids import cells
from mmkeras.layers.task_alignment import task_aligned
from mmkeras.losses.detection import detection_loss

GRIDS = ((4, 4), (2, 2))
CELLS = cells(GRIDS)
CANDIDATES = 3


def iou(a, b):
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(wide, 0) * max(high, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union, union


def giou(a, b):
    overlap, union = iou(a, b)
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return overlap - (hull - union) / hull


def within(point, box):
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def middle(box):
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def assigned(logits, boxes, objects, classes, candidates):
    """For each cell (object, score to learn) or None."""
    scores = 1 / (1 + np.exp(-logits))
    claims = {}
    for n, (box, kind) in enumerate(zip(objects, classes)):
        if kind < 0:
            continue
        near = [
            t
            for t, cell in enumerate(CELLS)
            if within(middle(cell), box) or within(middle(box), cell)
        ]
        aligned = {t: scores[t, kind] * iou(box, boxes[t])[0] ** 6 for t in near}
        claims[n] = {t: aligned[t] for t in sorted(near, key=lambda t: -aligned[t])[:candidates]}
    owner = {}
    for t in range(len(CELLS)):
        wanting = [n for n in claims if t in claims[n]]
        if wanting:
            owner[t] = max(wanting, key=lambda n: iou(objects[n], boxes[t])[0])
    made = [None] * len(CELLS)
    for n in claims:
        own = [t for t in owner if owner[t] == n]
        if own:
            best = max(claims[n][t] for t in own)
            reached = max(iou(objects[n], boxes[t])[0] for t in own)
            for t in own:
                made[t] = n, claims[n][t] / best * reached if best else 0.0
    return made


def scene(seed):
    random = np.random.default_rng(seed)
    logits = random.normal(size=(2, len(CELLS), 3)).astype("float32")
    # Predictions around the cells, so that overlaps are no ties.
    boxes = (CELLS + random.normal(scale=0.1, size=(2, *CELLS.shape))).astype("float32")
    boxes[..., 2:] = np.maximum(boxes[..., 2:], boxes[..., :2] + 0.05)
    start = random.uniform(0, 0.6, (2, 4, 2))
    objects = np.concatenate([start, start + random.uniform(0.08, 0.4, (2, 4, 2))], -1)
    classes = random.integers(0, 3, (2, 4))
    classes[0, 3] = classes[1, 2] = -1
    return logits, boxes, objects.astype("float32"), classes.astype("int32")


@pytest.mark.parametrize("seed", range(20))
def test_cells_learn_the_objects_that_they_answer_best(seed):
    logits, boxes, objects, classes = scene(seed)
    made = task_aligned(CELLS, logits, boxes, objects, classes, candidates=CANDIDATES)
    for b in range(2):
        expected = assigned(logits[b], boxes[b], objects[b], classes[b], CANDIDATES)
        for t, owned in enumerate(expected):
            scores = np.zeros(3)
            if owned is not None:
                n, scores[classes[b, n]] = owned
                if owned[1] > 0:
                    np.testing.assert_allclose(made.boxes[b, t], objects[b, n], atol=1e-6)
            np.testing.assert_allclose(made.scores[b, t], scores, atol=2e-4, err_msg=f"{b}, {t}")
            np.testing.assert_allclose(made.weight[b, t], scores.sum(), atol=2e-4)


@pytest.mark.parametrize("seed", range(5))
def test_the_loss_is_its_formula(seed):
    logits, boxes, objects, classes = scene(seed)
    crowd = np.zeros((2, 4), bool)
    crowd[0, 3] = True
    loss = detection_loss(CELLS, logits, boxes, objects, classes, crowd, box_weight=2.0)
    sums, weights = [], []
    for b in range(2):
        rule = assigned(logits[b], boxes[b], objects[b], classes[b], 10)
        total = weight = 0.0
        for t, owned in enumerate(rule):
            target = np.zeros(3)
            if owned is not None:
                n, target[classes[b, n]] = owned
                weight += target.sum()
                total += 2.0 * target.sum() * (1 - giou(boxes[b, t], objects[b, n]))
            elif any(c and within(middle(CELLS[t]), box) for c, box in zip(crowd[b], objects[b])):
                continue
            p = 1 / (1 + np.exp(-logits[b, t].astype("float64")))
            total -= (target * np.log(p) + (1 - target) * np.log(1 - p)).sum()
        sums.append(total)
        weights.append(weight)
    np.testing.assert_allclose(
        loss, np.array(sums) / max(sum(weights) / np.count_nonzero(weights), 1.0), rtol=1e-3
    )


def test_an_object_smaller_than_a_cell_is_learned():
    objects = np.array([[[0.51, 0.51, 0.53, 0.53]]], "float32")
    logits = np.full((1, len(CELLS), 1), -4.0, "float32")
    made = task_aligned(CELLS, logits, CELLS[None], objects, np.zeros((1, 1), "int32"))
    owners = np.flatnonzero(np.array(made.boxes[0]).any(axis=1))
    assert set(owners) == {10, 19}  # The cell that holds it, of each grid.


def test_nothing_to_find_teaches_silence():
    nothing = np.zeros((1, 2, 4), "float32"), np.full((1, 2), -1), np.zeros((1, 2), bool)
    loud, quiet = (np.full((1, len(CELLS), 3), x, "float32") for x in (2.0, -8.0))
    losses = [float(detection_loss(CELLS, x, CELLS[None], *nothing)[0]) for x in (loud, quiet)]
    assert losses[0] > 50
    assert losses[1] < 0.1


def test_gradients_are_finite_and_xla_gives_the_same():
    logits, boxes, objects, classes = map(tf.constant, scene(0))

    def gradients():
        with tf.GradientTape() as tape:
            tape.watch([logits, boxes])
            loss = detection_loss(CELLS, logits, boxes, objects, classes, classes < -1)
        return loss, *tape.gradient(loss, [logits, boxes])

    plain, compiled = gradients(), tf.function(gradients, jit_compile=True)()
    for one, other in zip(plain, compiled):
        assert np.isfinite(one).all()
        np.testing.assert_allclose(one, other, atol=1e-4, rtol=1e-3)


def test_pictures_without_objects_change_nothing_in_the_others():
    logits, boxes, objects, classes = scene(0)
    crowd = np.zeros((2, 4), bool)
    both = detection_loss(CELLS, logits, boxes, objects, classes, crowd)
    nothing = np.full((6, 4), -1, "int32")
    more = detection_loss(
        CELLS,
        np.concatenate([logits] * 4),
        np.concatenate([boxes] * 4),
        np.concatenate([objects] * 4),
        np.concatenate([classes, nothing]),
        np.concatenate([crowd] * 4),
    )
    np.testing.assert_allclose(more[:2], both, rtol=1e-5)
