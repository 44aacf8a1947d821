"""The recipe on a few of its samples; its numbers are in its docstring."""

import numpy as np
import pytest

from mmkeras.evaluation import evaluate_subsets
from mmkeras.recipes import emoji_tasks


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMKERAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield emoji_tasks.sources("tiny")


def test_every_sample_has_the_label_of_one_task(parts):
    model = emoji_tasks.model(parts["train"])
    assert set(model.tasks) == set(emoji_tasks.SHARES)
    data = model.pipeline(parts["train"], batch_size=40)
    weights = [w for _, _, w in data.take(2)]
    labelled = sum(np.concatenate([w[task] for w in weights]) for task in model.tasks)
    np.testing.assert_array_equal(labelled, 1.0)
    # Some of each are in a batch, so that every step teaches all.
    assert all(w[task].numpy().any() for w in weights for task in model.tasks)


@pytest.mark.usefixtures("parts")
def test_alone_a_task_has_encoders_of_its_fields_and_as_many_samples():
    for task in ("caption", "transcript"):
        share, alone = emoji_tasks.SHARES[task], emoji_tasks.alone(task, "tiny")
        assert alone.epochs == share.times * emoji_tasks.recipe.epochs
        model = alone.model(emoji_tasks.data("train", "tiny")[task])
        assert set(model.fields) == set(share.fields) and set(model.tasks) == {task}
    # In the full data, steps alone are steps of all, within what rounding a batch does.
    sizes = {"category": 5_288, "entities": 8_000, "boxes": 4_000, "caption": 16_000}
    sizes["transcript"] = 5_642
    total = sum(size * emoji_tasks.SHARES[task].times for task, size in sizes.items())
    for task, size in sizes.items():
        share = emoji_tasks.SHARES[task]
        assert size * share.times / share.batch_size == pytest.approx(total / 96, rel=0.06)


def test_each_task_is_measured_by_its_own_data(parts):
    recipe = emoji_tasks.recipe
    model = recipe.model(parts["train"])
    model.compile(optimizer=recipe.optimizer(96))
    for task, share in emoji_tasks.SHARES.items():
        if task == "boxes":  # Objects are measured by all answers at once.
            continue
        found = evaluate_subsets(model, parts[f"test_{task}"])
        assert set([*found][-1]) == set(share.fields)
        assert any(name.startswith(task) for name in [*found.values()][-1])
