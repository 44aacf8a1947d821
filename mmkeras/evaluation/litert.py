"""`compare_litert`: LiteRT files of one model beside each other, on held-out samples."""

import csv
import dataclasses
import gzip
import io
import json
import math
import numbers
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from mmkeras.contracts import Source, Task
from mmkeras.evaluation.lacking import lacking
from mmkeras.evaluation.scores import evaluate_scores, single_numbers
from mmkeras.files import write_whole
from mmkeras.metrics.agreement import decisions
from mmkeras.model import MultimodalModel

#: Outputs that are given to metrics at once.
_AT_ONCE = 64


@dataclasses.dataclass(frozen=True)
class LiteRTComparison:
    """What was measured of several files, by their names, the first of which is the yardstick.

    Attributes:
        rows: `{name: {measure: number}}`: `size_bytes`; `compressed_bytes`, by gzip; `latency_ms`
            and `cpu_ms`, medians of one call with one sample; `size_ratio` and `latency_ratio` to
            the first file, the latter the median of the ratios for each sample; `agreement`, the
            share of decisions that are the first file's; and every measure of every task, None
            where these samples have nothing that it counts.
        samples: on how many samples.
        threads: of the interpreters.
    """

    rows: Mapping[str, Mapping[str, float | None]]
    samples: int
    threads: int

    @property
    def measures(self) -> list[str]:
        """What was measured of one file or another."""
        return list(dict.fromkeys(name for row in self.rows.values() for name in row))

    def __str__(self) -> str:
        """A table in Markdown."""
        lines = [["file", *self.measures], ["---", *["--:"] * len(self.measures)]]
        for file, row in self.rows.items():
            lines.append([file, *(_shown(row.get(name)) for name in self.measures)])
        about = f"{self.samples} samples, {self.threads} thread{'s' * (self.threads > 1)}"
        return "\n".join([about, "", *(f"| {' | '.join(line)} |" for line in lines)])

    def to_csv(self) -> str:
        """A row for each file; what is undefined is empty."""
        table = io.StringIO()
        writer = csv.DictWriter(table, ["file", *self.measures], lineterminator="\n")
        writer.writeheader()
        writer.writerows({"file": each, **row} for each, row in self.rows.items())
        return table.getvalue()

    def save(self, folder: str | Path) -> list[Path]:
        """Writes `comparison.md`, `comparison.json` and `comparison.csv`.

        Args:
            folder: where; made if missing.
        """
        contents = {
            "md": f"{self}\n",
            "json": json.dumps(dataclasses.asdict(self), indent=2, allow_nan=False) + "\n",
            "csv": self.to_csv(),
        }
        paths = [Path(folder) / f"comparison.{suffix}" for suffix in contents]
        for path, content in zip(paths, contents.values()):
            write_whole(path, content)
        return paths

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """What `save` wrote, from its JSON file.

        Raises:
            ValueError: it is none; the message names it.
        """
        try:
            return cls(**json.loads(Path(path).read_text(encoding="utf-8")))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: this is no comparison of files: {error!r}.") from error


