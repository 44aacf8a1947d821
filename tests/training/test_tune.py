"""`tune`: never worse than the recipe as it is, within limits, through kills, in many processes."""

import csv
import functools
import json
import math
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import types
from pathlib import Path

import keras
import pytest
from keras_tuner.src.distribute import oracle_chief

import mmkeras as mm
from mmkeras import cli, recipes
from mmkeras.evaluation import evaluate
from mmkeras.sources import Table
from mmkeras.training import Choice, Range, Recipe, tuner
from mmkeras.training.run import Run
from mmkeras.training.search_space import SearchSpace
from mmkeras.training.trials import load_trials

#: A file as a person would write it; of its trials hardly anything is trained, but all is traced.
FILE = """
import mmkeras as mm
from mmkeras.layers import Size
from mmkeras.training import Recipe


def sources():
    rows = [{"note": ("the cats", "and dog")[i % 2], "kind": ("cat", "dog")[i % 2]}
            for i in range(32)]
    return {part: mm.sources.Table(rows[:count])
            for part, count in (("train", 32), ("validation", 8), ("test", 16))}


def text():
    return mm.Text(mm.tokenizers.ByteTokenizer(), max_length=8)


def model(train, field="note", text=text, dropout=0.0, fails=False):
    if fails:
        raise ValueError("heads do not divide the width")
    size = Size(dim=16, depth=0, num_heads=1, mlp_dim=1)
    encoder = mm.encoders.TextTransformer.for_modality(text(), size, dropout=dropout)
    return mm.MultimodalModel(
        {field: text()},
        {"kind": mm.Classification(["cat", "dog"])},
        encoders={field: encoder},
        fusion=mm.fusions.Late(16),
    )


recipe = Recipe("pets", sources, model, epochs=2, batch_size=8, learning_rate=1e-5, cache=True,
                jit_compile=False)
"""
LEARNING_RATE = {"learning_rate": Range(1e-3, 1e-1)}


def quiet(line: str) -> None:
    del line


tune = functools.partial(mm.tune, objective="val_loss", say=quiet)


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipes") / "pets.py"
    path.write_text(FILE)
    return str(path)


@pytest.fixture(scope="module")
def recipe(origin) -> Recipe:
    return recipes.load(origin)


@pytest.fixture(scope="module")
def untrained(recipe):
    return recipe.model(recipe.sources()["train"])


@pytest.fixture
def by_formula(monkeypatch, untrained):
    """Trials take no time: their loss is known, and what they measure is an untrained model."""

    def train(recipe, folder, verbose):
        recipe.model(recipe.sources()["train"])
        loss = abs(math.log10(recipe.learning_rate) + 2) + recipe.batch_size / 100
        loss += 1 / recipe.epochs
        history = {"loss": [loss], "kind_accuracy": [0.5], "val_loss": [loss]}
        history |= {"val_kind_accuracy": [0.5]}
        return Run(untrained, recipe.sources(), history, folder)

    monkeypatch.setattr(tuner, "train", train)


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "trials.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def searched(tmp_path_factory, recipe, origin):
    """A search of everything at once, and what it said."""
    folder, said = tmp_path_factory.mktemp("searched"), []
    search = {
        **LEARNING_RATE,
        "ema_momentum": Choice(0.5, 0.9),
        "model.dropout": Range(0.0, 0.3),
        "pipeline.pad": Choice("longest", "max"),
    }
    tuned = mm.tune(
        recipe,
        search,
        folder,
        objective="val_loss",
        trials=3,
        epochs=1,
        method="random",
        origin=origin,
        say=said.append,
    )
    return tuned, said


