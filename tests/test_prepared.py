import concurrent.futures
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

import mmkeras.prepared
from mmkeras.prepared import prepared


class Numbers(tfds.core.GeneratorBasedBuilder):
    """As small as a dataset can be; with `slow` there is time to interrupt it."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(name="quick"),
        tfds.core.BuilderConfig(name="slow"),
    ]

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict({"number": tfds.features.Scalar(tf.int64)}),
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(100), "test": self._generate_examples(10)}

    def _generate_examples(self, count):
        is_slow = self.builder_config is not None and self.builder_config.name == "slow"
        for number in range(count):
            time.sleep(0.02 if is_slow else 0)
            yield number, {"number": number}


class Plain(Numbers):
    BUILDER_CONFIGS = []  # noqa: RUF012


def prepare(data_dir=None, config="quick", builder=Numbers):
    return prepared(builder, data_dir, config, progress=False)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def builder(cache):
    return prepare(cache)


def contents(directory):
    info = tfds.builder_from_directory(str(directory))
    return {
        split: [sample["number"] for sample in info.as_dataset(split).as_numpy_iterator()]
        for split in ("train", "test")
    }


def test_all_is_written(builder, cache):
    numbers = contents(builder.data_dir)
    assert sorted(numbers["train"]) == list(range(100))
    assert sorted(numbers["test"]) == list(range(10))
    assert {path.name for path in cache.iterdir()} == {"numbers", "numbers-quick.lock"}


def test_without_configs(tmp_path):
    plain = prepare(tmp_path, None, Plain)
    assert Path(plain.data_dir) == tmp_path / "plain" / "1.0.0"
    assert {path.name for path in tmp_path.iterdir()} == {"plain", "plain.lock"}
    assert contents(plain.data_dir)["test"]


@pytest.mark.parametrize(
    ("builder", "config", "message"),
    [
        (Numbers, "huge", r"numbers dataset has no config 'huge'; it has \['quick', 'slow'\]"),
        (Numbers, None, "numbers dataset has no config None"),
        (Plain, "huge", r"plain dataset has no config 'huge'; it has \[\]"),
    ],
)
def test_an_unknown_config_is_named(tmp_path, builder, config, message):
    with pytest.raises(ValueError, match=message):
        prepare(tmp_path, config, builder)
    assert not list(tmp_path.iterdir())


def test_progress_is_told_on_stderr(tmp_path, capsys):
    prepared(Plain, tmp_path)
    out, err = capsys.readouterr()
    assert out == ""
    assert f"Making the plain dataset in {tmp_path}, once." in err


def test_prepared_once(builder, cache, monkeypatch):
    def fail(*_arguments):
        raise AssertionError("made again")

    monkeypatch.setattr(mmkeras.prepared, "_make", fail)
    monkeypatch.setattr(mmkeras.prepared, "_lock", fail)  # The directory may be read-only.
    monkeypatch.setenv("MMKERAS_CACHE", str(cache))
    assert prepare().data_dir == builder.data_dir


def delete_shard(directory):
    next(directory.glob("numbers-test.tfrecord*")).unlink()


def cut_shard(directory):
    shard = next(directory.glob("numbers-train.tfrecord*"))
    os.truncate(shard, shard.stat().st_size // 2)


def delete_description(directory):
    (directory / "dataset_info.json").unlink()


def spoil_description(directory):
    (directory / "dataset_info.json").write_text('{"splits": [{')


def empty_description(directory):
    (directory / "features.json").write_text("")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (delete_shard, "numbers-test.tfrecord-00000-of-00001 is missing"),
        (cut_shard, r"split train has \d+ of \d+ bytes"),
        (delete_description, "dataset_info.json is missing"),
        (spoil_description, "description cannot be read"),
        (empty_description, "description cannot be read"),
    ],
)
def test_a_damaged_dataset_is_made_again(builder, tmp_path, monkeypatch, spoil, message):
    shutil.copytree(Path(builder.data_dir).parents[2], tmp_path, dirs_exist_ok=True)
    directory = tmp_path / "numbers" / "quick" / "1.0.0"
    spoil(directory)

    def copy(*_arguments):
        assert not directory.exists()
        shutil.copytree(builder.data_dir, directory)

    monkeypatch.setattr(mmkeras.prepared, "_make", copy)
    with pytest.warns(UserWarning, match=message + r".*; the dataset is made again"):
        mended = prepare(tmp_path)
    assert contents(mended.data_dir) == contents(builder.data_dir)


def test_a_wrong_byte_is_an_error_on_reading(builder, tmp_path):
    directory = tmp_path / "numbers" / "quick" / "1.0.0"
    shutil.copytree(builder.data_dir, directory)
    shard = next(directory.glob("numbers-test.tfrecord*"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 255
    shard.write_bytes(content)
    spoilt = prepare(tmp_path)
    with pytest.raises(tf.errors.DataLossError, match="corrupted record"):
        list(spoilt.as_dataset("test"))


PREPARE = """
import sys
from test_prepared import Numbers, prepared
print("ready", flush=True)
sys.stdin.readline()
prepared(Numbers, sys.argv[1], "slow", progress=False)
"""


def test_a_killed_preparation_leaves_nothing_and_two_at_once_make_one(builder, tmp_path):
    places = [str(Path(mmkeras.__file__).parents[1]), str(Path(__file__).parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    doomed, other = (
        subprocess.Popen(
            [sys.executable, "-c", PREPARE, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
        )
        for _ in range(2)
    )
    for process in (doomed, other):
        assert process.stdout.readline() == "ready\n"

    directory = tmp_path / "numbers" / "slow"
    doomed.stdin.write("go\n")
    doomed.stdin.flush()
    deadline = time.monotonic() + 60
    while not list(directory.glob("incomplete.*")) and time.monotonic() < deadline:
        time.sleep(0.005)
    doomed.kill()
    doomed.communicate()
    assert list(directory.glob("incomplete.*"))
    assert not (directory / "1.0.0").exists()

    other.stdin.write("go\n")
    other.stdin.flush()
    prepare(tmp_path, "slow")
    other.communicate(timeout=120)
    assert other.returncode == 0
    assert [path.name for path in directory.iterdir()] == ["1.0.0"]
    assert contents(directory / "1.0.0") == contents(builder.data_dir)


def test_threads_at_once_make_one(builder, tmp_path, monkeypatch):
    made = []

    def copy(*_arguments):
        made.append(1)
        time.sleep(0.2)
        shutil.copytree(builder.data_dir, tmp_path / "numbers" / "quick" / "1.0.0")

    monkeypatch.setattr(mmkeras.prepared, "_make", copy)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        directories = [
            job.result().data_dir for job in [pool.submit(prepare, tmp_path) for _ in range(4)]
        ]
    assert len(made) == 1 and len(set(directories)) == 1
