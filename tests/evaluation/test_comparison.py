"""Comparisons find what was planted, and cry wolf in one of twenty at most."""

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
from scipy import stats

from mmkeras.evaluation import Estimate, Report, compare
from mmkeras.evaluation.comparison import _judged, _sign_flips, _verdict


def report(losses, groups, answers=None, targets=None, errors=True, **measures):
    """Of a task `mood`; the measures are those of all samples and of each group alike."""
    losses = np.asarray(losses, "float64")

    def of(member):
        part = losses[member]
        told = {"mood_loss": Estimate(float(part.mean()), count=len(part))}
        if answers is not None:
            right = (np.array(answers) == np.array(targets))[member]
            told["mood_accuracy"] = Estimate(float(right.mean()), count=len(part))
        error = 0.01 if errors else None
        more = {name: Estimate(value, error=error, count=len(part))
                for name, value in measures.items()}  # fmt: skip
        return told | more

    groups = np.array(groups)
    slices = {"voice": {group: of(groups == group) for group in sorted({*groups.tolist()})}}
    return Report(
        "x", len(losses), of(np.ones(len(losses), bool)), slices, [], {}, {"mood": ["a", "b"]}, {},
        {"mood": losses.tolist()}, {"voice": groups.tolist()}, [],
        {} if targets is None else {"mood": list(targets)},
        {} if answers is None else {"mood": list(answers)},
    )  # fmt: skip


def drawn(seed, size=200):
    random = np.random.default_rng(seed)
    return random, random.exponential(size=size), random.choice(["anna", "ben", "eva"], size)


def test_sign_flips_are_the_exact_test():
    random = np.random.default_rng(0)
    change = random.normal(0.4, 1, (10, 3))
    signs = np.array(list(itertools.product([-1, 1], repeat=10)))
    exact = (np.abs(signs @ change) >= np.abs(change.sum(axis=0)) - 1e-9).mean(axis=0)
    assert _sign_flips(change, 20_000, 0) == pytest.approx(exact, abs=0.01)
    scipy = stats.permutation_test(
        (change[:, 0],), np.sum, permutation_type="samples", n_resamples=np.inf
    )
    assert exact[0] == pytest.approx(scipy.pvalue)


def test_a_group_that_got_worse_is_named():
    false = 0
    for seed in range(20):
        random, losses, groups = drawn(seed)
        new = losses + random.normal(0, 0.3, 200) + 0.5 * (groups == "ben")
        found = compare(report(losses, groups), report(new, groups), permutations=5_000)
        assert found.paired
        assert any(said.startswith("voice = ben got worse: mood_loss") for said in found.worse)
        assert "WORSE: voice = ben" in str(found)
        false += any("anna" in said or "eva" in said for said in [*found.worse, *found.better])
    assert false <= 3, "one of twenty by chance; 4 and more are seen once in 60"


def test_losses_that_are_defined_in_another_way_are_not_compared():
    _, losses, groups = drawn(0)
    old, new = report(losses, groups), report(losses + 1.0, groups)
    assert compare(old, new).worse
    smooth = [dataclasses.replace(each, tasks={"mood": {"label_smoothing": smoothing}})
              for each, smoothing in ((old, 0.0), (new, 0.1))]  # fmt: skip
    found = compare(*smooth)
    assert not found.worse and not found.better
    assert any("set in another way" in note for note in found.notes)


def test_without_labels_only_one_source_has_the_same_samples():
    _, losses, groups = drawn(0)
    old, new = report(losses, groups), report(losses, groups)
    assert compare(old, new).paired
    assert not compare(old, dataclasses.replace(new, source="y")).paired


def test_nothing_is_said_without_a_cause():
    false = 0
    for seed in range(60):
        random, losses, groups = drawn(seed, 90)
        new = losses + random.normal(0, 0.5, 90)
        found = compare(report(losses, groups), report(new, groups), permutations=1_000)
        false += bool(found.worse or found.better)
    assert false <= 7, "60 comparisons, one of twenty: 7 and more are seen once in 40 000"