def test_the_first_trial_is_the_recipe_and_the_best_no_worse(searched):
    tuned, _ = searched
    first = {"learning_rate": 1e-5, "ema_momentum": None, "model.dropout": 0.0}
    assert tuned.trials[0].values == {**first, "pipeline.pad": "longest"}
    losses = [trial.measured["val_loss"] for trial in tuned.trials]
    assert len(losses) == 3 and tuned.best.measured["val_loss"] == min(losses)
    # A hundredth of the lowest learning rate of the space learns nothing in four steps.
    assert tuned.best.number > 0
    for trial in tuned.trials[1:]:
        assert 1e-3 <= trial.values["learning_rate"] <= 1e-1
        assert 0 <= trial.values["model.dropout"] <= 0.3
        assert trial.values["ema_momentum"] in (None, 0.5, 0.9)


def test_the_best_is_a_recipe_file_that_gives_the_same_values(searched):
    tuned, _ = searched
    loaded, values = recipes.load(str(tuned.file)), tuned.best.values
    assert loaded.epochs == tuned.recipe.epochs == 2
    assert loaded.learning_rate == tuned.recipe.learning_rate == values["learning_rate"]
    assert loaded.ema_momentum == tuned.recipe.ema_momentum == values["ema_momentum"]
    for each in (loaded, tuned.recipe):
        given = getattr(each.model, "keywords", {})
        assert given.get("dropout", 0.0) == values["model.dropout"]
        assert each.pipeline.get("pad", "longest") == values["pipeline.pad"]
    assert loaded.batch_size == 8 and loaded.cache is True
    assert f"learning_rate={values['learning_rate']!r},  # was 1e-05" in tuned.file.read_text()


def test_every_trial_is_in_the_table_and_the_picture(searched):
    tuned, _ = searched
    rows = rows_of(tuned.folder)
    assert [row["trial"] for row in rows] == ["0", "1", "2"]
    for row, trial in zip(rows, tuned.trials):
        assert row["status"] == "finished" and row["epochs"] == "1"
        assert float(row["val_loss"]) == trial.measured["val_loss"]
        assert float(row["learning_rate"]) == trial.values["learning_rate"]
    assert (tuned.folder / "trials.png").read_bytes().startswith(b"\x89PNG")
    assert not [path for path in tuned.folder.iterdir() if path.name.startswith(".")]


def test_says_what_it_gained_by_models_trained_with_all_epochs(searched, recipe):
    tuned, said = searched
    assert set(tuned.gain) == {"trials", "validation", "test"}
    for number, place in ((0, 0), (tuned.best.number, 1)):
        folder = tuned.folder / "trained" / f"trial_{number}"
        assert json.loads((folder / "recipe.json").read_text())["epochs"] == 2
        model = keras.saving.load_model(folder / "model.keras")
        test = model.pipeline(recipe.sources()["test"], batch_size=8)
        loss = model.evaluate(test, verbose=0, return_dict=True)["loss"]
        assert tuned.gain["test"][place] == pytest.approx(loss, rel=1e-5)
    before, after = tuned.gain["test"]
    assert any(f"{before:.4f} as it is, {after:.4f} tuned" in line for line in said)


def test_says_where_trials_were_too_short_to_tell(tmp_path, recipe, by_formula):
    # The formula prefers 0.005, and whole trainings the higher rate.
    as_it_is, said = recipe.replace(learning_rate=0.025), []
    search = {"learning_rate": Choice(0.025, 0.005)}
    tuned = tune(as_it_is, search, tmp_path, trials=2, epochs=1, say=said.append)
    assert tuned.best.values == {"learning_rate": 0.005}
    before, after = tuned.gain["validation"]
    assert before < after
    assert any("too short to tell" in line for line in said)


def test_a_trial_measures_the_finished_model(tmp_path, recipe):
    # With a momentum of 0.999 the average hardly leaves the first weights: the loss stays where
    # it was, though that of the last step falls.
    tuned = tune(
        recipe.replace(learning_rate=1e-2, epochs=4),
        {"ema_momentum": Choice(0.999)},
        tmp_path,
        trials=2,
        method="random",
        retrain=False,
    )
    still, moved = (
        next(t for t in tuned.trials if t.values["ema_momentum"] == momentum)
        for momentum in (0.999, None)
    )
    assert moved.measured["val_loss"] < 0.5 < 0.6 < still.measured["val_loss"]
    assert set(tuned.gain) == {"trials"} and not (tmp_path / "trained").exists()


