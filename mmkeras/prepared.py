"""`prepared`: a dataset made once, whole or not at all, and reused afterwards."""

import contextlib
import io
import json
import os
import shutil
import sqlite3
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import tensorflow_datasets as tfds


def prepared(
    builder: type[tfds.core.GeneratorBasedBuilder],
    data_dir: str | Path | None = None,
    config: str | None = None,
    progress: bool = True,
) -> tfds.core.DatasetBuilder:
    """The prepared dataset, made on the first call.

    It is written into a directory of another name, which is renamed when all is written: an
    interrupted preparation never looks complete, and the next call removes what it left. Of
    several processes that call this at once, one prepares and the others wait. Files that are
    missing or cut short are noticed, and the dataset is made again.

    Args:
        builder: the class of a builder that downloads nothing.
        data_dir: where to keep it; by default the environment variable `MMKERAS_CACHE`, else
            `~/.cache/mmkeras`.
        config: the name of one of the builder's configs; None for a builder that has none.
        progress: whether to show progress bars, on stderr.

    Returns:
        The builder, ready for `as_dataset` and `mmkeras.sources.TFDS`.

    Raises:
        ValueError: there is no such config.
    """
    configs = [known.name for known in builder.BUILDER_CONFIGS]
    if config not in (configs or [None]):
        raise ValueError(f"the {builder.name} dataset has no config {config!r}; it has {configs}.")
    if data_dir is None:
        data_dir = os.environ.get("MMKERAS_CACHE") or Path.home() / ".cache" / "mmkeras"
    data_dir = Path(data_dir).expanduser()
    parts = [builder.name] if config is None else [builder.name, config]
    directory = data_dir.joinpath(*parts, str(builder.VERSION))
    # First without the lock, so that a directory that may not be written to can be read.
    if _damage(directory, builder.name) is not None:
        data_dir.mkdir(parents=True, exist_ok=True)
        with _lock(data_dir / f"{'-'.join(parts)}.lock"):
            damage = _damage(directory, builder.name)
            if damage is not None:
                if directory.exists():
                    # Told of the line that called the dataset's own `prepare`.
                    warnings.warn(f"{damage}; the dataset is made again.", stacklevel=3)
                    shutil.rmtree(directory)
                for leftover in directory.parent.glob("incomplete.*"):
                    shutil.rmtree(leftover, ignore_errors=True)
                _make(builder, data_dir, config, progress)
    return builder(data_dir=str(data_dir), config=config)


def _make(
    builder: type[tfds.core.GeneratorBasedBuilder],
    data_dir: Path,
    config: str | None,
    progress: bool,
) -> None:
    if progress:
        print(f"Making the {builder.name} dataset in {data_dir}, once.", file=sys.stderr)
    else:
        tfds.disable_progress_bar()
    try:
        # TFDS wants a directory for downloads and prints that it downloads; there are none.
        with tempfile.TemporaryDirectory() as empty, contextlib.redirect_stdout(io.StringIO()):
            builder(data_dir=str(data_dir), config=config).download_and_prepare(
                download_dir=empty,
                download_config=tfds.download.DownloadConfig(try_download_gcs=False),
            )
    finally:
        if not progress:
            tfds.enable_progress_bar()


def _damage(directory: Path, name: str) -> str | None:
    """What is missing from a prepared dataset, by the sizes of its files; None if it is whole.

    Wrong bytes in a file of the right size are found by TFRecord's checksums, on reading.
    """
    try:
        splits = json.loads((directory / "dataset_info.json").read_text())["splits"]
        json.loads((directory / "features.json").read_text())
        for split in splits:
            lengths = [int(length) for length in split["shardLengths"]]
            written = sum(
                (directory / f"{name}-{split['name']}.tfrecord-{i:05}-of-{len(lengths):05}")
                .stat()
                .st_size
                for i in range(len(lengths))
            )
            # TFRecord: two lengths of a record and two checksums around it take 16 bytes.
            expected = int(split["numBytes"]) + 16 * sum(lengths)
            if written != expected:
                return f"{directory}: split {split['name']} has {written} of {expected} bytes"
    except FileNotFoundError as error:
        return f"{error.filename} is missing"
    except (ValueError, KeyError, TypeError) as error:
        return f"{directory}: its description cannot be read ({error})"
    return None


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """One process or thread at a time; the system frees the lock of a process that dies.

    SQLite's is the one file lock that the standard library has on every system.
    """
    with contextlib.closing(sqlite3.connect(path, timeout=0.5, isolation_level=None)) as database:
        while True:
            try:
                database.execute("BEGIN EXCLUSIVE")
                break
            except sqlite3.OperationalError as error:
                # Short waits, between which Ctrl-C works.
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise OSError(f"cannot lock {path}: {error}.") from error
        yield
