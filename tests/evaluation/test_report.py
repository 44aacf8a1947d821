"""Every number of a report is that of the reference library, on the whole and slice by slice."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics

import mmkeras as mm
from mmkeras.evaluation import Report, evaluate, evaluate_subsets
from mmkeras.evaluation.estimate import resamples
from mmkeras.evaluation.predictions import TaskPredictions
from mmkeras.evaluation.report import measured_of
from mmkeras.evaluation.states import Additive
from mmkeras.rows import Rows
from mmkeras.sources import Table

MOODS = ["up", "down", "none"]


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    words = ["good", "bad", "fine", "dull"]
    return [
        {
            "text": " ".join(random.choice(words, 3)),
            "photo": random.integers(0, 255, (8, 8, 3)).astype("uint8") if i % 3 else None,
            "lang": "en" if i % 4 else "fr",
            "mood": None if i % 17 == 5 else str(random.choice(MOODS)),
            "stars": float(random.integers(1, 6)),
        }
        for i in range(90)
    ]


@pytest.fixture(scope="module")
def model(rows):
    task = mm.Classification(MOODS, measures=["accuracy", "f1", "mcc", "auc"])
    fields = {
        "text": mm.Text.adapt(Table(rows), "text", vocabulary_size=40, max_length=8),
        "photo": mm.Image(size=8),
    }
    made = mm.MultimodalModel(fields, {"mood": task, "stars": mm.Regression()}, size="tiny")
    made.compile("adam")
    return made


@pytest.fixture(scope="module")
def report(model, rows):
    return evaluate(model, Table(rows), slices=["lang"], batch_size=32, times=200)


def told(model, rows, group=None):
    kept = [row for row in rows if row["mood"] and group in (None, row["lang"])]
    answers = model.answer([{f: row[f] for f in ("text", "photo")} for row in kept])
    return [row["mood"] for row in kept], [answer["mood"]["label"] for answer in answers]


@pytest.mark.parametrize("group", [None, "en", "fr"])
def test_numbers_are_those_of_scikit_learn(model, rows, report, group):
    found = report.measures if group is None else report.slices["lang"][group]
    true, answered = told(model, rows, group)
    assert found["mood_accuracy"].count == len(true)
    assert found["mood_accuracy"].value == pytest.approx(metrics.accuracy_score(true, answered))
    f1 = metrics.f1_score(true, answered, average="macro", labels=MOODS, zero_division=0)
    assert found["mood_f1"].value == pytest.approx(f1, abs=1e-6)
    mcc = metrics.matthews_corrcoef(true, answered)
    assert found["mood_mcc"].value == pytest.approx(mcc, abs=1e-6)


def test_the_whole_is_what_fit_reports(model, rows, report):
    whole = evaluate_subsets(model, Table(rows))[("text", "photo")]
    for name in ("mood_accuracy", "mood_auc", "stars_mae", "stars_rmse", "stars_loss", "mood_loss"):
        assert report[name].value == pytest.approx(whole[name], rel=1e-4), name


def test_confusion_and_intervals(model, rows, report):
    true, answered = told(model, rows)
    np.testing.assert_array_equal(
        report.confusion["mood"], metrics.confusion_matrix(true, answered, labels=MOODS)
    )
    estimate = report["mood_accuracy"]
    assert estimate.low < estimate.value < estimate.high
    wide = np.sqrt(estimate.value * (1 - estimate.value) / estimate.count)
    assert estimate.error == pytest.approx(wide, rel=0.2)


def test_samples_of_different_fields_are_compared(report):
    assert sorted(report.slices["fields present"]) == ["text", "text + photo"]
    assert report.slices["fields present"]["text"]["stars_mae"].count == 30


def test_what_a_slice_cannot_say(model, rows):
    few = [row | {"mood": "up"} for row in rows[:6]] + [row | {"lang": "x"} for row in rows[6:]]
    report = evaluate(model, Table(few), slices=["lang"], times=0)
    for name, reason in {"mood_mcc": "one class", "mood_auc": "down", "mood_f1": "down"}.items():
        assert report.slices["lang"]["en"][name].value is None
        assert reason in report.slices["lang"]["en"][name].note
    assert report.slices["lang"]["en"]["mood_accuracy"].low is None
    assert any("too few to judge" in warning and "en, fr" in warning for warning in report.warnings)
    assert "undefined" in str(report)


def test_written_and_read_again(report, tmp_path):
    path = report.save(tmp_path / "out" / "report.json")
    assert Report.load(path) == Report.from_json(report.to_json())
    assert Report.load(path)["stars_mae"] == report["stars_mae"]
    assert [p.name for p in path.parent.iterdir()] == ["report.json"]
    nan = dataclasses.replace(report, losses={"mood": [float("nan")]})
    assert json.loads(nan.to_json())["losses"]["mood"] == [None]
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"report\.json: this is no report"):
        Report.load(path)


def test_a_flipped_slice_is_named_and_an_even_one_is_not(rows):
    def source(seed, flipped):
        random = np.random.default_rng(seed)
        made = []
        for _ in range(160):
            up, voice = random.random() < 0.5, random.choice(["anna", "ben", "eva"])
            told = (not up) if flipped and voice == "ben" else up
            made.append({"text": "good fine" if up else "bad dull", "voice": str(voice),
                         "mood": "up" if told else "down"})  # fmt: skip
        return Table(made)

    train = source(99, flipped=False)
    fields = {"text": mm.Text.adapt(train, "text", vocabulary_size=40, max_length=8)}
    model = mm.MultimodalModel(fields, {"mood": mm.Classification(["up", "down"])}, size="tiny")
    model.compile("adam")
    model.optimizer.learning_rate = 0.01
    model.fit(model.pipeline(train, batch_size=16), epochs=3, verbose=0, shuffle=False)
    named = evaluate(model, source(0, flipped=True), slices=["voice"], times=0)
    assert len(named.alarms) == 1 and named.alarms[0].startswith("voice = ben is worse off")
    even = evaluate(model, source(1, flipped=False), slices=["voice"], times=0)
    assert even.alarms == []
    assert named["mood_accuracy"].value < 0.75 < even["mood_accuracy"].value


def test_scores_of_all_answers_at_once(tmp_path):
    random = np.random.default_rng(0)
    rows = [
        {
            "image": random.integers(0, 255, (16, 16, 3)).astype("uint8"),
            "mask": np.full((16, 16), i % 2, "uint8") if i < 6 else None,
            "kind": "none" if i > 5 else "odd" if i % 2 else "even",
        }
        for i in range(7)
    ]
    image = mm.Image(size=16)
    model = mm.MultimodalModel(
        {"image": image},
        {"mask": mm.SemanticSegmentation(["a", "b"], size=16)},
        encoders={"image": mm.encoders.VisionPyramid.for_modality(image, "tiny")},
        fusion=mm.fusions.Late(16),
    )
    report = evaluate(model, Table(rows), slices=["kind"], times=50)
    scores = mm.evaluation.evaluate_scores(model, Table(rows))["mask"]
    odd = mm.evaluation.evaluate_scores(model, Table(rows[1:6:2]))["mask"]
    unlabelled = report.slices["kind"]["none"]["mask_pixel_accuracy"]
    assert unlabelled.value is None and "no sample has a label" in unlabelled.note
    assert report["mask_pixel_accuracy"].value == pytest.approx(scores["pixel_accuracy"])
    assert report["mask_pixel_accuracy"].low is not None
    found = report.slices["kind"]["odd"]["mask_pixel_accuracy"].value
    assert found == pytest.approx(odd["pixel_accuracy"])


def test_an_interval_is_of_resamples_that_define_the_measure(model, rows):
    # With two of a class, one of seven resamples has none, and no mean over classes.
    few = [row for row in rows if row["mood"] in ("up", "down")]
    few += [row for row in rows if row["mood"] == "none"][:2]
    found = evaluate(model, Table(few), times=300)["mood_f1"]
    true, answered = (np.array(each) for each in told(model, few))
    redrawn = [
        metrics.f1_score(true.repeat(n), answered.repeat(n), average="macro", labels=MOODS,
                         zero_division=0)
        for n in resamples(len(few), 300) if {*true.repeat(n)} == {*MOODS}
    ]  # fmt: skip
    assert 150 < len(redrawn) < 290
    assert (found.low, found.high) == pytest.approx(np.quantile(redrawn, [0.025, 0.975]), abs=1e-6)


def test_of_nothing_a_measure_is_undefined():
    counts = Additive("tags_f1", lambda *_: None, lambda s: tf.math.divide_no_nan(s[0], s[1]))
    sums = np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 2.0]])
    part = TaskPredictions(np.ones(3), (counts,), {"tags_f1": sums})
    task = mm.TokenClassification.tiny()
    for member, value in (([1, 1, 0], None), ([0, 1, 1], 0.0)):
        found = measured_of(task, "tags", part, np.array(member, bool), times=50)["tags_f1"]
        assert found.value == value
    assert found.low == 0.0
    nothing = measured_of(task, "tags", part, np.array([1, 1, 0], bool))["tags_f1"]
    assert "nothing that it counts" in nothing.note


def test_a_search_stays_among_all_samples():
    rows = [{"text": f"the dog {i}", "a": f"dog {i}" if i else None, "by": "xy"[i > 25]}
            for i in range(30)]  # fmt: skip
    letters = mm.tokenizers.ByteTokenizer()
    fields = {name: mm.Text(letters, max_length=12) for name in ("text", "a")}
    model = mm.MultimodalModel(fields, {"space": mm.Contrastive(("text", "a"), dim=8)}, size="tiny")
    report = evaluate(model, Table(rows), slices=["by"], times=500)
    for way in ("text_to_a", "a_to_text"):
        name = f"space_{way}_recall_at_5"
        found = report[name]
        # Only the queries are drawn anew; with fewer to choose from, all would be found.
        assert found.low <= found.value <= found.high and found.low < found.high
        parts = [report.slices["by"][group][name].value for group in "xy"]
        assert found.value == pytest.approx((25 * parts[0] + 4 * parts[1]) / 29)


def test_what_compares_samples_of_a_batch_is_left_out():
    rows = [{"text": f"the dog {i}", "a": f"dog {i}"} for i in range(8)]
    fields = {"text": mm.Text.tiny(), "a": mm.Text.tiny()}
    model = mm.MultimodalModel(fields, {"space": mm.Contrastive(("text", "a"), dim=8)}, size="tiny")
    report = evaluate(model, Table(rows), times=0)
    assert "space_loss" not in report.measures
    assert any("space_loss" in warning for warning in report.warnings)
    assert "space_text_to_a_recall_at_1" in report.measures


def test_bad_input(model, rows):
    with pytest.raises(ValueError, match="no samples to evaluate on"):
        evaluate(model, Rows({"text": [], "photo": [], "mood": [], "stars": []}))
    for option in ({"on_error": "skip"}, {"shuffle": True}, {"buckets": {"text": [3]}},
                   {"deterministic": False}, {"drop_remainder": True}):  # fmt: skip
        with pytest.raises(ValueError, match=r"needs every sample in its place"):
            evaluate(model, Table(rows), **option)
    with pytest.raises(KeyError, match=r"language.*lang"):
        evaluate(model, Table(rows), slices=["language"])
    unlabelled = [row | {"mood": None, "stars": None} for row in rows[:4]]
    with pytest.raises(ValueError, match=r"no sample of .* has a label"):
        evaluate(model, Table(unlabelled))
