"""`TFDS`: what a prepared dataset holds, as the raw values that went into it."""

import io
import re
import socket
import struct
import wave
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from mmkeras.modalities import Audio, Image
from mmkeras.sources import TFDS

CHANCE = np.random.default_rng(0)
LEVELS = [0.0, -0.0, 1 / 3, 1e-20, 1e30, np.pi, np.inf, -2.5, 1e22, 123456789.125]
SIZE = len(LEVELS)
PICTURES = [
    tf.io.encode_png(CHANCE.integers(0, 256, (5, 4, 3), "uint8")).numpy() for _ in range(SIZE)
]
LEVELS_16 = [-32768, -32767, -1, 0, 1, 32767]
SOUNDS = {
    "int16": [np.array(LEVELS_16[: i + 1], "int16") for i in range(SIZE)],
    "int64": [np.array(LEVELS_16[i:], "int64") for i in range(SIZE)],
    "stereo": [CHANCE.integers(-(2**15), 2**15, (i, 2)).astype("int16") for i in range(SIZE)],
    "uint8": [np.array([0, 128, 255], "uint8")] * SIZE,
    "int8": [np.array([-128, 0, 127], "int8")] * SIZE,
    "float32": [np.array([-1, -0.5, 0, 0.25], "float32")] * SIZE,
    "loud": [np.array([0, 1.5 if i == 3 else 1], "float32") for i in range(SIZE)],
    "wide": [np.array([0, 40_000 if i == 3 else 2], "int32") for i in range(SIZE)],
}


class Things(tfds.core.GeneratorBasedBuilder):
    """Every kind of feature, in three files."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features
        sounds = {
            name: features.Audio(sample_rate=8000, dtype=np.dtype(name).type)
            for name in SOUNDS
            if name[-1].isdigit()
        }
        return tfds.core.DatasetInfo(
            builder=self,
            features=features.FeaturesDict(
                {
                    "text": features.Text(),
                    "names": {"de": features.Text(), "more": {"fr": features.Text()}},
                    "file/name": np.str_,
                    "picture": features.Image(shape=(5, 4, 3), encoding_format="png"),
                    "inner": {"picture": features.Image(encoding_format="png")},
                    "heat": features.Image(shape=(2, 2, 1), dtype=np.float32),
                    **sounds,
                    "stereo": features.Audio(sample_rate=44100, dtype=np.int16, shape=(None, 2)),
                    "loud": features.Audio(sample_rate=8000, dtype=np.float32),
                    "wide": features.Audio(sample_rate=8000, dtype=np.int32),
                    "no rate": features.Audio(),
                    "label": features.ClassLabel(names=["a", "b", "c"]),
                    "digit": features.ClassLabel(num_classes=10),
                    "count": np.int64,
                    "big": np.uint64,
                    "level": np.float64,
                    "level32": features.Scalar(np.float32),
                    "flag": np.bool_,
                    "labels": features.Sequence(features.ClassLabel(names=["x", "y", "z"])),
                    "joint": features.Sequence(features.ClassLabel(names=["x|y", "z"])),
                    "words": features.Sequence(features.Text()),
                    "track": features.Sequence(np.float32),
                    "point": features.Tensor(shape=(2,), dtype=np.float32),
                    "box": features.BBoxFeature(),
                    "table": features.Tensor(shape=(2, 2), dtype=np.float32),
                    "objects": features.Sequence({"name": features.Text()}),
                }
            ),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager
        return {"train": self._generate_examples(), "test": self._generate_examples()}

    def _generate_examples(self):
        for i in range(SIZE):
            yield (
                i,
                {
                    "text": f"text {i}" if i else "",
                    "names": {"de": f"Größe {i}", "more": {"fr": f"été {i}"}},
                    "file/name": f"{i}.png",
                    "picture": io.BytesIO(PICTURES[i]),
                    "inner": {"picture": io.BytesIO(PICTURES[-i])},
                    "heat": np.zeros((2, 2, 1), "float32"),
                    **{name: sounds[i] for name, sounds in SOUNDS.items()},
                    "no rate": np.zeros(3, "int64"),
                    "label": i % 3 if i else -1,
                    "digit": i % 10,
                    "count": (-1) ** i * (2**63 - 1 - i),
                    "big": 2**64 - 1 - i,
                    "level": LEVELS[i],
                    "level32": np.float32(LEVELS[i]) if i else np.nan,
                    "flag": i % 2 == 0,
                    "labels": ["x", "y", "z"][: i % 4],
                    "joint": ["z"],
                    "words": ["one", "two"][: i % 3],
                    "track": LEVELS[:i],
                    "point": [0.5, i],
                    "box": tfds.features.BBox(0.0, 0.25, 0.5, 1.0),
                    "table": np.zeros((2, 2), "float32"),
                    "objects": [{"name": "a"}],
                },
            )


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    tfds.disable_progress_bar()
    builder = Things(data_dir=str(tmp_path_factory.mktemp("tfds")))
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(num_shards=3, try_download_gcs=False)
    )
    return builder


@pytest.fixture(scope="module")
def order(builder):
    """The number of each sample, in TFDS' own order, which shuffles by key."""
    data = builder.as_dataset(split="train", shuffle_files=False).as_numpy_iterator()
    return [int(sample["file/name"].split(b".")[0]) for sample in data]


