"""What the benchmarks share: contenders measured in processes of their own, and the machine."""

import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any


def measure(work: Callable[[], object], runs: int) -> dict[str, list[float]]:
    """Wall clock and CPU seconds of a few runs, after one that does not count."""
    work()
    wall, cpu = [], []
    for _ in range(runs):
        start, spent = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - spent)
    return {"wall": wall, "cpu": cpu}


def in_process(script: str, *arguments: object, threads: int, **variables: str) -> Any:
    """What `script --one arguments...` prints last, as JSON, in a process of its own."""
    environment = os.environ | {
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "OMP_NUM_THREADS": str(threads),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        **variables,
    }
    command = [sys.executable, script, "--one", *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[3:])}: {done.stderr[-2_000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def trained(recipe: Any, folder: Path) -> tuple[Any, float]:
    """The model of a recipe, and the seconds of CPU time that it took, which stand beside it.

    Of a run that was cut off and went on, its last part counts alone. NaN if nobody counted.
    """
    # Here, because most of the processes that import this file do without.
    import keras

    from mmkeras.training import train

    taken = folder / "cpu_seconds.json"
    if not (folder / "model.keras").exists():
        before = time.process_time()
        train(recipe, folder, verbose=2)
        taken.write_text(json.dumps(time.process_time() - before))
    model = keras.saving.load_model(folder / "model.keras")
    return model, json.loads(taken.read_text()) if taken.exists() else math.nan


def machine(threads: int, *packages: str) -> str:
    """What it ran on, in a sentence."""
    cpu = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((x.split(": ")[1] for x in lines if x.startswith("model name")), cpu)
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    load = os.getloadavg()[0]
    return f"{cpu}, {os.cpu_count()} cores, {threads} threads each; load {load:.1f}; {versions}."
