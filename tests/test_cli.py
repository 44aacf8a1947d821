"""The command line as a person uses it: a table, one typo after another, and the way that works."""

import json

import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

import mmkeras as mm
from mmkeras import cli, recipes
from mmkeras.evaluation import LiteRTComparison
from mmkeras.fusions import Late
from mmkeras.sound import wav
from mmkeras.tasks import SpeechRecognition, SpeechSynthesis
from mmkeras.training import sparsity

LEARN = ("--classify", "kind", "--out", "FOLDER/x")
TUNE = ("--objective", "val_loss", "--out", "FOLDER/x")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pets")
    chance = np.random.default_rng(0)
    lines = ["note,photo,kind"]
    for i in range(30):
        picture = np.full((16, 16, 3), (0, 255)[i % 2], "uint8")
        (folder / f"{i}.png").write_bytes(tf.io.encode_png(picture).numpy())
        lines.append(f"{chance.choice(['the', 'a'])} {('cat', 'dog')[i % 2]},{i}.png,{i % 2}")
    (folder / "pets.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def trained(folder):
    table = ["--table", str(folder / "pets.csv"), "--text", "note", "--image", "photo"]
    more = ["--classify", "kind", "--size", "tiny", "--out", str(folder / "run")]
    options = ["--set", "epochs=12", "learning_rate=0.01", "cache=true"]
    assert cli.main(["train", *table, *more, *options]) == 0
    return str(folder / "run" / "model.keras")


def test_train_evaluate_predict_export(folder, trained, capsys):
    assert cli.main(["evaluate", trained, "--table", str(folder / "pets.csv"), "--json"]) == 0
    told = capsys.readouterr()
    scores = json.loads(told.out.splitlines()[-1])
    assert scores["note + photo"]["kind_accuracy"] > 0.9 and "Left out" not in told.err
    (folder / "notes.csv").write_text("note,kind\na cat,0\nthe dog,1\n")
    assert cli.main(["evaluate", trained, "--table", str(folder / "notes.csv")]) == 0
    assert "no columns for ['photo'], but ['note', 'kind']" in capsys.readouterr().err

    assert cli.main(["predict", trained, f"photo={folder / '1.png'}", "note=a dog"]) == 0
    assert capsys.readouterr().out.startswith("kind: 1\n")

    assert cli.main(["predict", trained, "--table", str(folder / "pets.csv")]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["kind"]["label"] for answer in answers[:4]] == ["0", "1", "0", "1"]

    for path in ("served/1", "served/pets.tflite"):
        assert cli.main(["export", trained, str(folder / path)]) == 0
        assert "agree with the model" in capsys.readouterr().out


RECIPE = """
import mmkeras as mm
from mmkeras.training import Recipe

def sources():
    table = mm.sources.Table("pets.csv")
    return {"train": table, "test": table}

recipe = Recipe("pets", sources, lambda train: None, epochs=2, batch_size=8, learning_rate=1e-2)
"""


def test_optimize_writes_files_and_what_they_cost(folder, trained, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    command = ["optimize", trained, "--out", "small"]
    assert cli.main([*command, "--table", "pets.csv", "--distil", "tiny"]) == 1
    assert "need a --recipe" in capsys.readouterr().err
    assert cli.main([*command, "--table", "pets.csv"]) == 0
    told = capsys.readouterr()
    assert "int8 is left out: it needs --calibrate" in told.err
    assert "| dynamic |" in told.out and "kind_accuracy" in told.out

    (folder / "recipe.py").write_text(RECIPE)
    command += ["--recipe", "recipe.py", "--prune", "0.5", "--distil", "tiny", "--epochs", "1"]
    assert cli.main(command) == 1
    assert "exists; pass --overwrite" in capsys.readouterr().err
    assert cli.main([*command, "--overwrite"]) == 0
    rows = json.loads((folder / "small" / "comparison.json").read_text())["rows"]
    kinds = ["float32", "float16", "dynamic", "int8"]
    assert [*rows] == [*kinds, "pruned", "pruned_int8", "distilled", "distilled_int8"]
    for name, row in rows.items():
        assert row["size_bytes"] == (folder / "small" / f"{name}.tflite").stat().st_size
    assert rows["float32"]["kind_accuracy"] > 0.9
    assert rows["pruned"]["compressed_bytes"] < 0.9 * rows["float32"]["compressed_bytes"]
    model = keras.saving.load_model(folder / "small/trained/pruned_0.5/model.keras")
    assert sparsity(model)[""] == pytest.approx(0.5, abs=0.02)


def test_one_file_is_quantised_too(folder, trained, capsys):
    small, table = str(folder / "served" / "small.tflite"), str(folder / "pets.csv")
    assert cli.main(["export", trained, small, "--quantize", "static", "--calibrate", table]) == 0
    assert "of decisions" in capsys.readouterr().out
    assert cli.main(["export", trained, str(folder / "served/9"), "--quantize", "dynamic"]) == 1
    assert "only a .tflite file is quantised" in capsys.readouterr().err


def test_a_report_of_slices(folder, trained, capsys):
    lines = (folder / "pets.csv").read_text().splitlines()
    sliced = [f"{line},{('by', 'anna', 'ben')[0 if not i else 1 + i % 2]}"
              for i, line in enumerate(lines)]  # fmt: skip
    (folder / "sliced.csv").write_text("\n".join(sliced))
    table = ["--table", str(folder / "sliced.csv"), "--slice", "by"]
    assert cli.main(["evaluate", trained, *table]) == 0
    told = capsys.readouterr().out
    assert "by by:" in told and "anna" in told and "See" not in told
    out = folder / "report"
    assert cli.main(["evaluate", trained, *table, "--report", str(out), "--json"]) == 0
    told = capsys.readouterr()
    report = mm.evaluation.Report.from_json(told.out)
    assert report.slices["by"]["anna"]["kind_accuracy"].count == 15
    assert str(out / "report.html") in told.err
    assert mm.evaluation.Report.load(out / "report.json") == report
    page = (out / "report.html").read_text()
    assert "Evaluation of model.keras" in page and '<section id="worst">' in page
    assert '<section id="robustness">' not in page
    compared = LiteRTComparison({"float32": {"size_bytes": 9, "latency_ms": None}}, 3, 1)
    compared_json = compared.save(folder / "compared")[1]
    more = ["--report", str(out), "--robustness", "--litert", str(compared_json)]
    assert cli.main(["evaluate", trained, *table, *more]) == 0
    page = (out / "report.html").read_text()
    assert '<section id="robustness">' in page and '<section id="files">' in page
    assert (out / "files.csv").read_text() == "file,size_bytes,latency_ms\nfloat32,9,\n"
    assert cli.main(["evaluate", trained, *table, *more[:-1], str(out / "report.json")]) == 1
    assert "report.json: this is no comparison of files" in capsys.readouterr().err
    capsys.readouterr()
    pair = [str(out / "report.json")] * 2
    assert cli.main(["compare", *pair]) == 0
    assert "Nothing differs by more than chance explains" in capsys.readouterr().out
    assert cli.main(["compare", *pair, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["paired"] and not told["worse"] and len(told["differences"]) == 6


def test_a_card_with_what_was_measured_and_told(folder, trained, capsys):
    report = folder / "carded" / "report.json"
    table = ["--table", str(folder / "pets.csv")]
    assert cli.main(["evaluate", trained, *table, "--report", str(report.parent)]) == 0
    about = folder / "about.toml"
    about.write_text('license = "mit"\nlimits = "Pets alone."\n')
    told = ["--report", str(report), "--about", str(about)]
    assert cli.main(["export", trained, str(folder / "carded" / "pets" / "1"), *told]) == 0
    card = (folder / "carded" / "pets" / "1.card.md").read_text()
    assert "| kind_accuracy |" in card and "Pets alone." in card
    about.write_text("license = mit")
    assert cli.main(["export", trained, str(folder / "carded" / "pets" / "2"), *told]) == 1
    assert "about.toml is no TOML" in capsys.readouterr().err


def test_calibrate(folder, trained, capsys):
    table = ["--table", str(folder / "pets.csv")]
    new = folder / "calibrated" / "new.keras"
    assert cli.main(["calibrate", trained, *table, "--out", str(new)]) == 0
    assert capsys.readouterr().out.startswith("kind: temperature 0.0")
    old, model = (keras.saving.load_model(path) for path in (trained, new))
    assert old.tasks["kind"].temperature == 1.0 != model.tasks["kind"].temperature
    assert [path.name for path in new.parent.iterdir()] == ["new.keras"]


def test_entities_from_a_table_to_answers(tmp_path, capsys):
    people, places = ("Anna", "Zoë", "Tom"), ("Rome", "Köln")
    rows = [
        {
            "note": f"{who} went to {where}.",
            "names": [[0, len(who), "PERSON"], [at, at + 4, "CITY"]],
        }
        for who in people
        for where in places
        for at in [len(who) + 9]
    ]
    table = tmp_path / "notes.jsonl"
    table.write_text("\n".join(json.dumps(row) for row in rows * 80))
    model = str(tmp_path / "run" / "model.keras")
    learn = ["--text", "note", "--tag", "names", "--size", "tiny", "--out", str(tmp_path / "run")]
    options = ["epochs=6", "batch_size=16", "learning_rate=0.02", "augment=false", "cache=true"]
    assert cli.main(["train", "--table", str(table), *learn, "--set", *options]) == 0
    capsys.readouterr()

    assert cli.main(["predict", model, "note=Zoë went to Rome."]) == 0
    lines = [line.split()[1:] for line in capsys.readouterr().out.splitlines()]
    assert lines == [["2", "entities"], ["PERSON", "Zoë", "(0-3)"], ["CITY", "Rome", "(12-16)"]]

    assert cli.main(["predict", model, "--table", str(table)]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])["names"]["entities"]
    assert [(e["type"], e["text"]) for e in first] == [("PERSON", "Anna"), ("CITY", "Rome")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "modle.keras", "note=x"], "modle.keras does not exist"),
        (["predict", "MODEL", "nota=x"], "nota"),
        (["predict", "MODEL", "photo=no.png"], "no.png"),
        (["predict", "MODEL", "note"], "NAME=VALUE"),
        (["evaluate", "MODEL", "--table", "FOLDER/pet.csv"], "Did you mean pets.csv"),
        (["evaluate", "MODEL"], "--table"),
        (
            ["evaluate", "MODEL", "--table", "FOLDER/pets.csv", "--slice", "breed"],
            "cannot slice by ['breed']",
        ),
        (["evaluate", "MODEL", "--table", "FOLDER/pets.csv", "--robustness"], "--report"),
        (["compare", "FOLDER/old.json", "FOLDER/pets.csv"], "old.json does not exist"),
        (["compare", "FOLDER/pets.csv", "FOLDER/pets.csv"], "pets.csv: this is no report"),
        (["calibrate", "MODEL", "--table", "FOLDER/pets.csv", "--out", "x.h5"], ".keras"),
        (
            [
                "calibrate",
                "MODEL",
                "--table",
                "FOLDER/pets.csv",
                "--task",
                "sort",
                "--out",
                "FOLDER/x.keras",
            ],
            "'sort' is no task Classification",
        ),
        (["export", "MODEL", "FOLDER/served"], "version"),
        (["train", "emojis", "--out", "FOLDER/x"], "Did you mean 'emoji'"),
        (
            ["train", "--table", "FOLDER/pets.csv", "--text", "note", "--out", "FOLDER/x"],
            "to classify, to tag, to detect or to regress",
        ),
        (
            ["train", "--table", "FOLDER/pets.csv", "--text", "note", "--tag", *LEARN[1:]],
            "holds no entity",
        ),
        (
            [
                "train",
                "--table",
                "FOLDER/pets.csv",
                "--text",
                "notes",
                "--classify",
                "kind",
                "--out",
                "FOLDER/x",
            ],
            "Did you mean 'note'",
        ),
        (
            ["tune", "emoji", "--search", "lerning_rate=1,2", *TUNE],
            "Did you mean 'learning_rate'",
        ),
        (["tune", "emoji", "--search", "epochs=9..1", *TUNE], "the wrong way round"),
        (["tune", "emoji", "--search", "epochs=1,2", "epochs=3", *TUNE], "each value once"),
        (
            ["tune", "emoji", "--search", "epochs=1,2", "--limit", "parameters=few", *TUNE],
            "limit of parameters must be a finite number; got 'few'",
        ),
    ],
)
def test_a_mistake_is_one_clear_line_and_code_1(arguments, message, folder, trained, capsys):
    filled = [a.replace("FOLDER", str(folder)).replace("MODEL", trained) for a in arguments]
    assert cli.main(filled) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert len(error.splitlines()) == 1


