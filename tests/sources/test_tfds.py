"""`TFDS`: what a prepared dataset holds, as the raw values that went into it."""

import io
import re
import socket
import struct
import wave
from typing import Any

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from mmkeras import objects
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


# Boxes.


def picture_of(kind: str, width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (width, height)).save(buffer, kind)
    return buffer.getvalue()


BOXES = [
    # Kind, width, height, and objects: ymin, xmin, ymax, xmax, label, area, is it a crowd.
    (
        "JPEG",
        640,
        480,
        [(0.0, 0.25, 0.5, 1.0, 1, 12345.5, False), (0.1, 0.2, 0.3, 0.4, 0, 7, True)],
    ),
    ("PNG", 3, 1000, [(0.001, 0.0, 1.0, 1 / 3, 0, 5, False)]),
    ("BMP", 30, 50, [(0.5, 0.5, 0.6, 0.6, 1, 15, True), (0.5, 0.5, 0.5, 0.6, 1, 15, False)]),
    ("GIF", 7, 9, [(0.0, 0.0, 1.0, 1.0, 1, 63, False)]),
    ("JPEG", 5, 5, []),
    ("PNG", 5, 5, [(0.5, 0.5, 0.5, 0.5, 1, 0, False)]),
]


class Boxed(tfds.core.GeneratorBasedBuilder):
    """Objects as detection datasets have them."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features
        box, label = features.BBoxFeature(), features.ClassLabel(names=["dog", "red cell"])
        return tfds.core.DatasetInfo(
            builder=self,
            features=features.FeaturesDict(
                {
                    "image": features.Image(),
                    "other": features.Image(shape=(20, 10, 3)),
                    "number": np.int64,
                    "objects": features.Sequence(
                        {"bbox": box, "label": label, "area": np.float32, "is_crowd": np.bool_}
                    ),
                    "plain": features.Sequence({"bbox": box, "label": features.Text()}),
                    "voc": features.Sequence(
                        {"bbox": box, "label": label, "is_difficult": np.bool_, "pose": np.int64}
                    ),
                    "no label": features.Sequence({"bbox": box}),
                    "no format": features.Sequence(
                        {"bbox": features.BBoxFeature(bbox_format=None), "label": label}
                    ),
                }
            ),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for i, (kind, width, height, told) in enumerate(BOXES):
            boxes = [tfds.features.BBox(*map(float, one[:4])) for one in told]
            marks = [{"bbox": box, "label": one[4]} for box, one in zip(boxes, told)]
            yield (
                i,
                {
                    "image": io.BytesIO(picture_of(kind, width, height)),
                    "other": np.zeros((20, 10, 3), "uint8"),
                    "number": i,
                    "objects": [
                        mark | {"area": one[5], "is_crowd": one[6]}
                        for mark, one in zip(marks, told)
                    ],
                    "plain": [mark | {"label": f"a b {mark['label']}"} for mark in marks],
                    "voc": [
                        mark | {"is_difficult": one[6], "pose": 1} for mark, one in zip(marks, told)
                    ],
                    "no label": [{"bbox": box} for box in boxes],
                    "no format": marks,
                },
            )


@pytest.fixture(scope="module")
def boxed(tmp_path_factory):
    tfds.disable_progress_bar()
    builder = Boxed(data_dir=str(tmp_path_factory.mktemp("boxed")))
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(try_download_gcs=False)
    )
    return builder


@pytest.mark.parametrize(
    ("column", "label", "has_area", "has_crowd"),
    [
        ("objects", ("dog", "red cell"), True, True),
        ("plain", ("a b 0", "a b 1"), False, False),
        ("voc", ("dog", "red cell"), False, True),
    ],
)
def test_objects_are_a_label_in_pixels(boxed, column, label, has_area, has_crowd):
    source = TFDS(boxed, "train")
    columns = {column: refuse, "number": refuse}
    found = {
        int(row["number"]): row[column]
        for row in source.rows(columns).map(lambda _, row: source.load(row)).as_numpy_iterator()
    }
    for i, (_, width, height, told) in enumerate(BOXES):
        expected = [
            {
                "box": [xmin * width, ymin * height, xmax * width, ymax * height],
                "label": label[kind],
                "crowd": crowd and has_crowd,
                "area": area if has_area else (xmax - xmin) * width * (ymax - ymin) * height,
            }
            for ymin, xmin, ymax, xmax, kind, area, crowd in told
            if ymin < ymax and xmin < xmax
        ]
        made = objects.read(found[i])
        assert (found[i] == b" ") == (not expected)
        assert [(one["label"], one["crowd"]) for one in made] == [
            (one["label"], one["crowd"]) for one in expected
        ]
        for one, other in zip(made, expected, strict=True):
            assert one["box"] == pytest.approx(other["box"], rel=1e-6)
            assert one["area"] == pytest.approx(other["area"], rel=1e-5)
        # The same text, but for the last digits, that people's objects become.
        assert len(objects.written(expected).split()) == len(found[i].split())


def test_the_picture_of_boxes_may_be_wanted_too(boxed):
    source = TFDS(boxed, "train")
    columns = {"objects": refuse, "image": refuse, "other": refuse, "number": refuse}
    for row in source.rows(columns).map(lambda _, row: source.load(row)).as_numpy_iterator():
        kind, width, height, _ = BOXES[int(row["number"])]
        assert row["image"] == picture_of(kind, width, height)
        assert tf.io.decode_png(row["other"]).shape == (20, 10, 3)


@pytest.mark.parametrize("column", ["no label", "no format"])
def test_boxes_without_label_or_format_are_refused(boxed, column):
    with pytest.raises(
        ValueError, match=rf"'{column}' .*one of bbox \(shares: ymin, xmin, .*label"
    ):
        TFDS(boxed, "train").rows({column: refuse})


def test_the_picture_of_boxes_has_to_be_known(boxed):
    source = TFDS(boxed, "train")
    image = source._features.pop("image")
    # The only picture, whose size the features tell.
    rows = source.rows({"objects": refuse, "number": refuse})
    found = {int(row["number"]["raw"]): row["objects"]["raw"] for _, row in rows}
    assert objects.read(found[0].numpy())[0]["box"] == [2.5, 0, 10, 10]
    source._features |= {"first": image}
    with pytest.raises(ValueError, match=r"'objects' has boxes.* 'image', .*\['other', 'first'\]"):
        source.rows({"objects": refuse})
