"""The `mmkeras` command: the demo, training, tuning, evaluation, answers, search, export.

Exit codes: 0 done, 1 the data, the model or a file is not right (the message says which), 2 the
command line is not.
"""

import argparse
import base64
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Before TensorFlow is imported: its start-up notes are for TensorFlow's developers.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code.

    Args:
        arguments: without the program's name; `sys.argv` if None.
    """
    given = _parser().parse_args(arguments)
    try:
        given.run(given)
    except Exception as error:
        # Anything else is a fault of mmkeras, whose trace a report needs.
        if given.traceback or not isinstance(error, _expected()):
            raise
        print(f"mmkeras {given.command}: {_message(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"mmkeras {given.command}: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mmkeras", description="Multimodal Transformers in TensorFlow and Keras."
    )
    parser.add_argument("--traceback", action="store_true", help="show where an error was raised")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="the main job on embedded data, in a few minutes")
    demo.add_argument("--out", default="runs/demo", help="folder of the results (%(default)s)")
    demo.set_defaults(run=_demo)

    train = commands.add_parser("train", help="train a recipe, or a model for a table")
    train.add_argument("recipe", nargs="?", help="name of a recipe, or a .py file that sets one")
    _add_table(train)
    for option, what in (
        ("text", "texts"),
        ("image", "paths of pictures"),
        ("audio", "paths of WAV files"),
        ("classify", "one class"),
        ("multi-label", "any number of classes, joined by |"),
        ("regress", "a number"),
        ("tag", "entities in the text: BIO tags, or spans"),
        ("detect", "objects in the picture: JSON of a list of dicts with box and label"),
    ):
        train.add_argument(
            f"--{option}", nargs="+", default=[], metavar="COLUMN", help=f"columns of {what}"
        )
    train.add_argument("--size", default="small", help="tiny, small (default) or base")
    train.add_argument("--modality-dropout", type=float, default=0.0, metavar="RATE",
                       help="hides fields at random in training (0 to 1)")  # fmt: skip
    train.add_argument("--split-by", metavar="COLUMN", help="keep rows of one group together")
    train.add_argument("--split-column", metavar="COLUMN", help="says train, validation or test")
    train.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE",
                       help="other values of the recipe, such as epochs=3")  # fmt: skip
    train.add_argument("--out", required=True, help="folder of the results")
    train.set_defaults(run=_train)

    tune = commands.add_parser(
        "tune",
        help="look for a better recipe",
        description="Trains a recipe with other values, again and again, and writes the best as a "
        "recipe file. The first trial is the recipe as it is. Started again, it goes on.",
    )
    tune.add_argument("recipe", help="name of a recipe, or a .py file that sets one")
    tune.add_argument("--search", nargs="+", required=True, metavar="NAME=VALUES",
                      help="what may change: learning_rate=1e-4..1e-2, batch_size=16,32,64, "
                      "model.ARG=..., pipeline.OPTION=...; LOW..HIGH:STEP goes by steps, a "
                      "range of a factor of ten or more by orders of magnitude")  # fmt: skip
    tune.add_argument("--objective", required=True, metavar="NAME",
                      help="a measure of validation, such as val_loss, val_TASK_accuracy or "
                      "val_TASK_ece; latency_ms or parameters")  # fmt: skip
    tune.add_argument("--direction", choices=["max", "min"],
                      help="of the objective, where its name does not tell")  # fmt: skip
    tune.add_argument("--limit", nargs="+", default=[], metavar="NAME=NUMBER",
                      help="no more than this, such as latency_ms=20")  # fmt: skip
    tune.add_argument("--slice", nargs="+", default=[], metavar="COLUMN",
                      help="columns whose groups are compared: val_MEASURE_gap_COLUMN is the "
                      "largest difference between two")  # fmt: skip
    tune.add_argument("--method", choices=["random", "bayesian", "hyperband"], default="bayesian",
                      help="how new values are found (%(default)s)")  # fmt: skip
    tune.add_argument("--trials", type=int, default=12, help="how many (%(default)s)")
    tune.add_argument("--epochs", type=int, help="of a trial; as many as the recipe's if not given")
    tune.add_argument("--seed", type=int, default=0, help="of what is drawn (%(default)s)")
    tune.add_argument("--no-retrain", action="store_true",
                      help="do not train the recipe and the best once more, with all epochs, for a "
                      "comparison on the test samples")  # fmt: skip
    tune.add_argument("--out", required=True, help="folder of the results")
    tune.set_defaults(run=_tune)

    evaluate = commands.add_parser("evaluate", help="metrics for every subset of the fields")
    evaluate.add_argument("model", help="a .keras file")
    _add_recipe(evaluate, "test")
    _add_table(evaluate)
    evaluate.add_argument("--slice", nargs="+", default=[], metavar="COLUMN",
                          help="report who is worse off, by these columns")  # fmt: skip
    evaluate.add_argument("--report", metavar="FOLDER", help="write the report as a page there")
    evaluate.add_argument("--robustness", action="store_true",
                          help="with --report, also when fields are spoiled")  # fmt: skip
    evaluate.add_argument("--litert", metavar="COMPARISON.json",
                          help="with --report, also what optimize measured of files")  # fmt: skip
    evaluate.add_argument("--json", action="store_true", help="print JSON")
    evaluate.set_defaults(run=_evaluate)

    compare = commands.add_parser("compare", help="what is better or worse in a new report")
    compare.add_argument("old", metavar="OLD.json", help="a report.json")
    compare.add_argument("new", metavar="NEW.json", help="a later one")
    compare.add_argument("--json", action="store_true", help="print JSON")
    compare.set_defaults(run=_compare)

    calibrate = commands.add_parser(
        "calibrate", help="make probabilities as sure as they are right"
    )
    calibrate.add_argument("model", help="a .keras file")
    _add_recipe(calibrate, "validation")
    calibrate.add_argument("--table", metavar="FILE", help="CSV, TSV, JSONL or Parquet")
    calibrate.add_argument("--task", help="which, if the model has several Classification")
    calibrate.add_argument("--out", required=True, metavar="NEW.keras", help="the calibrated model")
    calibrate.set_defaults(run=_calibrate)

    predict = commands.add_parser("predict", help="answers for one sample or a table")
    predict.add_argument("model", help="a .keras file")
    predict.add_argument("values", nargs="*", metavar="FIELD=VALUE",
                         help="a text, or the path of a picture or WAV file")  # fmt: skip
    predict.add_argument(
        "--draw",
        metavar="FOLDER",
        help="save pictures with boxes or masks, speech with its spectrogram",
    )
    _add_table(predict)
    predict.set_defaults(run=_predict)

    transcribe = commands.add_parser("transcribe", help="what is said in recordings of any length")
    transcribe.add_argument("model", help="a .keras file with a task SpeechRecognition")
    transcribe.add_argument("recordings", nargs="*", metavar="FILE", help="paths of recordings")
    transcribe.add_argument("--task", help="which, if the model has several SpeechRecognition")
    transcribe.add_argument("--overlap", type=float, metavar="SECONDS",
                            help="of what the model hears at once (1, or half of it)")  # fmt: skip
    transcribe.add_argument("--json", action="store_true",
                            help="print JSON, with the words' times")  # fmt: skip
    _add_table(transcribe)
    transcribe.set_defaults(run=_transcribe)

    search = commands.add_parser("search", help="what of a table is nearest to a sample")
    search.add_argument("model", help="a .keras file with a task Contrastive")
    search.add_argument("values", nargs="+", metavar="FIELD=VALUE",
                        help="what to look for it by: a text, or the path of a file")  # fmt: skip
    search.add_argument("--field", required=True, help="what is looked for, a column of the table")
    search.add_argument("--index", metavar="FILE.npz",
                        help="read the collection from this file, or write it there")  # fmt: skip
    search.add_argument("--approximate", action="store_true",
                        help="for very many rows: faster, and may miss some")  # fmt: skip
    search.add_argument("-k", type=int, default=5, help="how many are shown (%(default)s)")
    search.add_argument("--table", metavar="FILE", help="CSV, TSV, JSONL or Parquet")
    search.set_defaults(run=_search)

    export = commands.add_parser("export", help="write and verify a SavedModel or a LiteRT file")
    export.add_argument("model", help="a .keras file")
    export.add_argument("path", help="<name>/<version> for a SavedModel, or <name>.tflite")
    export.add_argument("--overwrite", action="store_true", help="replace what stands there")
    export.add_argument("--quantize", choices=["float16", "dynamic", "static"],
                        help="fewer bits for each weight of a LiteRT file")  # fmt: skip
    _add_calibration(export)
    export.add_argument("--report", metavar="REPORT.json",
                        help="what evaluate --report wrote, for the model card")  # fmt: skip
    export.add_argument("--about", metavar="ABOUT.toml",
                        help="description, intended_use, training_data, limits and license, for "
                             "the model card")  # fmt: skip
    export.set_defaults(run=_export)

    optimize = commands.add_parser(
        "optimize",
        help="make a model smaller, and measure what it costs",
        description="Writes LiteRT files in fewer bits; with --prune and --distil, also of a model "
        "with zeros and of a smaller one, which are trained. Measures all of them beside each "
        "other on held-out samples.",
    )
    optimize.add_argument("model", help="a .keras file")
    optimize.add_argument("--out", required=True, help="folder of the files and of the comparison")
    _add_recipe(optimize, "test")
    optimize.add_argument("--table", metavar="FILE", help="measure on a CSV, TSV, JSONL or Parquet")
    _add_calibration(optimize)
    optimize.add_argument("--prune", type=float, metavar="SHARE",
                          help="with --recipe, also train a copy on until this share of its "
                               "weights is zero, such as 0.8")  # fmt: skip
    optimize.add_argument("--distil", metavar="SIZE",
                          help="with --recipe, also train a model of this size, such as tiny, "
                               "whose teacher is this one")  # fmt: skip
    optimize.add_argument("--epochs", type=int,
                          help="of these trainings (as many as the recipe's)")  # fmt: skip
    optimize.add_argument("--threads", type=int, default=1, help="of LiteRT (%(default)s)")
    optimize.add_argument("--overwrite", action="store_true", help="replace what stands there")
    optimize.set_defaults(run=_optimize)
    return parser


def _add_recipe(parser: argparse.ArgumentParser, part: str) -> None:
    parser.add_argument("--recipe", help="use a part of this recipe's samples")
    parser.add_argument("--part", default=part, help="which part of them (%(default)s)")


def _add_table(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", metavar="FILE", help="CSV, TSV, JSONL or Parquet")
    parser.add_argument("--on-error", choices=["raise", "skip"], default="raise",
                        help="what to do about bad samples (%(default)s)")  # fmt: skip


def _add_calibration(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--calibrate", metavar="PART|FILE",
                        help="samples that show the range of activations: a part of the recipe's, "
                             "such as train, or a table")  # fmt: skip
    parser.add_argument("--calibration-samples", type=int, default=200, metavar="N",
                        help="how many of them are looked at (%(default)s)")  # fmt: skip


def _demo(given: argparse.Namespace) -> None:
    from mmkeras.demo import demo

    demo(given.out, say=lambda line: print(line, flush=True))


def _train(given: argparse.Namespace) -> None:
    from mmkeras import recipes
    from mmkeras.recipes.table import table_recipe
    from mmkeras.training import save_examples, train

    if (given.recipe is None) == (given.table is None):
        raise ValueError("name either a recipe or a --table.")
    if given.recipe:
        recipe = recipes.load(given.recipe)
    else:
        split = {"by": given.split_by, "column": given.split_column}
        recipe = table_recipe(
            given.table,
            text=given.text,
            image=given.image,
            audio=given.audio,
            classify=given.classify,
            multi_label=given.multi_label,
            regress=given.regress,
            tag=given.tag,
            detect=given.detect,
            size=given.size,
            modality_dropout=given.modality_dropout,
            split=split,
        )
    changes = dict(_setting(text) for text in given.set)
    if given.on_error == "skip":
        changes["pipeline"] = {**recipe.pipeline, "on_error": "skip"}
    run = train(recipe.replace(**changes), given.out)
    for part, source in run.sources.items():
        if part.startswith("test"):
            print(f"{part}:")
            _print_scores(_scores(run.model, source, given.on_error))
    held_out = run.sources.get("test") or run.sources.get("validation")
    if held_out is not None:
        for path in save_examples(run.model, held_out, run.folder):
            print(f"See {path}.")
    print(f"The model is in {run.folder / 'model.keras'}.")


def _tune(given: argparse.Namespace) -> None:
    from mmkeras import recipes
    from mmkeras.training import parse_search, tune

    search = dict(parse_search(text) for text in given.search)
    if len(search) < len(given.search):
        raise ValueError(f"--search names each value once; got {given.search}.")
    tuned = tune(
        recipes.load(given.recipe),
        search,
        given.out,
        objective=given.objective,
        direction=given.direction,
        limits=dict(_setting(text) for text in given.limit),
        slices=given.slice,
        method=given.method,
        trials=given.trials,
        epochs=given.epochs,
        seed=given.seed,
        retrain=not given.no_retrain,
        origin=given.recipe,
        say=lambda line: print(line, flush=True),
    )
    if tuned is not None:
        print(f"The best is in {tuned.file}: mmkeras train {tuned.file} --out FOLDER")


def _source(given: argparse.Namespace) -> Any:
    """The samples that a command line names."""
    from mmkeras.sources import Table

    if (given.recipe is None) == (given.table is None):
        raise ValueError("name either a --recipe or a --table.")
    return Table(given.table) if given.table else _part(given.recipe, given.part)


def _evaluate(given: argparse.Namespace) -> None:
    from mmkeras.evaluation.lacking import lacking

    for part in ("robustness", "litert"):
        if getattr(given, part) and not given.report:
            raise ValueError(f"--{part} is a part of the page: name its folder with --report.")
    source = _source(given)
    model = _load(given.model)
    if absent := lacking(model, source):
        columns = list(source.columns)
        print(f"Left out: there are no columns for {absent}, but {columns}.", file=sys.stderr)
    if given.slice or given.report:
        _report(given, model, source)
        return
    scores = _scores(model, source, given.on_error)
    if given.json:
        print(json.dumps({" + ".join(subset): _numbers(row) for subset, row in scores.items()}))
    else:
        _print_scores(scores)


#: Contributions of the fields are shown of so many: each further one doubles the answers it takes.
_MOST_FIELDS = 4


def _report(given: argparse.Namespace, model: Any, source: Any) -> None:
    from mmkeras.evaluation import (
        LiteRTComparison,
        evaluate,
        field_shares,
        robustness,
        save_page,
        worst,
    )
    from mmkeras.files import existing_file

    compared = LiteRTComparison.load(existing_file(given.litert)) if given.litert else None
    report = evaluate(model, source, slices=given.slice, on_error=given.on_error)
    print(report.to_json() if given.json else report)
    if not given.report:
        return
    title = f"Evaluation of {Path(given.model).name}"
    page = save_page(
        report,
        given.report,
        title=title,
        litert=compared,
        worst=worst(model, source, report),
        robustness=robustness(model, source) if given.robustness else None,
        contributions=field_shares(model, source) if len(model.fields) <= _MOST_FIELDS else None,
    )
    # What is printed as JSON stays JSON.
    print(f"See {page}.", file=sys.stderr if given.json else sys.stdout)


def _compare(given: argparse.Namespace) -> None:
    from mmkeras.evaluation import Report, compare
    from mmkeras.files import existing_file

    found = compare(*(Report.load(existing_file(path)) for path in (given.old, given.new)))
    print(found.to_json() if given.json else found)


def _calibrate(given: argparse.Namespace) -> None:
    from mmkeras.evaluation import calibrate
    from mmkeras.files import drafted

    out = Path(given.out)
    if out.suffix != ".keras":
        raise ValueError(f"--out is {given.out}; it has to end with .keras.")
    source = _source(given)
    model = _load(given.model)
    made = calibrate(model, source, given.task)
    with drafted(out) as draft:
        model.save(draft)
    print(
        f"{made.task}: temperature {made.temperature:.4f}, expected calibration error "
        f"{made.before:.4f} before and {made.after:.4f} after, on these {len(source)} samples."
    )
    print(f"The calibrated model is in {out}.")


def _predict(given: argparse.Namespace) -> None:
    from mmkeras.sources import Table

    if bool(given.values) == (given.table is not None):
        raise ValueError("give either FIELD=VALUE pairs or a --table.")
    model = _load(given.model)
    if given.table:
        table = Table(given.table)
        known = [field for field in model.fields if field in table.columns]
        if not known:
            raise ValueError(
                f"{given.table} has none of the model's fields {list(model.fields)}; it has "
                f"{list(table.columns)}."
            )
        if given.draw:
            raise ValueError("--draw takes one sample, in FIELD=VALUE pairs.")
        options = {"labels": False, "origins": True, "only": known, "on_error": given.on_error}
        for inputs, origins in model.pipeline(table, **options):
            for answer in model.decode(model.predict_on_batch(inputs), origins):
                print(json.dumps(_writable(answer), ensure_ascii=False))
        return
    sample = dict(_pair(text) for text in given.values)
    shown = [task for task in model.tasks if task not in model.fields] if given.draw else []
    references = {task: sample.pop(task) for task in shown if task in sample}
    answers = model.answer(sample)
    for task, answer in answers.items():
        _print_answer(task, answer)
    if given.draw:
        _draw(model, sample, references, answers, Path(given.draw))


def _transcribe(given: argparse.Namespace) -> None:
    import tensorflow as tf

    from mmkeras.diagnosis import reason_of
    from mmkeras.sources import Table
    from mmkeras.transcription import Transcriber

    if bool(given.recordings) == (given.table is not None):
        raise ValueError("name either recordings or a --table.")
    transcriber = Transcriber(_load(given.model), given.overlap, task=given.task)
    field = transcriber.field
    table = Table(given.table or [{field: path} for path in given.recordings])
    heard = 0
    rows = table.rows({field: transcriber.audio.encode}, [field])
    for i, ((_, row), cell) in enumerate(zip(rows, table[field], strict=True)):
        try:
            answer = transcriber(table.load(row)[field].numpy())
        except (ValueError, tf.errors.OpError) as error:
            message = f"{table.locate(i)}, {field} {table.cell(i, field)}: {reason_of(error)}"
            if given.on_error == "raise":
                raise ValueError(message) from error
            print(f"Left out: {message}", file=sys.stderr)
            continue
        heard += 1
        name = cell if isinstance(cell, str) else table.locate(i)
        if given.json:
            line = json.dumps({"recording": name} | _writable(answer), ensure_ascii=False)
        else:
            line = f"{name}\t{answer['text']}"
        print(line, flush=True)
    if not heard:
        raise ValueError("none of the recordings could be read.")


def _search(given: argparse.Namespace) -> None:
    from mmkeras.retrieval import Index
    from mmkeras.sources import Table

    stored = Path(given.index) if given.index else None
    there = stored is not None and stored.exists()
    if there == (given.table is not None):
        raise ValueError(
            f"{stored} exists: leave --table out, or delete it."
            if there
            else "name the --table to search, or an --index that was written before."
        )
    if there and given.approximate:
        raise ValueError(f"{stored} is as it was written; leave --approximate out, or delete it.")
    if given.k < 1:
        raise ValueError(f"-k must be at least 1; got {given.k}.")
    model = _load(given.model)
    model.compared(given.field)
    vectors = model.embed(dict(_pair(text) for text in given.values))
    query = sum(vectors.values())
    length = float((query**2).sum() ** 0.5)
    if not length:
        raise ValueError(f"there is nothing to look for it by in {given.values}.")
    if stored is not None:
        stored.parent.mkdir(parents=True, exist_ok=True)
    if there:
        index = Index.load(stored)
    else:
        index = Index.of(model, Table(given.table), given.field, approximate=given.approximate)
        if stored is not None:
            index.save(stored)
    for hit in index.search(query / length, given.k):
        print(f"{hit.similarity:7.3f}  {hit.value}")


def _print_answer(task: str, answer: dict[str, Any]) -> None:
    """One task's answer for a person, in a few lines."""
    what, value = next(iter(answer.items()))
    if what in ("entities", "objects"):
        print(f"{task}: {len(value)} {what}")
        for found in value:
            if what == "entities":
                about = f"{found['type']}  {found['text']}  ({found['start']}-{found['end']})"
            else:
                about = f"{found['label']}  ({', '.join(f'{x:.0f}' for x in found['box'])})"
            print(f"    {found['score']:6.1%}  {about}")
        return
    shares = answer.get("shares", answer.get("probabilities", {}))
    if isinstance(value, bytes) and what != "mask":
        value = f"a file of {len(value)} bytes, which --draw FOLDER saves"
    if isinstance(value, list) and all(isinstance(each, float) for each in value):
        lengths = {name: len(vector) for name, vector in answer.items() if any(vector)}
        value = ", ".join(f"{name}: {size} numbers" for name, size in lengths.items())
    print(f"{task}: {'x'.join(map(str, value.shape[::-1])) if what == 'mask' else value}")
    for name, share in sorted(shares.items(), key=lambda item: -item[1])[:5]:
        print(f"    {share:6.1%}  {name}")
    for word in answer.get("words", []):
        print(f"    {word['start_s']:6.2f} s to {word['end_s']:.2f} s  {word['text']}")