def test_what_is_over_a_limit_is_never_the_best(tmp_path, recipe, untrained, by_formula):
    calls = []

    def measure(model, source):
        # Everything but the recipe as it is costs too much.
        calls.append(len(source))
        return {"cost": 2.0 * (len(calls) > 1), "value": float(len(calls))}

    tuned = tune(
        recipe,
        LEARNING_RATE,
        tmp_path,
        objective="value",
        direction="max",
        measure=measure,
        limits={"cost": 1.0, "parameters": 1e9, "latency_ms": 1e6, "val_kind_ece": 1.0},
        trials=2,
        epochs=1,
        retrain=False,
    )
    assert calls == [8, 8]
    assert [trial.measured["value"] for trial in tuned.trials] == [1.0, 2.0]
    assert tuned.best.number == 0 and tuned.file is None
    assert [row["status"] for row in rows_of(tmp_path)] == ["finished", "over a limit"]
    ece = evaluate(untrained, recipe.sources()["validation"], times=0).reliability["kind"].ece
    for trial in tuned.trials:
        assert trial.measured["parameters"] == untrained.count_params()
        assert 0 < trial.measured["latency_ms"] < 1e4
        assert trial.measured["val_kind_ece"] == pytest.approx(ece) and 0 < ece < 1


def test_a_limit_on_the_gap_between_groups_rules_out_who_is_unfair(tmp_path, recipe):
    """Who reads the notes is right for all of anna's, and for half of ben's, whose notes lie."""
    pairs = [("the cats", "cat"), ("and dog", "dog")]
    lies = [*pairs, ("the cats", "dog"), ("and dog", "cat")]
    anna, ben = (
        [{"note": note, "blank": "-", "kind": kind, "voice": voice} for note, kind in told * times]
        for voice, told, times in (("anna", pairs, 16), ("ben", lies, 8))
    )
    parts = {"train": Table(anna), "validation": Table([*anna, *ben])}

    def sure(model, source):
        (field,) = model.fields
        return {"sure": model.answer({field: "-"})["kind"]["probability"]}

    tuned = tune(
        recipe.replace(sources=lambda: parts, learning_rate=3e-2),
        {"model.field": Choice("note", "blank")},
        tmp_path,
        objective="val_kind_accuracy",
        limits={"val_kind_accuracy_gap_voice": 0.25},
        slices=["voice"],
        measure=sure,
        trials=2,
        method="random",
        retrain=False,
    )
    reads, guesses = (trial.measured for trial in tuned.trials)
    assert reads["val_kind_accuracy"] == 0.75 and reads["val_kind_accuracy_gap_voice"] == 0.5
    assert guesses["val_kind_accuracy"] == 0.5 and guesses["val_kind_accuracy_gap_voice"] == 0.0
    assert tuned.best.values == {"model.field": "blank"}
    # It is as sure of each sample, and right in half of the cases.
    assert guesses["val_kind_ece"] == pytest.approx(guesses["sure"] - 0.5, abs=1e-4)


def test_the_command_line_names_columns_to_slice_by(monkeypatch):
    given = {}
    monkeypatch.setattr(mm.training, "tune", lambda *_, **options: given.update(options))
    command = "tune emoji --search epochs=1,2 --objective val_loss --out x --slice voice lang"
    assert cli.main(command.split()) == 0
    assert given["slices"] == ["voice", "lang"]


def test_none_within_the_limits_names_the_nearest(tmp_path, recipe, by_formula):
    search = {"model.dropout": Choice(0.1)}
    costs = iter([5.0, 3.0])
    with pytest.raises(ValueError, match=r"nearest, trial 1, has cost 3 \(at most 2\)"):
        tune(
            recipe,
            search,
            tmp_path,
            measure=lambda model, source: {"cost": next(costs)},
            limits={"cost": 2.0},
            method="random",
            trials=2,
            epochs=1,
        )
    assert [row["status"] for row in rows_of(tmp_path)] == ["over a limit"] * 2