def compare_litert(
    model: MultimodalModel,
    files: Mapping[str, str | Path],
    source: Source,
    heads: Mapping[str, str | Path] | None = None,
    threads: int = 1,
) -> LiteRTComparison:
    """Measures LiteRT files of one model: their size, their time, and how good their answers are.

    Every sample is given to all files one after another, in turning order, in this process, so
    that whatever else the machine does meets all of them. The tasks' metrics and scores are
    computed from what the files answer; the model itself answers nothing.

    Args:
        model: what the files were made from.
        files: `{name: path}` of files that `mmkeras.export.litert` wrote; the first is what the
            others are compared with.
        source: held-out samples, none of which calibrated a file.
        heads: where a task concludes its outputs (see `Task.conclude`), which leaves metrics
            nothing to read: files of the same names and quantised alike, but written with
            `conclude=False`, whose outputs are measured. Sizes and times are those of `files`.
        threads: of the interpreters.

    Returns:
        What was measured; without the metrics of tasks that are told the true answer while it is
        made (see `Task.hints`), whose scores are there.

    Raises:
        ValueError: there is no file; `heads` are missing, or have other names.
        KeyError: the source has none of the fields, or none of the tasks.
        ImportError: the `export` extra is not installed.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise ImportError(
            'LiteRT files are run by ai-edge-litert; install it with pip install "mmkeras[export]".'
        ) from error
    if not files:
        raise ValueError("files is empty; name at least one.")
    concluding = [n for n, task in model.tasks.items() if type(task).conclude is not Task.conclude]
    if concluding and heads is None:
        raise ValueError(
            f"the tasks {concluding} conclude their outputs, and metrics read what was before; "
            "pass heads, files that were written with conclude=False."
        )
    if heads is not None and [*heads] != [*files]:
        raise ValueError(f"heads must have the names {[*files]}; got {[*heads]}.")

    def runner(path: str | Path) -> Any:
        interpreter = Interpreter(str(path), num_threads=threads)
        return interpreter.get_signature_runner("tensors")

    runners = {name: runner(path) for name, path in files.items()}
    shown = runners if heads is None else {name: runner(path) for name, path in heads.items()}
    absent = lacking(model, source)
    measures = {name: _Measures(model, absent) for name in files}
    walls: dict[str, list[float]] = {name: [] for name in files}
    cpus: dict[str, list[float]] = {name: [] for name in files}
    same: dict[str, list[np.ndarray]] = {name: [] for name in files}
    order, count = list(files), 0
    data = model.pipeline(source, without=absent, batch_size=1, pad="max")
    for inputs, targets, weights in data:
        tensors = {name: inputs[name].numpy() for name in model.fields.specs()}
        made = {}
        for name in order:
            cpu, wall = time.process_time(), time.perf_counter()
            made[name] = runners[name](**tensors)
            walls[name].append(time.perf_counter() - wall)
            cpus[name].append(time.process_time() - cpu)
            if shown is not runners:
                made[name] = shown[name](**tensors)
        first = made[next(iter(files))]
        for name, outputs in made.items():
            measures[name].add(outputs, targets, weights)
            for output, value in outputs.items():
                decided = decisions(output, value)
                if decided is not None:
                    same[name].append(np.ravel(decided == decisions(output, first[output])))
        order.append(order.pop(0))
        count += 1

    rows: dict[str, dict[str, float | None]] = {}
    sizes = {name: Path(path).stat().st_size for name, path in files.items()}
    yardstick = next(iter(files))
    for name, path in files.items():
        ratios = (a / b for a, b in zip(walls[name], walls[yardstick], strict=True))
        rows[name] = {
            "size_bytes": sizes[name],
            "size_ratio": sizes[name] / sizes[yardstick],
            "compressed_bytes": len(gzip.compress(Path(path).read_bytes(), mtime=0)),
            "latency_ms": 1000 * statistics.median(walls[name]),
            "latency_ratio": statistics.median(ratios),
            "cpu_ms": 1000 * statistics.median(cpus[name]),
            "agreement": float(np.mean(np.concatenate(same[name]))) if same[name] else None,
            **measures[name].results(),
        }
        answering = _answering(model, shown[name])
        for task, scores in evaluate_scores(model, source, predict=answering, pad="max").items():
            rows[name] |= {f"{task}_{n}": value for n, value in single_numbers(scores).items()}
        rows[name] = {
            measure: None if value is None or math.isnan(value) else value
            for measure, value in rows[name].items()
        }
    return LiteRTComparison(rows, count, threads)


class _Measures:
    """The metrics of a model's tasks, fed with flat outputs of one sample after another."""

    def __init__(self, model: MultimodalModel, absent: list[str]):
        self.outputs = {task: list(outputs) for task, outputs in model.output.items()}
        self.metrics = {
            name: [(output, metric) for output, some in task.metrics().items() for metric in some]
            for name, task in model.tasks.items()
            if name not in absent and not task.hints()
        }
        self.waiting: list[Any] = []

    def add(self, outputs: Mapping[str, np.ndarray], targets: Any, weights: Any) -> None:
        self.waiting.append((outputs, targets, weights))
        if len(self.waiting) == _AT_ONCE:
            self._update()

    def results(self) -> dict[str, float]:
        if self.waiting:
            self._update()
        found = {
            f"{task}_{metric.name}": np.asarray(metric.result())
            for task, metrics in self.metrics.items()
            for _, metric in metrics
        }
        return {name: float(value) for name, value in found.items() if value.ndim == 0}

    def _update(self) -> None:
        made, targets, weights = zip(*self.waiting)
        self.waiting = []
        for task, metrics in self.metrics.items():
            joined = {
                output: np.concatenate([each[f"{task}_{output}"] for each in made])
                for output in (self.outputs[task] if metrics else ())
            }
            for output, metric in metrics:
                metric.update_state(
                    np.concatenate([each[task] for each in targets]),
                    joined[output] if output else joined,
                    sample_weight=np.concatenate([each[task] for each in weights]),
                )


def _answering(model: MultimodalModel, runner: Any) -> Any:
    """From a batch of inputs to `{task: {output: array}}`, by a file, row by row."""

    def answer(inputs: Mapping[str, Any]) -> dict[str, dict[str, np.ndarray]]:
        arrays = {name: np.asarray(tensor) for name, tensor in inputs.items()}
        size = len(next(iter(arrays.values())))
        rows = [runner(**{n: a[i : i + 1] for n, a in arrays.items()}) for i in range(size)]
        return {
            task: {
                output: np.concatenate([row[f"{task}_{output}"] for row in rows])
                for output in outputs
            }
            for task, outputs in model.output.items()
        }

    return answer


def _shown(value: float | None) -> str:
    if value is None:
        return "undefined"
    return f"{value:,}" if isinstance(value, numbers.Integral) else f"{value:.4g}"
