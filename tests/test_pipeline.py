"""`pipeline` against preprocessing row by row, and against bad samples, in every option."""

import csv
import gc
import math
import weakref

import keras
import numpy as np
import pytest
import soundfile
import tensorflow as tf

from mmkeras.answers import answer
from mmkeras.contracts import Source
from mmkeras.diagnosis import reason_of
from mmkeras.fields import Fields
from mmkeras.modalities import Audio, Image, Text
from mmkeras.pipeline import SkippedSamples, pipeline
from mmkeras.sources import Table
from mmkeras.tasks import Classification, MaskedImageModel, Regression

TEXT, IMAGE, AUDIO = Text.tiny(), Image.tiny(), Audio.tiny()
FIELDS = {"review": TEXT}
TASKS = {"number": Regression()}
MOOD = {"mood": Classification(["good", "bad"])}


def numbered(size, words=("a", "cat and dog", "the cats , the dogs !")):
    """Rows whose number can be read off the target; texts of three lengths."""
    return [{"review": words[i % len(words)], "number": i} for i in range(size)]


def numbers(data):
    return [int(value) for _, targets, _ in data for value in targets["number"]]


@pytest.fixture
def folder(tmp_path):
    for i, picture in enumerate(IMAGE.samples()):
        (tmp_path / f"{i}.png").write_bytes(picture)
    for i, sound in enumerate(AUDIO.samples()):
        (tmp_path / f"{i}.wav").write_bytes(sound)
    (tmp_path / "cut.png").write_bytes(IMAGE.samples()[0][:50])
    return tmp_path


def photos(folder, names):
    with open(folder / "photos.csv", "w", newline="") as file:
        csv.writer(file).writerows(
            [("photo", "number"), *((name, i) for i, name in enumerate(names))]
        )
    return Table(folder / "photos.csv")