def test_a_wrong_command_line_is_code_2():
    with pytest.raises(SystemExit) as stopped:
        cli.main(["trian"])
    assert stopped.value.code == 2


def test_a_recipe_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("from mmkeras.recipes.emoji import recipe\nrecipe = recipe.replace(epochs=1)\n")
    assert recipes.load(str(path)).epochs == 1
    path.write_text("x = 1\n")
    with pytest.raises(ValueError, match="must set `recipe`"):
        recipes.load(str(path))


def test_a_better_recipe_is_found_and_trained(folder, tmp_path, capsys):
    start = tmp_path / "pets.py"
    start.write_text(
        "from mmkeras.recipes.table import table_recipe\n"
        f"recipe = table_recipe({str(folder / 'pets.csv')!r}, text=['note'], classify=['kind'],\n"
        "    size='tiny').replace(epochs=1, learning_rate=1e-6, jit_compile=False)\n"
    )
    out = tmp_path / "tuned"
    command = ["tune", str(start), "--search", "learning_rate=1e-3..1e-1", "pipeline.pad=max"]
    command += ["--objective", "val_loss", "--trials", "2", "--method", "random"]
    command += ["--out", str(out), "--no-retrain"]
    assert cli.main(command) == 0
    told = capsys.readouterr().out
    assert "as it is" in told and f"The best is in {out / 'best.py'}" in told
    rate = recipes.load(str(out / "best.py")).learning_rate
    assert 1e-3 <= rate <= 1e-1
    assert cli.main(["train", str(out / "best.py"), "--out", str(out / "best")]) == 0
    assert json.loads((out / "best" / "recipe.json").read_text())["learning_rate"] == rate
    # Started again, everything is there.
    capsys.readouterr()
    assert cli.main(command) == 0
    assert capsys.readouterr().out.startswith("Going on after 2 trials.\n")