def test_a_failed_trial_is_recorded_and_the_search_goes_on(tmp_path, recipe, by_formula):
    search = {"model.fails": Choice(False, True), **LEARNING_RATE}
    tuned = tune(recipe, search, tmp_path, method="random", trials=5, epochs=1, retrain=False)
    rows = rows_of(tmp_path)
    failed = [row for row in rows if row["model.fails"] == "True"]
    assert len(rows) == 5 and 1 <= len(failed) < 5
    for row in failed:
        assert row["status"] == "failed" and row["val_loss"] == ""
        assert row["reason"] == "ValueError: heads do not divide the width"
    assert tuned.best.values["model.fails"] is False


def test_diverged_is_failed_and_all_failed_is_an_error(tmp_path, recipe):
    with pytest.raises(ValueError, match=r"all 2 trials failed, the first .* training diverged"):
        tune(
            recipe.replace(learning_rate=1e38),
            {"batch_size": Choice(4)},
            tmp_path,
            trials=2,
            epochs=1,
        )
    assert [row["status"] for row in rows_of(tmp_path)] == ["failed"] * 2


def state_of(folder: Path) -> dict:
    return json.loads((folder / "search" / "oracle.json").read_text())


def test_a_gaussian_process_proposes_what_was_not_tried(tmp_path, recipe, by_formula):
    search = {"batch_size": Choice(8, 16, 32, 4)}
    tuned = tune(recipe, search, tmp_path, trials=5, epochs=1, retrain=False)
    # The space holds four: the fourth trial is the process's own, and then there is none left.
    assert sorted(trial.values["batch_size"] for trial in tuned.trials) == [4, 8, 16, 32]
    assert state_of(tmp_path)["num_initial_points"] == 3


def test_hyperband_begins_again_with_what_was_best_in_few_epochs(tmp_path, recipe, by_formula):
    tuned = tune(
        recipe.replace(epochs=3),
        LEARNING_RATE,
        tmp_path,
        method="hyperband",
        trials=5,
        retrain=False,
    )
    # The recipe as it is, three draws for a third of the epochs, and the best of them for all.
    assert [trial.epochs for trial in tuned.trials] == [3, 1, 1, 1, 3]
    short = min(tuned.trials[1:4], key=lambda trial: trial.measured["val_loss"])
    assert tuned.trials[4].values == short.values
    assert tuned.best.measured["val_loss"] < tuned.trials[0].measured["val_loss"]


def test_goes_on_with_more_trials_and_refuses_another_search(tmp_path, recipe, origin, by_formula):
    options = {"trials": 2, "epochs": 1, "retrain": False}
    first = tune(recipe, LEARNING_RATE, tmp_path, **options)
    said = []
    # The file is read again, as by another process: a function of it stands elsewhere.
    again = recipes.load(origin)
    more = tune(again, LEARNING_RATE, tmp_path, **options | {"trials": 3}, say=said.append)
    assert more.trials[:2] == first.trials and len(more.trials) == 3
    assert said[0] == "Going on after 2 trials."

    edited = tmp_path / "edited.py"
    edited.write_text(FILE.replace("dropout=0.0", "dropout=0.1"))
    for other, search, changes, what in (
        (recipe, {"batch_size": Choice(4)}, {}, "search is"),
        (recipe, LEARNING_RATE, {"objective": "val_kind_accuracy"}, "objective is"),
        (recipe, LEARNING_RATE, {"slices": ["note"]}, "slices is"),
        (recipe.replace(weight_decay=0.5), LEARNING_RATE, {}, "recipe's weight_decay is"),
        (recipe.replace(pipeline={"pad": "max"}), LEARNING_RATE, {}, "recipe's pipeline.pad is"),
        (recipes.load(str(edited)), LEARNING_RATE, {}, 'model.dropout is "0.0" and not "0.1"'),
    ):
        with pytest.raises(ValueError, match=rf"another search, whose .*{what}"):
            tune(other, search, tmp_path, **options | changes)
    assert load_trials(tmp_path / "search", SearchSpace(recipe, LEARNING_RATE)) == more.trials