class TestGoodSamples:
    def test_are_what_the_modalities_make_of_them(self, folder):
        rows = [
            {"review": "a cat", "photo": "0.png", "voice": "1.wav", "mood": "good", "number": 1.5},
            {"review": None, "photo": "1.png", "voice": None, "mood": None, "number": None},
            {"review": "dogs !", "photo": None, "voice": "2.wav", "mood": "bad", "number": -2},
        ]
        fields = {"review": TEXT, "photo": IMAGE, "voice": AUDIO}
        tasks = {"mood": Classification(["good", "bad"]), **TASKS}
        data = pipeline(Table(rows, folder=folder), fields, tasks, batch_size=3, pad="max")
        ((inputs, targets, weights),) = data
        for i, row in enumerate(rows):
            for field, modality in fields.items():
                cell = row[field] or ""
                raw = (folder / cell).read_bytes() if "." in cell else cell.encode()
                expected = modality.preprocess(tf.constant(raw)) if cell else modality.absent()
                for name, value in expected.items():
                    np.testing.assert_allclose(inputs[f"{field}_{name}"][i], value, atol=1e-6)
        assert targets["mood"].numpy()[[0, 2]].tolist() == [0, 1]
        assert targets["number"].numpy()[[0, 2]].tolist() == [1.5, -2.0]
        assert weights["mood"].numpy().tolist() == [1, 0, 1]
        assert weights["number"].numpy().tolist() == [1, 0, 1]

    def test_come_in_order_and_all(self):
        data = pipeline(Table(numbered(150)), FIELDS, TASKS, batch_size=16)
        assert numbers(data) == list(range(150))
        assert len(data) == math.ceil(150 / 16)

    def test_without_tasks_are_inputs_alone(self):
        (inputs,) = pipeline(Table(numbered(2)), FIELDS)
        assert set(inputs) == {"review_token_ids"}

    def test_padding_ends_at_the_longest_of_a_batch(self):
        short, long = pipeline(Table(numbered(2, ["a", "cat and dog"])), FIELDS, batch_size=1)
        assert short["review_token_ids"].shape == (1, 2)
        assert long["review_token_ids"].shape == (1, 4)

    def test_static_shapes_on_request(self):
        options = {"batch_size": 2, "pad": "max", "drop_remainder": True}
        data = pipeline(Table(numbered(5)), FIELDS, TASKS, **options)
        inputs, targets, weights = data.element_spec
        assert inputs["review_token_ids"].shape == (2, TEXT.max_length)
        assert targets["number"].shape == weights["number"].shape == (2,)
        assert len(list(data)) == 2

    def test_only_some_fields(self, folder):
        table = Table([{"review": "a cat", "photo": "no such.png"}], folder=folder)
        fields = {"review": TEXT, "photo": IMAGE}
        (inputs,) = pipeline(table, fields, only=["review"])
        assert not inputs["photo_present"].numpy().any()
        assert not inputs["photo_pixels"].numpy().any()
        assert inputs["review_token_ids"].numpy().any()

    def test_without_fields_and_tasks_that_have_no_column(self):
        table = Table([{"review": "a cat", "number": 3}, {"review": "a dog", "number": 4}])
        fields = {"review": TEXT, "image": IMAGE}
        tasks = TASKS | {"other": Regression(), "hidden": MaskedImageModel.tiny()}
        ((inputs, targets, weights),) = pipeline(
            table, fields, tasks, without=["image", "other", "hidden"]
        )
        assert not inputs["image_present"].numpy().any()
        assert targets["number"].numpy().tolist() == [3, 4]
        assert {name: w.numpy().tolist() for name, w in weights.items()} == {
            "number": [1, 1],
            "other": [0, 0],
            "hidden": [0, 0],
        }
        with pytest.raises(KeyError, match="no column 'image'"):
            pipeline(table, fields, tasks, without="other")
        with pytest.raises(ValueError, match=r"without names \['imag'\]"):
            pipeline(table, fields, tasks, without=["imag"])
        with pytest.raises(ValueError, match="at least one of the fields"):
            pipeline(table, fields, tasks, without=["image", "review"])

    def test_many_large_samples_take_bounded_memory(self):
        # 64 samples at once would be 12 GB.
        large = Audio(sample_rate=48_000, seconds=1_000)
        (inputs,) = pipeline(Table([{"voice": None}]), {"voice": large}, only=["voice"])
        assert inputs["voice_waveform"].shape == (1, 1)

    @pytest.mark.parametrize("options", [{}, {"cache": True}, {"on_error": "skip"}])
    def test_rows_in_memory_end_with_the_dataset(self, options):
        table = Table(numbered(4))
        rows = weakref.ref(table)
        data = pipeline(table, FIELDS, TASKS, **options)
        del table
        assert numbers(data) == [0, 1, 2, 3]
        del data
        gc.collect()
        assert rows() is None


class TestSoundOfOtherFormats:
    @pytest.fixture
    def voices(self, tmp_path):
        tone = np.int16(20_000 * np.sin(np.arange(600) / 4))
        for form in ("flac", "ogg", "wav"):
            soundfile.write(tmp_path / f"voice.{form}", tone, 8_000)
        cells = ["voice.flac", "voice.ogg", "voice.wav", (tmp_path / "voice.flac").read_bytes()]
        (tmp_path / "cut.flac").write_bytes(cells[3][:300])
        return tmp_path, cells

    def test_is_read_as_that_of_wav_files(self, voices):
        folder, cells = voices
        table = Table([{"voice": cell} for cell in [*cells, None]], folder=folder)
        (inputs,) = pipeline(table, {"voice": AUDIO}, batch_size=5)
        assert inputs["voice_length"].numpy().tolist() == [600] * 4 + [0]
        flac, ogg, wav, content, _ = inputs["voice_waveform"].numpy()
        np.testing.assert_array_equal(flac, wav)
        np.testing.assert_array_equal(content, wav)
        expected, _ = soundfile.read(folder / "voice.ogg")
        np.testing.assert_allclose(ogg, expected, atol=1e-6)

    def test_is_named_when_it_is_broken(self, voices):
        folder, cells = voices
        table = Table([{"voice": cells[0]}, {"voice": "cut.flac"}], folder=folder)
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            list(pipeline(table, {"voice": AUDIO}))
        told = reason_of(caught.value)
        assert told.startswith("sample 2, field ‘voice’ (‘cut.flac’): these 300 bytes are no ")
        data = pipeline(table, {"voice": AUDIO}, on_error="skip", max_bad=0.5)
        with pytest.warns(SkippedSamples, match="1 of 2 samples"):
            (inputs,) = data
        assert inputs["voice_length"].numpy().tolist() == [600]

    def test_is_answered(self, voices):
        folder, cells = voices
        heard = []

        def predict(inputs):
            heard.append(inputs["voice_waveform"])
            return {"number": {"value": np.zeros((len(heard[-1]), 1), "float32")}}

        samples = [{"voice": cell} for cell in (cells[3], str(folder / cells[2]))]
        answer(Fields({"voice": AUDIO}), TASKS, predict, samples)
        np.testing.assert_array_equal(*heard[0])
        with pytest.raises(ValueError, match=r"sample 1, field 'voice' .* these 300 bytes are no"):
            answer(Fields({"voice": AUDIO}), TASKS, predict, {"voice": cells[3][:300]})