def test_what_is_heard_is_printed_and_what_is_said_is_saved(tmp_path, capsys):
    audio, text = mm.Audio.tiny(), mm.Text.tiny()
    sound = tmp_path / "sound.wav"
    sound.write_bytes(audio.samples()[0])
    listener = mm.MultimodalModel(
        {"speech": audio}, {"said": SpeechRecognition.tiny()}, size="tiny", fusion=Late(16)
    )
    # So that each step hears one letter.
    bias = listener.get_layer("said").projection.bias
    bias.assign([0.0, 0.0, 99.0, 0.0])
    listener.save(tmp_path / "listener.keras")
    assert cli.main(["predict", str(tmp_path / "listener.keras"), f"speech={sound}"]) == 0
    assert capsys.readouterr().out == "said: a\n      0.00 s to 0.12 s  a\n"

    speaker = mm.MultimodalModel(
        {"text": text}, {"speech": SpeechSynthesis.tiny()}, size="tiny", fusion=Late(16)
    )
    speaker.save(tmp_path / "speaker.keras")
    out = tmp_path / "out"
    given = ["predict", str(tmp_path / "speaker.keras"), "text=good dogs", f"speech={sound}"]
    assert cli.main([*given, "--draw", str(out)]) == 0
    assert "--draw FOLDER saves" in capsys.readouterr().out
    assert (out / "speech.wav").read_bytes()[:4] == b"RIFF"
    with PIL.Image.open(out / "speech.png") as both:
        width = both.width
    assert cli.main([*given[:3], "--draw", str(out)]) == 0
    with PIL.Image.open(out / "speech.png") as alone:
        assert alone.width < width