@pytest.fixture
def raw(builder, order):
    """A function from a column to its raw values, in the order of generation."""

    def read(column: str) -> list[bytes]:
        source = TFDS(builder, "train")
        rows = source.rows({column: refuse}, [column])
        rows = rows.map(lambda index, row: (index, source.load(row)))
        found = list(rows.as_numpy_iterator())
        assert [int(index) for index, _ in found] == list(range(SIZE))
        values = {order[int(index)]: row[column] for index, row in found}
        return [values[i] for i in range(SIZE)]

    return read


def refuse(cell: Any) -> bytes:
    raise AssertionError("TFDS converts in the graph")


def test_texts_stay_as_they_are(raw):
    assert raw("text") == [b"", *(f"text {i}".encode() for i in range(1, SIZE))]
    assert raw("names/de") == [f"Größe {i}".encode() for i in range(SIZE)]
    assert raw("names/more/fr") == [f"été {i}".encode() for i in range(SIZE)]
    assert raw("file/name") == [f"{i}.png".encode() for i in range(SIZE)]


def test_pictures_stay_encoded(raw):
    assert raw("picture") == PICTURES
    assert raw("inner/picture") == [PICTURES[-i] for i in range(SIZE)]


@pytest.mark.parametrize("column", ["int16", "int64", "stereo"])
def test_sound_of_16_bits_is_exact(raw, column):
    for content, expected in zip(raw(column), SOUNDS[column], strict=True):
        with wave.open(io.BytesIO(content)) as file:
            assert file.getframerate() == (44100 if column == "stereo" else 8000)
            assert (file.getsampwidth(), file.getnchannels()) == (2, 2 if column == "stereo" else 1)
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        assert (samples == expected.ravel()).all()
        assert len(samples) == expected.size


@pytest.mark.parametrize(
    "column, expected",
    [
        ("uint8", [-32768, 0, 32512]),
        ("int8", [-32768, 0, 32512]),
        ("float32", [-32768, -16384, 0, 8192]),
    ],
)
def test_sound_is_scaled_from_its_own_range(raw, column, expected):
    for content in raw(column):
        with wave.open(io.BytesIO(content)) as file:
            samples = struct.unpack(f"<{len(expected)}h", file.readframes(file.getnframes()))
        assert list(samples) == expected


def test_sound_is_what_audio_reads(raw):
    audio = Audio(sample_rate=8000, seconds=0.01)
    waveform = audio.preprocess(tf.constant(raw("float32")[0]))["waveform"]
    assert waveform[:4].numpy().tolist() == [-1, -0.5, 0, 0.25]
    # A recording without a sample is absent, as `Audio` reads it.
    assert (audio.preprocess(tf.constant(raw("stereo")[0]))["waveform"].numpy() == 0).all()
    assert Image(size=8).preprocess(tf.constant(raw("picture")[0]))["pixels"].shape == (8, 8, 3)


@pytest.mark.parametrize("column", ["loud", "wide"])
def test_sound_of_unknown_scale_is_an_error_of_its_sample_alone(builder, order, column):
    source = TFDS(builder, "train")
    for index, row in source.rows({column: refuse}):
        if order[int(index)] == 3:
            with pytest.raises(tf.errors.InvalidArgumentError, match=f"{column}: .*16 bits"):
                source.load(row)
        else:
            assert source.load(row)[column].numpy()[:4] == b"RIFF"


def test_labels_become_their_names(raw):
    assert raw("label") == [b"", *(b"abc"[i % 3 : i % 3 + 1] for i in range(1, SIZE))]
    assert raw("digit") == [str(i % 10).encode() for i in range(SIZE)]
    assert raw("labels") == [b"|".join([b"x", b"y", b"z"][: i % 4]) for i in range(SIZE)]
    assert raw("words") == [b"|".join([b"one", b"two"][: i % 3]) for i in range(SIZE)]


