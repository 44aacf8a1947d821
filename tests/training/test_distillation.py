"""A student beside its teacher: the loss, what is learned, and what is left of the teacher."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

import mmkeras as mm
from mmkeras.sources import Table
from mmkeras.training import Recipe, distil, train

CLASSES = ["none", "one", "two"]


def table(size: int, seed: int, wrong: float = 0.0, labelled: bool = True) -> Table:
    """Notes of four words; the class is how often a cat is among them, at most two."""
    draw = np.random.default_rng(seed)
    rows = []
    for _ in range(size):
        words = draw.choice(["cat", "dog", "the", "a"], 4)
        kind = CLASSES[min(int((words == "cat").sum()), 2)]
        kind = draw.choice(CLASSES) if draw.random() < wrong else kind
        rows.append({"note": " ".join(words), "kind": kind if labelled else None})
    return Table(rows)


def made(seed: int = 0, **options) -> mm.MultimodalModel:
    keras.utils.set_random_seed(seed)
    tasks = {"kind": mm.Classification(CLASSES, dropout=0.0)}
    return mm.MultimodalModel({"note": mm.Text.tiny()}, tasks, **{"size": "tiny"} | options)


def fitted(model: mm.MultimodalModel, source: Table, epochs: int) -> mm.MultimodalModel:
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    model.fit(model.pipeline(source, cache=True), epochs=epochs, verbose=0, shuffle=False)
    return model


@pytest.fixture(scope="module")
def teacher() -> mm.MultimodalModel:
    return fitted(made(seed=5), table(400, seed=0), epochs=12)


@pytest.fixture(scope="module")
def batch(teacher):
    return next(iter(teacher.pipeline(table(8, seed=1), batch_size=8)))


def distance(student, teacher, source) -> float:
    """The mean total variation between their probabilities."""
    data = teacher.pipeline(source, labels=False)
    some, other = (m.predict(data, verbose=0)["kind"]["probabilities"] for m in (student, teacher))
    return float(np.abs(some - other).sum(axis=1).mean() / 2)


def test_the_loss_is_the_formula(teacher, batch):
    x, y, _ = batch
    weights = {"kind": tf.constant([1.0] * 6 + [0.0] * 2)}
    student = distil(made(), teacher, temperature=2.0, alpha=0.25)
    outputs = student(x, training=False)
    got = student.compute_loss(x, y, outputs, weights, training=True)

    def log_probabilities(logits):
        logits = logits.numpy().astype("float64")
        return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)

    plain = log_probabilities(outputs["kind"]["logits"])
    labels = -plain[np.arange(8), y["kind"].numpy()][:6].mean()
    p = log_probabilities(teacher(x, training=False)["kind"]["logits"] / 2.0)
    q = log_probabilities(outputs["kind"]["logits"] / 2.0)
    # The teacher has something to say of samples without a label as well.
    soft = 4.0 * (np.exp(p) * (p - q)).sum(axis=1).mean()
    assert float(got) == pytest.approx(0.25 * labels + 0.75 * soft, rel=1e-4)
    assert float(student.compute_loss(x, y, outputs, weights, training=False)) == pytest.approx(
        labels, rel=1e-4
    )


def test_a_student_comes_nearer_to_its_teacher_than_by_labels(teacher):
    """Of few samples, a third of which are labelled at random."""
    few, held_out = table(60, seed=2, wrong=0.5), table(200, seed=3)
    before = [weight.numpy() for weight in teacher.weights]
    alone = fitted(made(), few, epochs=25)
    taught = fitted(distil(made(), teacher, alpha=0.1), few, epochs=25)
    assert distance(taught, teacher, held_out) < 0.5 * distance(alone, teacher, held_out)
    for weight, old in zip(teacher.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_it_needs_no_labels(teacher):
    held_out = table(200, seed=3)
    student = distil(made(), teacher, alpha=0.3)
    far = distance(student, teacher, held_out)
    fitted(student, table(200, seed=4, labelled=False), epochs=10)
    assert distance(student, teacher, held_out) < 0.3 * far


def test_the_teacher_sees_the_batch_of_the_student(teacher, batch):
    """Changed at random, as it comes: where the inputs differ, so does what is taught."""
    x, y, w = batch
    student = distil(made(), teacher, alpha=0.0)
    outputs = student(x, training=False)
    other = {name: tf.reverse(tensor, [0]) for name, tensor in x.items()}
    losses = [float(student.compute_loss(each, y, outputs, w)) for each in (x, other)]
    assert losses[0] != pytest.approx(losses[1], rel=1e-3)


def test_a_finished_student_is_an_ordinary_model(teacher, batch, tmp_path):
    student = distil(made(), teacher)
    own = sum(int(np.prod(weight.shape)) for weight in made().weights)
    assert student.count_params() == own
    fitted(student, table(32, seed=1), epochs=1)
    student.save(tmp_path / "student.keras")
    loaded = keras.saving.load_model(tmp_path / "student.keras")
    assert type(loaded) is mm.MultimodalModel and loaded.teacher is None
    expected = student(batch[0], training=False)["kind"]["logits"]
    np.testing.assert_allclose(loaded(batch[0])["kind"]["logits"], expected, atol=1e-6)
    seen = mm.export.litert(student, tmp_path / "student.tflite")
    assert seen.size_bytes < 4 * own + 60_000


def test_a_recipe_may_make_a_student(teacher, tmp_path):
    recipe = Recipe(
        name="student",
        sources=lambda: {"train": table(64, seed=1), "validation": table(32, seed=2)},
        model=lambda train: distil(made(), teacher),
        epochs=2,
    )
    run = train(recipe, tmp_path, verbose=0)
    assert len(run.history["val_loss"]) == 2
    assert keras.saving.load_model(tmp_path / "model.keras").teacher is None


def test_several_classes_at_once_are_choices_each():
    task = mm.Classification(["a", "b"], multi_label=True)
    draw = np.random.default_rng(0)
    taught, own = draw.normal(size=(2, 4, 2)).astype("float32")
    made = task.distil(None, {"logits": own}, {"logits": taught}, 2.0)
    p, q = (1 / (1 + np.exp(-each / 2.0)) for each in (taught, own))
    expected = 4.0 * (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).mean(axis=1)
    np.testing.assert_allclose(made, expected, rtol=1e-4)


def test_tagged_tokens_alone_are_taught():
    task = dataclasses.replace(mm.TokenClassification.tiny(), crf=False)
    assert task.distils == ("logits",)
    size = task.tagging.size
    draw = np.random.default_rng(0)
    taught, own = draw.normal(size=(2, 1, 3, size)).astype("float32")
    target = np.array([[0, -1, 2, -1, -1]], "int32")
    some = task.distil(target, {"logits": own}, {"logits": taught}, 1.0)
    own[0, 1] = 7.0
    again = task.distil(target, {"logits": own}, {"logits": taught}, 1.0)
    np.testing.assert_array_equal(some, again)


@pytest.mark.parametrize("name", mm.tasks.__all__)
def test_every_task_is_taught_or_refuses(name):
    task = getattr(mm.tasks, name).tiny()
    if task.distils:
        assert task.distils == ("logits",)
        return
    with pytest.raises(ValueError, match=f"{name} has no choices"):
        task.distil(None, {}, {}, 1.0)


def test_what_cannot_teach_is_refused(teacher):
    fields = {"note": mm.Text.tiny()}

    def student(tasks, fields=fields):
        return mm.MultimodalModel(fields, tasks, size="tiny")

    with pytest.raises(ValueError, match=r"'age' .*Regression.* has no logits"):
        distil(student({"age": mm.Regression()}), teacher)
    with pytest.raises(ValueError, match="student's task 'kind'"):
        distil(student({"kind": mm.Classification(CLASSES[::-1])}), teacher)
    with pytest.raises(ValueError, match="student's task 'other'"):
        distil(student({"other": mm.Classification(CLASSES)}), teacher)
    with pytest.raises(ValueError, match="not quite the teacher's"):
        distil(student(teacher.tasks, {"text": mm.Text.tiny()}), teacher)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"temperature": 0}, "temperature must be above 0"),
        ({"alpha": 1.5}, r"alpha must be a share in \[0, 1\]"),
        ({"alpha": float("nan")}, "alpha must be a finite number"),
    ],
)
def test_numbers_are_checked(teacher, numbers, message):
    with pytest.raises(ValueError, match=message):
        distil(made(), teacher, **numbers)