def _draw(
    model: Any,
    sample: dict[str, str],
    references: dict[str, str],
    answers: dict[str, Any],
    folder: Path,
) -> None:
    """Saves each answer that can be drawn over its picture, or is a file of its own."""
    made = {f"{task}.png": picture for task, picture in model.draw(sample, answers).items()}
    for task, answer in answers.items():
        label = references.get(task, b"")
        if isinstance(label, str) and model.tasks[task].is_file:
            label = Path(label).read_bytes()
        reference = model.tasks[task].encode(label)
        files = model.tasks[task].files(answer, reference)
        made |= {f"{task}.{suffix}": content for suffix, content in files.items()}
    if not made:
        raise ValueError(
            "no task of this model answers with places in a picture of the sample, or with a file."
        )

    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for name, content in made.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            Image.fromarray(content).save(folder / name)
        print(f"See {folder / name}.")


def _writable(value: Any) -> Any:
    """A value as JSON takes it: pictures as base64, and no arrays, which they hold as well."""
    if isinstance(value, dict):
        pairs = ((name, _writable(each)) for name, each in value.items())
        return {name: each for name, each in pairs if each is not None}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return None if hasattr(value, "dtype") else value


def _export(given: argparse.Namespace) -> None:
    from mmkeras import export
    from mmkeras.sources import Table

    model = _load(given.model)
    known = {"overwrite": given.overwrite} | _known(given)
    if given.path.endswith(".tflite"):
        seen = export.litert(
            model,
            given.path,
            quantize=given.quantize,
            calibration=Table(given.calibrate) if given.calibrate else None,
            calibration_samples=given.calibration_samples,
            **known,
        )
    elif given.quantize or given.calibrate:
        raise ValueError(f"only a .tflite file is quantised; got the path {given.path}.")
    else:
        seen = export.saved_model(model, given.path, **known)
    print(seen)