def test_accuracy_is_compared_sample_by_sample():
    _, losses, groups = drawn(0)
    targets = [i % 2 for i in range(200)]
    better = [t if i % 10 else 1 - t for i, t in enumerate(targets)]
    half = [t if i % 2 else 1 - t for i, t in enumerate(targets)]
    found = compare(report(losses, groups, half, targets), report(losses, groups, better, targets))
    by = {(d.group, d.measure): d for d in found.differences}
    assert by["", "mood_accuracy"].verdict == "better" and by["", "mood_accuracy"].test == "paired"
    assert by["", "mood_loss"].p_value == 1.0 and by["", "mood_loss"].verdict == ""
    # McNemar's exact test of all samples.
    gained = sum(h != t == b for h, b, t in zip(half, better, targets))
    lost = sum(b != t == h for h, b, t in zip(half, better, targets))
    exact = stats.binomtest(lost, gained + lost).pvalue
    assert by["", "mood_accuracy"].p_value == pytest.approx(exact, abs=2e-4)


def test_different_samples_are_compared_by_standard_errors():
    _, losses, groups = drawn(0)
    old = report(losses, groups, mood_wer=0.2, mood_odd=1.0, mood_f1=0.50)
    new = report(losses[:150], groups[:150], mood_wer=0.3, mood_odd=2.0, mood_f1=0.52)
    found = compare(old, new)
    assert not found.paired and any("different samples" in note for note in found.notes)
    by = {(d.group, d.measure): d for d in found.differences}
    for measure, gap in {"mood_wer": 0.1, "mood_f1": 0.02}.items():
        p = 2 * stats.norm.sf(gap / math.hypot(0.01, 0.01))
        assert by["", measure].p_value == pytest.approx(p) and by["", measure].test == "z"
    assert by["ben", "mood_wer"].verdict == "worse" and by["", "mood_f1"].verdict == ""
    assert by["", "mood_odd"].verdict == "different" and "DIFFERENT: all samples" in str(found)
    few = compare(report(losses[:20], groups[:20], mood_f1=0.1), new)
    assert all("fewer than 30" in d.note for d in few.differences if d.measure == "mood_f1")
    assert by["", "mood_loss"].p_value is None and "no standard error" in by["", "mood_loss"].note
    told = json.loads(found.to_json())
    assert told["worse"] == found.worse and len(told["differences"]) == len(found.differences)


def test_what_cannot_be_compared_is_said():
    _, losses, groups = drawn(0)
    old = report(losses, groups, mood_f1=0.5, old_f1=1.0)
    new = report(losses, ["zoe" if g == "eva" else g for g in groups], mood_f1=None)
    found = compare(old, new)
    (whole,) = [d for d in found.differences if d.measure == "mood_f1" and not d.slice]
    assert whole.p_value is None and "undefined in the new report" in whole.note
    assert "voice = zoe is in the new report alone." in found.notes
    assert "voice = eva is in the old report alone." in found.notes
    assert "old_f1 is in the old report alone." in found.notes


def test_holm():
    p_values = [0.01, 0.04, 0.03, 0.005]
    made = compare(report([1.0], ["a"]), report([1.0], ["a"])).differences[0]
    judged = _judged([dataclasses.replace(made, p_value=p) for p in p_values])
    # Holm by hand: 4, 3, 2 and 1 times, and never less than the one before.
    assert [each.adjusted for each in judged] == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize(
    ("measure", "verdict"),
    [("loss", "better"), ("text_wer", "better"), ("stars_mae", "better"), ("f0_error", "better"),
     ("mood_f1", "worse"), ("things_mAP", "worse"), ("a_to_b_recall_at_10", "worse"),
     ("mask_mIoU", "worse"), ("voice_duration_ratio", "different")],
)  # fmt: skip
def test_directions(measure, verdict):
    assert _verdict(measure, -0.1) == verdict