def test_numbers_lose_nothing(raw):
    assert [int(text) for text in raw("count")] == [
        (-1) ** i * (2**63 - 1 - i) for i in range(SIZE)
    ]
    assert [int(text) for text in raw("big")] == [2**64 - 1 - i for i in range(SIZE)]
    # TFDS itself keeps 32 bits of a float.
    assert [float(text) for text in raw("level")] == [float(np.float32(x)) for x in LEVELS]
    assert raw("level32")[0] == b""
    assert [np.float32(text) for text in raw("level32")[1:]] == [np.float32(x) for x in LEVELS[1:]]
    assert raw("flag") == [b"True", b"False"] * (SIZE // 2)
    for i, text in enumerate(raw("track")):
        assert [np.float32(part) for part in text.split()] == [np.float32(x) for x in LEVELS[:i]]
    assert raw("point")[3] == b"0.5 3"
    assert raw("box")[0] == b"0 0.25 0.5 1"


@pytest.mark.parametrize(
    "column, message",
    [
        ("heat", "which has no raw value; use a text"),
        ("table", "which has no raw value"),
        ("objects", "which has no raw value"),
        ("joint", r"joins labels by '\|', which is in \['x\|y'\]; rename"),
        ("no rate", r"sound without a sample rate; write the dataset with Audio\(sample_rate"),
    ],
)
def test_a_feature_without_raw_value_is_refused(builder, column, message):
    with pytest.raises(ValueError, match=f"^feature '{column}' .*{message}"):
        TFDS(builder, "train").rows({"text": refuse, column: refuse})


def test_a_split_has_a_size_and_places(builder):
    source = TFDS(builder, "train[20%:70%]")
    assert len(source) == SIZE // 2
    rows = source.rows({"text": refuse, "names/de": refuse, "int16": refuse})
    assert rows.cardinality() == SIZE // 2
    assert len(list(rows)) == SIZE // 2
    assert source.locate(16) == "things/train[20%:70%], sample 17"
    assert source.cell(0, "picture") == "Image"
    assert repr(source) == "TFDS(things/1.0.0, 'train[20%:70%]', 5 samples)"
    assert {"text", "names/de", "names/more/fr", "file/name"} <= set(source.columns)
    spec = rows.map(lambda _, row: source.load(row)).element_spec
    assert all(tensor == tf.TensorSpec([], tf.string) for tensor in spec.values())


def test_the_order_is_fixed(builder):
    source = TFDS(builder, "train")
    first, second = (
        [row["count"]["raw"] for _, row in source.rows({"count": refuse}).as_numpy_iterator()]
        for _ in range(2)
    )
    assert first == second


def test_only_wanted_features_are_decoded(builder, monkeypatch):
    def fail(*args: Any) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(tfds.features.Image, "decode_example", fail)
    source = TFDS(builder, "train")
    assert len(list(source.rows({"text": refuse, "picture": refuse}))) == SIZE


def test_a_dataset_is_found_by_directory_and_by_name(builder, monkeypatch):
    def fail(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    data_dir = builder.data_path.parent.parent
    for found in (
        TFDS(builder.data_dir, "test"),
        TFDS(builder.data_path, "test"),
        TFDS("things", "test", data_dir=data_dir),
        TFDS("things:1.0.0", "test", data_dir=data_dir),
    ):
        rows = found.rows({"label": refuse, "names/de": refuse})
        labels = {found.load(row)["label"].numpy() for _, row in rows}
        assert labels == {b"", b"a", b"b", b"c"}


def test_a_missing_dataset_is_explained(builder, tmp_path, monkeypatch):
    def fail(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(ValueError, match=r"no dataset 'mnits', .*Did you mean 'mnist'\? Import"):
        TFDS("mnits", "train", data_dir=tmp_path)
    with pytest.raises(ValueError, match=r"mnist/3.* is not prepared in .*download_and_prepare"):
        TFDS("mnist", "train", data_dir=tmp_path)
    with pytest.raises(ValueError, match=r"cannot make 'mnist/bogus': .*bogus"):
        TFDS("mnist/bogus", "train", data_dir=tmp_path)
    with pytest.raises(ValueError, match=r"cannot make 'mnist:99.0.0': "):
        TFDS("mnist:99.0.0", "train", data_dir=tmp_path)
    with pytest.raises(ValueError, match="would look for 'huggingface:mnist' in the network"):
        TFDS("huggingface:mnist", "train")
    # A folder that happens to have the name does not hide the dataset.
    (tmp_path / "mnist").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="is not prepared in"):
        TFDS("mnist", "train", data_dir=tmp_path)
    with pytest.raises(ValueError, match=r"holds no dataset_info.json; pass the directory of one"):
        TFDS(tmp_path, "train")
    with pytest.raises(ValueError, match=r"things/1.0.0 is not prepared in"):
        TFDS(Things(data_dir=str(tmp_path)), "train")


@pytest.mark.parametrize("split", ["validation", "train[", "train[:x%]", ""])
def test_an_unknown_split_lists_those_that_exist(builder, split):
    message = re.escape(f"things/1.0.0 has no split {split!r}; it has ['train', 'test']")
    with pytest.raises(ValueError, match=message):
        TFDS(builder, split)


def test_an_unknown_feature_is_guessed(builder):
    with pytest.raises(KeyError, match=r"no feature 'names/dee'; .*Did you mean 'names/de'\?"):
        TFDS(builder, "train").rows({"names/dee": refuse})