class TestOddSound:
    """Files as they come: what is heard of them, or the file that is named."""

    @pytest.fixture
    def folder(self, tmp_path):
        rng = np.random.default_rng(0)
        speech = np.float32(rng.uniform(-0.5, 0.5, 600))
        hour = np.zeros(8_000 * 3_600, "float32")
        hour[:800], hour[8_000:] = 0.25, np.nan
        bad = speech.copy()
        bad[7] = np.nan
        for name, sound in {
            "silent": np.zeros(600),
            "clipped": np.sign(speech),
            "one": speech[:1],
            "hour": hour,
            "dead": np.stack([speech, np.zeros(600)], axis=1),
            "nan": bad,
        }.items():
            soundfile.write(tmp_path / f"{name}.wav", sound, 8_000, "FLOAT")
        soundfile.write(tmp_path / "law.wav", speech, 8_000, "ULAW")
        raw = (tmp_path / "silent.wav").read_bytes()
        (tmp_path / "cut.wav").write_bytes(raw[:-100])
        rate = raw.index(b"fmt ") + 12
        (tmp_path / "rate.wav").write_bytes(raw[:rate] + b"\0" * 4 + raw[rate + 4 :])
        return tmp_path, speech

    def test_is_heard_as_it_is(self, folder):
        folder, speech = folder
        names = ["silent", "clipped", "one", "hour", "dead", "law"]
        table = Table([{"voice": f"{name}.wav"} for name in names], folder=folder)
        (inputs,) = pipeline(table, {"voice": AUDIO}, batch_size=9)
        assert inputs["voice_length"].numpy().tolist() == [600, 600, 1, 800, 600, 600]
        silent, clipped, one, hour, dead, law = inputs["voice_waveform"].numpy()
        assert not silent.any()
        np.testing.assert_array_equal(clipped[:600], np.sign(speech))
        assert one[0] == speech[0]
        assert (hour == 0.25).all()
        # The live channel, as loud as alone.
        np.testing.assert_array_equal(dead[:600], speech)
        # Mu-law: 14 bits, of which the upper five count.
        np.testing.assert_allclose(law[:600], speech, rtol=1 / 30, atol=1e-3)

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("nan", "sample 7 of the WAV file is not finite"),
            ("cut", "the WAV file declares 2400 bytes of sound and holds 2300: it is cut off"),
            ("rate", "the WAV file declares 0 samples a second; 1000 to 1000000 can be read"),
        ],
    )
    def test_that_cannot_be_heard_is_named(self, folder, name, told):
        table = Table([{"voice": "one.wav"}, {"voice": f"{name}.wav"}], folder=folder[0])
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            list(pipeline(table, {"voice": AUDIO}))
        assert f"sample 2, field ‘voice’ (‘{name}.wav’): {told}" in reason_of(caught.value)