def test_what_ended_before_its_first_trial_begins_anew(tmp_path, recipe, by_formula):
    def stop(model, source):
        raise KeyboardInterrupt

    options = {"trials": 2, "epochs": 1, "retrain": False}
    with pytest.raises(KeyboardInterrupt):
        tune(recipe, LEARNING_RATE, tmp_path, measure=stop, **options)
    assert (tmp_path / "search" / "trial_0" / "trial.json").exists()
    tuned = tune(recipe, {"batch_size": Choice(4)}, tmp_path, **options)
    assert [trial.values["batch_size"] for trial in tuned.trials] == [8, 4]


def test_what_is_no_search_is_left_alone(tmp_path, recipe, by_formula):
    package = tmp_path / "search" / "__init__.py"
    package.parent.mkdir()
    package.write_text("mine = True")
    with pytest.raises(FileExistsError, match=r"search is there, and no .*tuning.json"):
        tune(recipe, LEARNING_RATE, tmp_path)
    assert [*tmp_path.rglob("*.*")] == [package] and package.read_text() == "mine = True"

    # A worker makes an empty folder, if its chief begins after it.
    package.unlink()
    tune(recipe, LEARNING_RATE, tmp_path, trials=2, epochs=1, retrain=False)
    (tmp_path / "tuning.json").unlink()
    done = records(tmp_path)
    with pytest.raises(FileExistsError, match=r"name another folder, or remove"):
        tune(recipe, LEARNING_RATE, tmp_path)
    assert records(tmp_path) == done and len(done) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "val_happiness"}, "'val_happiness' is to become high or low"),
        ({"objective": "happiness", "direction": "max"}, "nothing by the name 'happiness'"),
        ({"objective": "loss"}, "'loss' was measured.* Did you mean 'val_loss'"),
        ({"limits": {"kind_accuracy": 1}}, "Did you mean 'val_kind_accuracy'"),
        ({"slices": ["voice"]}, "cannot slice by .*voice"),
        ({"objective": "val_loss", "direction": "up"}, "'max' or 'min'; got 'up'"),
        ({"method": "grid"}, "one of .*bayesian.*; got 'grid'"),
        ({"trials": 1}, "trials must be at least 2"),
        ({"search": {}}, "the search space is empty"),
        ({"search": {"learning_rat": Choice(1)}}, "Did you mean 'learning_rate'"),
        ({"search": {"epochs": Choice(1, 2)}, "epochs": 1}, "'epochs' cannot be searched"),
        ({"limits": {"latency_ms": float("nan")}}, "limit of latency_ms must be a finite number"),
    ],
)
def test_bad_arguments_are_clear_errors(tmp_path, recipe, by_formula, options, message):
    options = {"search": LEARNING_RATE, "objective": "val_loss", "epochs": 1} | options
    with pytest.raises((ValueError, KeyError), match=message):
        mm.tune(recipe, options.pop("search"), tmp_path, say=quiet, **options)
    assert not (tmp_path / "trials.csv").exists()


def test_needs_validation_samples(tmp_path, recipe):
    bare = recipe.replace(sources=lambda: {"train": recipe.sources()["train"]})
    with pytest.raises(ValueError, match=r"no validation samples .* it has \['train'\]"):
        tune(bare, LEARNING_RATE, tmp_path)


