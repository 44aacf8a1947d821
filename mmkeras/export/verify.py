"""Runs an exported model in its real runtime, in a fresh process, and compares its outputs."""

import dataclasses
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from mmkeras.metrics.agreement import decisions

Arrays = Mapping[str, np.ndarray]
RUNTIMES = Path(__file__).parent / "runtimes"


class ExportError(RuntimeError):
    """An exported model does not run, or does not answer as the model does."""


#: By how many times an approximate output may differ more than others.
_LOOSER = 100


@dataclasses.dataclass(frozen=True)
class Verification:
    """What was seen when the exported model was run.

    Attributes:
        path: what was run.
        runtime: by which runtime: `"tensorflow"` or `"ai-edge-litert"`.
        signatures: which signatures were compared.
        max_difference: the largest difference from the model's own outputs, as a share of values
            above 1.
        size_bytes: the size of all its files.
        latency_ms: the median time of one call with one sample.
        agreement: of an exported model whose weights were rounded, the share of decisions (classes,
            tags, pixels, pieces) that are the model's own; None where there are none, or the
            weights are the model's.
    """

    path: Path
    runtime: str
    signatures: tuple[str, ...]
    max_difference: float
    size_bytes: int
    latency_ms: float
    agreement: float | None = None

    def __str__(self) -> str:
        decided = "" if self.agreement is None else f" and in {self.agreement:.1%} of decisions"
        return (
            f"{self.path}: {' and '.join(self.signatures)} agree with the model to "
            f"{self.max_difference:.1e}{decided} in {self.runtime}, "
            f"{self.size_bytes / 2**20:.2f} MiB, {self.latency_ms:.1f} ms a sample"
        )


def verify(
    path: Path,
    runtime: str,
    inputs: Mapping[str, Arrays],
    expected: Mapping[str, Arrays],
    tolerance: float = 1e-4,
    approximate: Collection[str] = (),
    drawn: Collection[str] = (),
    least_agreement: float | None = None,
) -> Verification:
    """Runs every signature on its inputs and compares all outputs.

    The outputs of a model whose weights were rounded are others: of these it measures how far off
    they are, and in how many decisions. A decision is the likeliest class of each `logits`, and
    each whole number, such as a pixel's class or a piece of a text.

    Args:
        path: the exported model.
        runtime: the name of a script in `runtimes/`: `"saved_model"`, `"litert"` or
            `"litert_steps"`.
        inputs: `{signature: {name: array [B, ...]}}`.
        expected: `{signature: {name: array [B, ...]}}`, the model's own outputs.
        tolerance: the largest difference allowed, as a share of values above 1; texts and whole
            numbers must be equal, unless `least_agreement` is given.
        approximate: outputs that make much of a rounding, such as a waveform whose phase was
            guessed: they may differ by a hundred times as much, and files by the last bits.
        drawn: outputs that are others in every call: their shapes are compared.
        least_agreement: the share of decisions that have to be the model's; None: all, and the
            agreement is not stated.

    Raises:
        ExportError: the runtime fails, lacks an output or differs; the message says where.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "inputs", Path(folder) / "outputs"
        given.write_bytes(pickle.dumps(inputs))
        command = [sys.executable, str(RUNTIMES / f"{runtime}.py"), str(path), given, made]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            last = "\n".join(done.stderr.strip().splitlines()[-15:])
            raise ExportError(f"{path} does not run in a fresh process:\n{last}")
        result = pickle.loads(made.read_bytes())
    if result["foreign"]:
        raise ExportError(f"{path} imported {result['foreign']}, which a server does not have.")
    largest, same = 0.0, []
    for signature, outputs in expected.items():
        got = result["outputs"][signature]
        if set(got) != set(outputs):
            raise ExportError(
                f"{path}, {signature}: gives {sorted(got)} instead of {sorted(outputs)}."
            )
        for name, value in outputs.items():
            if name in drawn and got[name].shape == value.shape:
                continue
            allowed = tolerance * (_LOOSER if name in approximate else 1)
            if least_agreement is not None and got[name].shape == value.shape:
                decided = decisions(name, value)
                if decided is not None:
                    same.append(np.ravel(decided == decisions(name, got[name])))
                if value.dtype.kind in "iub":
                    continue
            difference = _difference(got[name], value, name in approximate)
            if not difference <= allowed:
                raise ExportError(
                    f"{path}, {signature}: {name} differs from the model's by {difference}, more "
                    f"than {allowed}; if that is good enough, pass a larger tolerance than "
                    f"{tolerance}."
                )
            largest = max(largest, difference)
    agreement = float(np.mean(np.concatenate(same))) if same else None
    if least_agreement is not None and agreement is not None and agreement < least_agreement:
        raise ExportError(
            f"{path} decides as the model does in {agreement:.1%} of {sum(map(len, same))} cases, "
            f"less than {least_agreement:.0%}; quantise it in another way, or if that is good "
            "enough, pass a smaller least_agreement."
        )
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return Verification(
        path=path,
        runtime="tensorflow" if runtime == "saved_model" else "ai-edge-litert",
        signatures=tuple(expected),
        max_difference=largest,
        size_bytes=sum(file.stat().st_size for file in files),
        latency_ms=result["latency_ms"],
        agreement=agreement,
    )


def _difference(got: np.ndarray, expected: np.ndarray, approximate: bool = False) -> float:
    """The largest difference, as a share of values above 1; infinite where shapes or texts differ.

    Of approximate texts, which are files, the lengths are compared.

    Boxes are hundreds of pixels, of which float32 keeps seven digits; whole numbers, such as ids,
    are no roundings.
    """
    if got.shape != expected.shape:
        return float("inf")
    if expected.dtype.kind in "OSU":
        if approximate:
            got, expected = (np.vectorize(len, otypes=[int])(each) for each in (got, expected))
        return 0.0 if bool(np.all(got == expected)) else float("inf")
    whole = expected.dtype.kind in "iu"
    got, expected = got.astype("float64"), expected.astype("float64")
    apart = np.abs(got - expected) / (1.0 if whole else np.maximum(np.abs(expected), 1.0))
    return float(np.max(apart, initial=0.0))