class TestOrder:
    def test_shuffle_differs_by_epoch_and_repeats_by_seed(self):
        table = Table(numbered(60))
        epochs = []
        for seed in (1, 1, 2):
            data = pipeline(table, FIELDS, TASKS, shuffle=True, seed=seed)
            epochs.append([numbers(data), numbers(data)])
        assert epochs[0] == epochs[1]
        assert epochs[0] != epochs[2]
        first, second = epochs[0]
        assert first != second != list(range(60)) != first
        assert sorted(first) == sorted(second) == list(range(60))

    def test_augmented_batches_are_the_same_in_every_run(self):
        rows = [{"photo": np.full((20, 20, 3), i, "uint8"), "number": i} for i in range(40)]
        options = {"shuffle": True, "augment": True, "seed": 3, "batch_size": 8}
        runs = []
        for _ in range(2):
            data = pipeline(Table(rows), {"photo": IMAGE}, TASKS, **options)
            runs.append([inputs["photo_pixels"].numpy() for _ in range(2) for inputs, _, _ in data])
        np.testing.assert_array_equal(runs[0], runs[1])
        assert not np.array_equal(runs[0][:5], runs[0][5:])

    def test_any_order_still_holds_every_sample(self):
        data = pipeline(Table(numbered(200)), FIELDS, TASKS, deterministic=False)
        assert sorted(numbers(data)) == list(range(200))

    def test_buckets_batch_like_lengths_together(self):
        table = Table(numbered(60, ["a", "the cats , the dogs !"]))
        data = pipeline(table, FIELDS, TASKS, batch_size=8, buckets={"review": [4]}, shuffle=True)
        widths = set()
        for inputs, _, _ in data:
            lengths = np.count_nonzero(inputs["review_token_ids"], axis=1)
            assert len(set(lengths)) == 1
            widths.add(inputs["review_token_ids"].shape[1])
        assert len(widths) == 2
        assert sorted(numbers(data)) == list(range(60))


class TestBoundedBatches:
    LENGTHS = np.random.default_rng(0).integers(1, 801, 120).tolist()

    def batches(self, **options):
        rows = [{"voice": np.full(n, 0.1), "number": i} for i, n in enumerate(self.LENGTHS)]
        options = {"batch_size": 16, "buckets": {"voice": [100, 300, 600]}, **options}
        return list(pipeline(Table(rows), {"voice": AUDIO}, TASKS, **options))

    @pytest.mark.parametrize(
        ("bound", "pad", "shuffle"),
        [(800, "longest", True), (2_000, "longest", False), (5_000, "max", True)],
    )
    def test_none_is_longer_than_the_bound(self, bound, pad, shuffle):
        batches = self.batches(max_batch_length=bound, pad=pad, shuffle=shuffle)
        assert sorted(numbers(batches)) == list(range(120))
        sizes: dict[int, list[int]] = {}
        for inputs, _, _ in batches:
            size, width = inputs["voice_waveform"].shape
            assert size * width <= bound
            lengths = inputs["voice_length"].numpy()
            (bucket,) = set(np.searchsorted([100, 300, 600], lengths, side="right"))
            sizes.setdefault(int(bucket), []).append(size)
        # As many as the bound lets in of the longest that a bucket may hold.
        longest = [99, 299, 599, 800] if pad == "longest" else [800] * 4
        for bucket, found in sizes.items():
            assert max(found) == min(16, bound // longest[bucket])

    def test_that_are_full_alone_are_kept_on_request(self):
        batches = self.batches(max_batch_length=2_000, drop_remainder=True)
        sizes = {len(inputs["voice_length"]) for inputs, _, _ in batches}
        assert sizes <= {16, 6, 3, 2}


class TestCache:
    @pytest.mark.parametrize("where", ["memory", "file"])
    def test_reads_files_once(self, folder, where):
        table = photos(folder, ["0.png", "1.png", "2.png"] * 3)
        cache = True if where == "memory" else str(folder / "new" / "cache")
        data = pipeline(table, {"photo": IMAGE}, TASKS, cache=cache, batch_size=2)
        # An epoch that was broken off must not count as the whole.
        next(iter(data.take(1)))
        first = [inputs["photo_pixels"].numpy() for inputs, _, _ in data]
        (folder / "0.png").unlink()
        second = [inputs["photo_pixels"].numpy() for inputs, _, _ in data]
        assert sum(map(len, first)) == 9
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)

    def test_shuffles_and_augments_anew_in_each_epoch(self):
        data = pipeline(Table(numbered(50)), FIELDS, TASKS, cache=True, shuffle=True, augment=True)
        first, second = numbers(data), numbers(data)
        assert first != second
        assert sorted(first) == sorted(second) == list(range(50))