#: Run as a program of its own. `third`: its third trial does not end; `both`: trials end when two
#: have begun.
PROGRAM = """
    import sys, time
    from pathlib import Path
    import mmkeras as mm
    from mmkeras import recipes
    from mmkeras.training import Range

    origin, folder, hangs = sys.argv[1:]
    measured = []

    def measure(model, source):
        measured.append(model)
        while hangs == "both" and len([*Path(folder).glob("search/*/trial.json")]) < 2:
            time.sleep(0.1)
        if hangs == "third" and len(measured) == 3:
            time.sleep(600)
        return {}

    tuned = mm.tune(
        recipes.load(origin), {"learning_rate": Range(1e-3, 1e-1)}, folder,
        objective="val_loss", trials=4, epochs=1, measure=measure, method="random",
        retrain=False, say=lambda line: print(line, flush=True),
    )
    print("found" if tuned else "worked", flush=True)
"""


def start(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.Popen:
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    path = os.pathsep.join(each for each in sys.path if each)
    return subprocess.Popen(
        [sys.executable, str(program), *arguments],
        env=os.environ | {"PYTHONPATH": path} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def records(folder: Path) -> dict[str, str]:
    paths = sorted(folder.glob("search/trial_*/record.json"))
    return {path.parent.name: path.read_text() for path in paths}


def test_goes_on_after_a_kill_in_the_middle_of_a_trial(tmp_path, recipe, origin):
    folder = tmp_path / "out"
    process = start(tmp_path, origin, str(folder), "third")
    until(lambda: (folder / "search" / "trial_2" / "run" / "model.keras").exists(), process)
    done = records(folder)
    assert len(done) == 2
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert records(folder) == done
    # What a kill between two of KerasTuner's writes leaves: a trial that nobody has begun.
    trial = json.loads((folder / "search" / "trial_2" / "trial.json").read_text())
    orphan = folder / "search" / "trial_3"
    orphan.mkdir()
    (orphan / "trial.json").write_text(json.dumps(trial | {"trial_id": "3"}))

    said, options = [], {"method": "random", "trials": 4, "epochs": 1, "retrain": False}
    assert tune(recipe, LEARNING_RATE, folder, **options, say=said.append) is not None
    assert said[0] == "Going on after 2 trials."
    after = records(folder)
    assert len(after) == 4 and {name: after[name] for name in done} == done
    # The trial that was at work has the values it had, and one run's numbers.
    again = json.loads((folder / "search" / "trial_2" / "trial.json").read_text())
    assert again["hyperparameters"]["values"] == trial["hyperparameters"]["values"]
    assert again["status"] == "COMPLETED"
    assert len(again["metrics"]["metrics"]["val_loss"]["observations"][0]["value"]) == 1
    assert len({json.loads(text)["values"]["learning_rate"] for text in after.values()}) == 4


def until(happened, process: subprocess.Popen, seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


def test_a_chief_and_two_workers(tmp_path, recipe, origin, monkeypatch):
    folder, said = tmp_path / "out", []
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", port)
    workers = [
        start(tmp_path, origin, str(folder), "both", KERASTUNER_TUNER_ID=name)
        for name in ("worker0", "worker1")
    ]
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "chief")
    # KerasTuner's chief looks only every twenty seconds whether the last worker is done.
    impatient = types.SimpleNamespace(sleep=lambda seconds: time.sleep(0.1))
    monkeypatch.setattr(oracle_chief, "time", impatient)
    options = {"method": "random", "trials": 4, "epochs": 1, "retrain": False}
    tuned = tune(recipe, LEARNING_RATE, folder, **options, origin=origin, say=said.append)
    outputs = [worker.communicate(timeout=600) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], outputs
    assert tuned is not None and not any(line.startswith("Trial ") for line in said)
    assert all("worked" in out for out, _ in outputs)
    lines = [[line for line in out.splitlines() if line.startswith("Trial ")] for out, _ in outputs]
    assert sum(map(len, lines)) == 4 and all(lines), lines
    rows = rows_of(folder)
    assert [row["status"] for row in rows] == ["finished"] * 4
    assert rows[0]["learning_rate"] == "1e-05"
    best = min(rows, key=lambda row: float(row["val_loss"]))
    # Messages between processes have numbers of single precision; the file has the trial's own.
    loaded = recipes.load(str(folder / "best.py"))
    assert loaded.learning_rate == float(best["learning_rate"])