def _known(given: argparse.Namespace) -> dict[str, Any]:
    """What of a model goes into its card."""
    import tomllib

    from mmkeras.evaluation import Report

    report = json.loads(Report.load(given.report).to_json()) if given.report else None
    if given.about is None:
        return {"report": report}
    try:
        about = tomllib.loads(Path(given.about).read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{given.about} is no TOML: {error}.") from error
    return {"report": report, "about": about}


def _optimize(given: argparse.Namespace) -> None:
    import tempfile

    from mmkeras import export
    from mmkeras.contracts import Task
    from mmkeras.evaluation import compare_litert
    from mmkeras.sources import Table

    source = _source(given)
    model = _load(given.model)
    if given.recipe:
        calibration = _part(given.recipe, given.calibrate or "train")
    else:
        calibration = Table(given.calibrate) if given.calibrate else None
    folder = Path(given.out)
    if not given.overwrite and (there := sorted(folder.glob("*.tflite"))):
        raise FileExistsError(f"{there[0]} exists; pass --overwrite or name another folder.")
    concluding = any(type(task).conclude is not Task.conclude for task in model.tasks.values())
    wanted = {
        "float32": (model, None),
        "float16": (model, "float16"),
        "dynamic": (model, "dynamic"),
        "int8": (model, "static"),
    }
    for name, smaller in _trained_on(given, model).items():
        wanted |= {name: (smaller, None), f"{name}_int8": (smaller, "static")}
    files, heads = {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, (of, kind) in wanted.items():
            if kind == "static" and calibration is None:
                print(f"{name} is left out: it needs --calibrate FILE.", file=sys.stderr)
                continue
            options = {
                "quantize": kind,
                "calibration": calibration if kind == "static" else None,
                "calibration_samples": given.calibration_samples,
                # What it costs is what is measured below.
                "least_agreement": 0.0,
            }
            try:
                path = folder / f"{name}.tflite"
                export.litert(of, path, overwrite=given.overwrite, **options)
                if concluding:
                    heads[name] = Path(scratch) / path.name
                    export.litert(of, heads[name], conclude=False, **options)
            except export.ExportError as error:
                if kind is None:
                    raise
                print(f"{name} is left out: {error}", file=sys.stderr)
                heads.pop(name, None)
                continue
            files[name] = path
        compared = compare_litert(model, files, source, heads or None, given.threads)
    compared.save(folder)
    print(compared)
    print(f"The files are in {folder}, with comparison.md, .json and .csv.")


def _trained_on(given: argparse.Namespace, model: Any) -> dict[str, Any]:
    """The smaller models that are asked for, by name."""
    from mmkeras import recipes
    from mmkeras.training import pruned, taught

    if given.prune is None and given.distil is None:
        return {}
    if not given.recipe:
        raise ValueError("--prune and --distil train, and need a --recipe that says on what.")
    recipe = recipes.load(given.recipe)
    recipe = recipe.replace(epochs=given.epochs or recipe.epochs)
    made = {}
    for name, train, value in (
        ("pruned", pruned, given.prune),
        ("distilled", taught, given.distil),
    ):
        if value is not None:
            folder = Path(given.out) / "trained" / f"{name}_{value}"
            finished = folder / "model.keras"
            if given.overwrite:
                finished.unlink(missing_ok=True)
            # One that is there is of a run that was stopped later.
            if not finished.exists():
                print(f"Training {finished} ...", flush=True)
                train(model, recipe, value, folder, verbose=2)
            made[name] = _load(str(finished))
    return made


def _part(recipe: str, part: str) -> Any:
    """The samples of a part of a recipe."""
    from mmkeras import recipes

    parts = recipes.load(recipe).sources()
    if part not in parts:
        raise ValueError(f"recipe {recipe} has no part {part!r}; it has {[*parts]}.")
    return parts[part]


def _load(path: str) -> Any:
    import keras

    import mmkeras

    if not Path(path).is_file():
        raise ValueError(f"{path} does not exist; name the .keras file that training wrote.")
    model = keras.saving.load_model(path)
    if not isinstance(model, mmkeras.MultimodalModel):
        raise ValueError(f"{path} holds a {type(model).__name__}, not a MultimodalModel.")
    return model


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"expected NAME=VALUE; got {text!r}.")
    return name, value


def _setting(text: str) -> tuple[str, Any]:
    name, value = _pair(text)
    try:
        return name, json.loads(value.lower() if value in ("True", "False") else value)
    except json.JSONDecodeError:
        return name, value


def _scores(model: Any, source: Any, on_error: str) -> dict[tuple[str, ...], dict[str, Any]]:
    """The metrics of every subset of fields; of all fields, also what needs all answers at once."""
    import tensorflow as tf

    from mmkeras.diagnosis import reason_of
    from mmkeras.evaluation import evaluate_scores, evaluate_subsets

    scores: dict[tuple[str, ...], dict[str, Any]] = evaluate_subsets(
        model, source, on_error=on_error
    )
    try:
        for task, values in evaluate_scores(model, source).items():
            scores[[*scores][-1]] |= {f"{task}_{name}": v for name, v in values.items()}
    except tf.errors.InvalidArgumentError as error:
        if on_error == "raise":
            raise
        print(
            f"Measures of all answers together are left out, since there are bad samples: "
            f"{reason_of(error)}",
            file=sys.stderr,
        )
    return scores


def _print_scores(scores: dict[tuple[str, ...], dict[str, Any]]) -> None:
    width = max(len(" + ".join(subset)) for subset in scores)
    for subset, values in scores.items():
        single = {name: value for name, value in values.items() if not isinstance(value, dict)}
        print(f"{' + '.join(subset):{width}}  {_shown(single)}")
        for name, value in values.items():
            if isinstance(value, dict):
                print(f"    {name}: {_shown(value)}")


def _numbers(value: Any) -> Any:
    """Scores as JSON has them: what is not a number is null."""
    if isinstance(value, dict):
        return {name: _numbers(each) for name, each in value.items()}
    return None if value != value else value


def _shown(values: dict[str, float]) -> str:
    told = {
        name: "undefined" if value != value else f"{value:.4f}" for name, value in values.items()
    }
    return "  ".join(f"{name} {value}" for name, value in told.items())


def _expected() -> tuple[type[Exception], ...]:
    """The errors that the data, a file or a missing package can cause."""
    import tensorflow as tf

    named = (ValueError, KeyError, TypeError, OSError, ImportError, RuntimeError)
    return (*named, tf.errors.OpError)


def _message(error: Exception) -> str:
    """What an error says, in one line."""
    import tensorflow as tf

    from mmkeras.diagnosis import reason_of

    if isinstance(error, tf.errors.OpError):
        return reason_of(error)
    text = error.args[0] if isinstance(error, KeyError) and error.args else error
    return " ".join(str(text).split())


if __name__ == "__main__":
    sys.exit(main())