class TestBadSamples:
    def test_stop_with_place_field_value_reason_and_remedy(self, folder):
        table = photos(folder, ["0.png"] * 70 + ["gone.png", "1.png"])
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            list(pipeline(table, {"photo": IMAGE}, TASKS))
        told = reason_of(caught.value)
        assert told.startswith("photos.csv, row 71, field ‘photo’ (‘gone.png’): there is no file ")
        assert "on_error=‘skip’" in told
        assert told in caught.value.message, "a person sees the same without reason_of"
        assert "Traceback" not in caught.value.message

    def test_are_named_by_an_iterator_that_is_all_that_is_left(self, folder):
        table = photos(folder, ["0.png", "gone.png"])
        left = iter(pipeline(table, {"photo": IMAGE}, TASKS).take(5))
        del table
        gc.collect()
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"there is no file .*gone\.png"):
            list(left)

    @pytest.mark.parametrize("on_error", ["raise", "skip"])
    def test_are_named_in_a_dataset_made_by_another(self, on_error):
        def inner(rows):
            return lambda _: pipeline(Table(rows), FIELDS, MOOD, on_error=on_error, max_bad=0)

        outer = tf.data.Dataset.range(1)
        assert len(list(outer.flat_map(inner([{"review": "a cat", "mood": "good"}])))) == 1
        with pytest.raises(tf.errors.InvalidArgumentError, match="unknown label awful"):
            list(outer.flat_map(inner([{"review": "a cat", "mood": "awful"}])))

    def test_are_told_without_a_reason_where_the_dataset_is_gone(self):
        data = pipeline(Table([{"review": "a", "mood": "awful"}]), FIELDS, MOOD)
        variant, spec = tf.data.experimental.to_variant(data), data.element_spec
        del data
        gc.collect()
        with pytest.raises(tf.errors.InvalidArgumentError, match="row 1 is bad; keep the dataset"):
            list(tf.data.experimental.from_variant(variant, spec))

    def test_stop_fit_with_the_same_words(self, folder):
        pixels = keras.Input((16, 16, 3), name="photo_pixels")
        present = keras.Input((), dtype="bool", name="photo_present")
        outputs = keras.layers.Dense(1)(keras.layers.Flatten()(pixels))
        model = keras.Model(
            {"photo_pixels": pixels, "photo_present": present}, {"number": outputs[:, 0]}
        )
        model.compile("sgd", loss={"number": "mse"})
        data = pipeline(photos(folder, ["0.png", "cut.png"]), {"photo": IMAGE}, TASKS)
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            model.fit(data, verbose=0, shuffle=False)
        told = "photos.csv, row 2, field ‘photo’ (‘cut.png’): "
        assert told in str(caught.value)
        assert reason_of(caught.value).startswith(told)

    def test_an_unknown_label_is_told_with_the_known_ones(self):
        table = Table([{"review": "a", "mood": "good"}, {"review": "a", "mood": "godo"}])
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            list(pipeline(table, FIELDS, {"mood": Classification(["good", "bad"])}))
        told = reason_of(caught.value)
        assert told.startswith("sample 2, field ‘mood’ (‘godo’): ")
        assert "good, bad" in told

    def test_a_cell_that_cannot_be_encoded_stops_before_the_first_epoch(self):
        with pytest.raises(ValueError, match="sample 2, field 'number' \\('many'\\): "):
            pipeline(Table([{"review": "a", "number": n} for n in (1, "many")]), FIELDS, TASKS)

    def test_are_skipped_counted_and_reported_in_every_epoch(self, folder):
        names = ["0.png" if i % 10 else "gone.png" for i in range(100)]
        data = pipeline(photos(folder, names), {"photo": IMAGE}, TASKS, on_error="skip")
        for _ in range(2):
            with pytest.warns(
                SkippedSamples, match=r"10 of 100 samples of Table\(photos.csv"
            ) as told:
                assert numbers(data) == [i for i in range(100) if i % 10]
            assert len(told) == 1
            assert "photos.csv, row 1, field 'photo' ('gone.png'): there is no file" in str(
                told[0].message
            )

    def test_skips_what_cannot_be_encoded_and_what_cannot_be_read(self):
        rows = [*numbered(3), {"review": ["no text"], "number": 3}, {"review": "a", "number": "x"}]
        data = pipeline(Table(rows), FIELDS, TASKS, on_error="skip", max_bad=0.5)
        with pytest.warns(SkippedSamples, match="2 of 5") as told:
            assert numbers(data) == [0, 1, 2]
        assert "sample 4, field 'review' (['no text'])" in str(told[0].message)
        assert "sample 5, field 'number' ('x')" in str(told[0].message)

    def test_nothing_is_said_when_nothing_was_skipped(self):
        data = pipeline(Table(numbered(3)), FIELDS, TASKS, on_error="skip")
        assert numbers(data) == [0, 1, 2]

    def test_too_many_stop(self, folder):
        table = photos(folder, ["0.png", "gone.png", "cut.png", "1.png"])
        data = pipeline(table, {"photo": IMAGE}, TASKS, on_error="skip", max_bad=0.25)
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            list(data)
        told = reason_of(caught.value)
        assert told.startswith("2 of 4 samples are bad so far, which is more than max_bad=0.25")
        assert "cut.png" in told

    @pytest.mark.parametrize("max_bad", [0.1, 1.0])
    def test_nothing_but_bad_ones_is_an_error_and_no_empty_epoch(self, folder, max_bad):
        table = photos(folder, ["gone.png"] * 3)
        data = pipeline(table, {"photo": IMAGE}, TASKS, on_error="skip", max_bad=max_bad)
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            list(data)
        told = reason_of(caught.value)
        assert "gone.png" in told
        assert ("all 3 samples" in told) == (max_bad == 1.0)

    def test_of_any_source_are_named(self):
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            list(pipeline(Letters(), {"letter": TEXT}))
        assert reason_of(caught.value).startswith("letter no. 2, field ‘letter’ (a letter): ")