def test_recordings_longer_than_the_model_hears_are_written_down(tmp_path, capsys):
    audio = mm.Audio(sample_rate=8_000, seconds=1.0)
    model = mm.MultimodalModel({"speech": audio}, {"said": SpeechRecognition.tiny()}, size="tiny")
    # So that each step hears one letter.
    model.get_layer("said").projection.bias.assign([0.0, 0.0, 99.0, 0.0])
    model.save(tmp_path / "model.keras")
    chance = np.random.default_rng(0)
    for name, seconds in (("short.wav", 0.5), ("long.wav", 2.5)):
        samples = chance.normal(0, 0.1, int(seconds * 8_000)).astype("float32")
        (tmp_path / name).write_bytes(wav.encode(samples, 8_000))
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    command = ["transcribe", str(tmp_path / "model.keras")]

    assert cli.main([*command, str(tmp_path / "short.wav")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'short.wav'}\ta\n"

    table = tmp_path / "calls.csv"
    table.write_text("id,speech\n1,long.wav\n2,broken.wav\n3,missing.wav\n")
    assert cli.main([*command, "--table", str(table), "--json"]) == 1
    told = capsys.readouterr()
    (heard,) = [json.loads(line) for line in told.out.splitlines()]
    assert heard["recording"] == "long.wav"
    (word,) = heard["words"]
    assert word["text"] == "a" and word["end_s"] == pytest.approx(2.5, abs=0.1)
    assert "calls.csv, row 2, speech 'broken.wav': " in told.err

    assert cli.main([*command, "--table", str(table), "--on-error", "skip"]) == 0
    told = capsys.readouterr()
    assert told.out == "long.wav\ta\n" and told.err.count("Left out: calls.csv, row ") == 2

    for more, message in (
        ([], "recordings or a --table"),
        ([str(table), "--table", str(table)], "recordings or a --table"),
        ([str(tmp_path / "broken.wav"), "--on-error", "skip"], "none of the recordings"),
        ([str(tmp_path / "short.wav"), "--overlap", "1"], "overlap_s must be in [0, 1.0)"),
    ):
        assert cli.main([*command, *more]) == 1
        assert message in capsys.readouterr().err
