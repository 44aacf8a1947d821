"""Disparities are fairlearn's on plain arrays, and what is undefined says why."""

import numpy as np
import pytest
from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference

import mmkeras as mm
from mmkeras.evaluation import Estimate, Report, evaluate, fairness
from mmkeras.evaluation.fairness import largest
from mmkeras.sources import Table

KINDS = ["a", "b", "c"]


def report(targets, answers, groups, classes=KINDS, min_count=5):
    return Report(
        "x", len(targets), {"m": Estimate(0.0)}, {}, [], {}, {"kind": classes}, {}, {},
        {"by": groups}, [], {"kind": targets}, {"kind": answers}, min_count,
    )  # fmt: skip


def drawn(seed, several):
    random = np.random.default_rng(seed)
    hits = random.random((2, 200, 3)) < 0.4
    one = random.integers(0, 3, (2, 200))
    groups = random.choice(["x", "y", "z"], 200).tolist()
    listed = [[np.flatnonzero(row).tolist() for row in of] for of in hits]
    return (listed, hits, groups) if several else (one.tolist(), np.eye(3)[one], groups)


@pytest.mark.parametrize("several", [False, True])
def test_as_fairlearn_says(several):
    (targets, answers), (true, answered), groups = drawn(0, several)
    found = fairness(report(targets, answers, groups))
    assert [each.label for each in found] == KINDS
    for place, each in enumerate(found):
        arrays = true[:, place], answered[:, place]
        parity = demographic_parity_difference(*arrays, sensitive_features=groups)
        odds = equalized_odds_difference(*arrays, sensitive_features=groups)
        assert each.parity.value == pytest.approx(parity)
        assert each.odds.value == pytest.approx(odds)
        assert each.parity.count == 200
    parity, odds = largest(found)["kind", "by"]
    assert parity.parity.value == max(each.parity.value for each in found)
    assert odds.odds.value == max(each.odds.value for each in found)


def test_unlabelled_samples_and_small_groups_are_left_out():
    (targets, answers), (true, answered), groups = drawn(1, several=False)
    groups = ["tiny" if i < 3 else group for i, group in enumerate(groups)]
    targets = [None if i % 7 == 3 else target for i, target in enumerate(targets)]
    kept = [i for i in range(3, 200) if i % 7 != 3]
    each = fairness(report(targets, answers, groups))[0]
    of = [groups[i] for i in kept]
    parity = demographic_parity_difference(true[kept, 0], answered[kept, 0], sensitive_features=of)
    assert each.parity.value == pytest.approx(parity) and each.parity.count == len(kept)


def test_what_is_undefined():
    alone = fairness(report([0, 1] * 10, [0, 1] * 10, ["x"] * 20))[0]
    assert alone.parity.value is None and "fewer than two groups" in alone.odds.note
    split = fairness(report([0] * 10 + [1] * 10, [0] * 20, ["x"] * 10 + ["y"] * 10))
    assert split[0].parity.value == 0.0
    assert (
        split[0].odds.value is None and split[0].odds.note == "no sample of x is not of this class"
    )
    assert split[1].odds.note == "no sample of x is of this class"


def test_of_a_model():
    rows = [{"text": f"w{i % 5}", "by": "ab"[i % 2], "kind": KINDS[i % 3]} for i in range(60)]
    fields = {"text": mm.Text.adapt(Table(rows), "text", vocabulary_size=40, max_length=4)}
    tasks = {"kind": mm.Classification(KINDS), "many": mm.Classification(KINDS, multi_label=True)}
    model = mm.MultimodalModel(fields, tasks, size="tiny")
    rows = [row | {"many": "" if i % 4 else "a|c"} for i, row in enumerate(rows)]
    made = evaluate(model, Table(rows), ["by"], times=0)
    told = model.answer([{"text": row["text"]} for row in rows])
    assert made.targets["kind"] == [i % 3 for i in range(60)]
    assert [KINDS[i] for i in made.answers["kind"]] == [each["kind"]["label"] for each in told]
    assert made.targets["many"] == [None if i % 4 else [0, 2] for i in range(60)]
    labels = ["|".join(KINDS[i] for i in each) for each in made.answers["many"] if each is not None]
    assert labels == [each["many"]["label"] for each in told[::4]]
    first = next(each for each in fairness(made) if each.task == "kind")
    answered = [each["kind"]["label"] == "a" for each in told]
    parity = demographic_parity_difference(
        [row["kind"] == "a" for row in rows], answered, sensitive_features=[r["by"] for r in rows]
    )
    assert first.parity.value == pytest.approx(parity)