class Letters(Source):
    """A source whose rows are bare tensors, and whose second sample is no UTF-8."""

    columns = ("letter",)

    def __len__(self):
        return 3

    def rows(self, columns, files=()):
        return tf.data.Dataset.from_tensor_slices([b"a", b"\xff", b"c"]).enumerate()

    def load(self, row):
        return {"letter": row}

    def locate(self, index):
        return f"letter no. {index + 1}"

    def cell(self, index, column):
        return "a letter"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_error": "ignore"}, "on_error must be 'raise' or 'skip'; got 'ignore'"),
        ({"pad": "none"}, "pad must be 'longest' or 'max'; got 'none'"),
        ({"batch_size": 0}, "batch_size must be at least 1; got 0"),
        ({"max_bad": 10}, "max_bad must be a share in"),
        ({"only": ["photo"]}, r"only names unknown fields \['photo'\]; .* \['review'\]"),
        ({"only": []}, "only must name at least one field"),
        ({"buckets": {"photo": [3]}}, r"one of \['review'\]; got 'photo'"),
        ({"buckets": {"review": [3], "photo": [3]}}, "buckets takes one field"),
        ({"max_batch_length": 100}, "max_batch_length needs buckets"),
        (
            {"max_batch_length": 3, "buckets": {"review": [3]}},
            f"max_batch_length must be at least {TEXT.max_length}, .* 'review' .*; got 3",
        ),
    ],
)
def test_wrong_options_are_told(options, message):
    with pytest.raises(ValueError, match=message):
        pipeline(Table(numbered(2)), FIELDS, TASKS, **options)


def test_a_source_without_samples():
    with pytest.raises(ValueError, match="has no samples"):
        pipeline(Table([]), FIELDS)


def test_a_missing_column():
    with pytest.raises(KeyError, match=r"no column 'number'; it has \['review', 'nmber'\]"):
        pipeline(Table([{"review": "a", "nmber": 1}]), FIELDS, TASKS)


def test_an_empty_file_is_no_absent_picture(tmp_path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    rows = Table([{"photo": "empty.jpg"}], folder=tmp_path)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"empty\.jpg. is empty; copy it"):
        list(pipeline(rows, {"photo": Image(size=8)}))
