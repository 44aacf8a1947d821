"""What every test relies on: the same random numbers in every run, and no policy left behind."""

import os
import subprocess
import sys

import keras
import pytest


@pytest.fixture(autouse=True)
def fresh_start():
    keras.utils.set_random_seed(0)
    policy = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(policy)


@pytest.fixture
def in_backend(tmp_path):
    """Runs Python code in `tmp_path` on a Keras backend; a process has but one."""

    def run(backend: str, code: str) -> None:
        pytest.importorskip(backend)
        environment = os.environ | {
            "KERAS_BACKEND": backend,
            "JAX_PLATFORMS": "cpu",
            # Compiling takes longer than the few steps that are run.
            "XLA_FLAGS": "--xla_backend_optimization_level=0",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3_000:]

    return run
