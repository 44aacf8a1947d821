"""`saved_model`: both signatures, the raw one with absent fields, errors, nothing half-written."""

import numpy as np
import pytest
import tensorflow as tf

import mmkeras as mm
from mmkeras.decoding import CTCBeams
from mmkeras.export import ExportError, litert, saved_model
from mmkeras.export import verify as verifier
from mmkeras.fusions import Late
from mmkeras.tasks import SpeechRecognition, SpeechSynthesis


@pytest.fixture(scope="module")
def model() -> mm.MultimodalModel:
    return mm.MultimodalModel(
        fields={"note": mm.Text.tiny(), "photo": mm.Image.tiny(), "sound": mm.Audio.tiny()},
        tasks={
            "kind": mm.Classification(["cat", "dog", "tree"]),
            "traits": mm.Classification(["big", "wild"], multi_label=True),
            "age": mm.Regression(offset=20.0, scale=5.0),
        },
        size="tiny",
    )


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "pets" / "1"
    return mm.export.saved_model(model, path)


def test_agrees_with_the_model_in_plain_tensorflow(exported):
    assert exported.runtime == "tensorflow"
    assert exported.signatures == ("serving_default", "tensors")
    assert exported.max_difference <= 1e-4
    assert exported.size_bytes > 1000
    assert exported.latency_ms > 0


def test_has_the_layout_of_tensorflow_serving(exported):
    assert exported.path.name == "1"
    assert (exported.path / "saved_model.pb").is_file()
    from tensorflow_serving.apis import prediction_log_pb2

    warmup = exported.path / "assets.extra" / "tf_serving_warmup_requests"
    records = list(tf.data.TFRecordDataset(str(warmup)).as_numpy_iterator())
    request = prediction_log_pb2.PredictionLog.FromString(records[0]).predict_log.request
    assert request.model_spec.name == "pets"
    assert set(request.inputs) == {"note", "photo", "sound"}


def test_warmup_request_is_one_the_model_answers(exported):
    from tensorflow_serving.apis import prediction_log_pb2

    warmup = exported.path / "assets.extra" / "tf_serving_warmup_requests"
    record = next(tf.data.TFRecordDataset(str(warmup)).as_numpy_iterator())
    request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
    served = tf.saved_model.load(str(exported.path)).signatures["serving_default"]
    answer = served(**{k: tf.constant(tf.make_ndarray(v)) for k, v in request.inputs.items()})
    assert answer["kind_label"].shape == (1,)


def test_raw_signature_answers_as_the_model_does(model, exported):
    served = tf.saved_model.load(str(exported.path)).signatures["serving_default"]
    photo = model.fields["photo"].samples()[0]
    answer = served(
        note=tf.constant(["the cats", ""]),
        photo=tf.constant([b"", photo]),
        sound=tf.constant([b"", b""]),
    )
    expected = model.answer([{"note": "the cats"}, {"photo": photo}])
    for i, one in enumerate(expected):
        assert answer["kind_label"].numpy()[i].decode() == one["kind"]["label"]
        assert answer["age_value"].numpy()[i] == pytest.approx(one["age"]["value"], abs=1e-4)
        np.testing.assert_allclose(
            answer["traits_probabilities"].numpy()[i],
            list(one["traits"]["probabilities"].values()),
            atol=1e-4,
        )


def test_a_bad_request_fails_alone_and_says_why(exported):
    served = tf.saved_model.load(str(exported.path)).signatures["serving_default"]
    good = {
        "note": tf.constant(["cat"]),
        "photo": tf.constant([b""]),
        "sound": tf.constant([b""]),
    }
    before = served(**good)["kind_probabilities"].numpy()
    with pytest.raises(tf.errors.InvalidArgumentError, match="photo"):
        served(**good | {"photo": tf.constant([b"no picture"])})
    with pytest.raises(tf.errors.InvalidArgumentError, match="sound"):
        served(**good | {"sound": tf.constant([b"RIFF....no sound"])})
    with pytest.raises(tf.errors.InvalidArgumentError, match="UTF-8"):
        served(**good | {"note": tf.constant([b"\xff\xfe"])})
    np.testing.assert_array_equal(served(**good)["kind_probabilities"].numpy(), before)


def test_path_must_end_in_a_version(model, tmp_path):
    with pytest.raises(ValueError, match="version"):
        mm.export.saved_model(model, tmp_path / "pets")


def test_does_not_overwrite_unasked(model, exported):
    with pytest.raises(FileExistsError, match="overwrite=True"):
        mm.export.saved_model(model, exported.path)


def test_a_failed_comparison_leaves_nothing(model, tmp_path, monkeypatch):
    monkeypatch.setattr(verifier, "_difference", lambda got, expected, *_: 0.5)
    with pytest.raises(ExportError, match=r"differs from the model's by 0\.5"):
        mm.export.saved_model(model, tmp_path / "pets" / "1")
    assert list((tmp_path / "pets").iterdir()) == []


def test_speech_goes_in_and_comes_out(tmp_path):
    audio, text = mm.Audio.tiny(), mm.Text.tiny()
    listener = mm.MultimodalModel(
        {"speech": audio}, {"said": SpeechRecognition.tiny()}, size="tiny", fusion=Late(16)
    )
    language = SpeechRecognition.tiny().language_model(["ab", "b"], order=2)
    listener.set_task("said", beams=CTCBeams(3, language_model=language))
    speaker = mm.MultimodalModel(
        {"text": text}, {"speech": SpeechSynthesis.tiny()}, size="tiny", fusion=Late(16)
    )
    for model in (listener, speaker):
        made = saved_model(model, tmp_path / model.name / "1")
        assert made.max_difference < 1e-2
        # No operation but those that LiteRT has.
        assert litert(model, tmp_path / f"{model.name}.tflite").max_difference < 1e-2
