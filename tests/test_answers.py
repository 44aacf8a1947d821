"""`answer` and `decode` with a stand-in for the model, so that every number is known."""

import numpy as np
import pytest
import tensorflow as tf

from mmkeras.answers import answer, decode, raw_values
from mmkeras.fields import Fields
from mmkeras.modalities import Image, Text
from mmkeras.tasks import Classification, Regression

FIELDS = Fields({"review": Text.tiny(), "photo": Image.tiny()})
TASKS = {"mood": Classification(["good", "bad"]), "length": Regression()}
WHITE = np.full((20, 20, 3), 255, "uint8")


class Model:
    """Says how many tokens there are, and that the mood is good where there is a photo."""

    def __init__(self):
        self.sizes = []

    def __call__(self, inputs):
        self.sizes.append(len(inputs["review_token_ids"]))
        logits = np.where(np.array(inputs["photo_present"])[:, None], [[2.0, 0.0]], [[0.0, 2.0]])
        length = np.count_nonzero(inputs["review_token_ids"], axis=1, keepdims=True)
        return {
            "mood": {"logits": logits, "probabilities": tf.nn.softmax(logits).numpy()},
            "length": {"value": length.astype("float32")},
        }


def ask(samples, **options):
    return answer(FIELDS, TASKS, Model(), samples, **options)


def test_one_sample_gives_one_answer():
    given = ask({"review": "a cat", "photo": WHITE})
    assert given["mood"]["label"] == "good"
    assert given["mood"]["probability"] == pytest.approx(np.exp(2) / (np.exp(2) + 1))
    assert given["length"] == {"value": 3.0}


def test_several_give_several_in_order_whatever_the_batch_size():
    samples = [{"review": "a " * (i % 5), "photo": WHITE if i % 2 else None} for i in range(7)]
    given = ask(samples, batch_size=3)
    assert [one["mood"]["label"] for one in given] == ["bad", "good"] * 3 + ["bad"]
    assert [one["length"]["value"] for one in given] == [0, 2, 3, 4, 5, 0, 2]
    assert given == ask(samples, batch_size=32)


def test_batches_have_the_size_asked_for():
    model = Model()
    answer(FIELDS, TASKS, model, [{"review": "a"}] * 5, batch_size=2)
    assert model.sizes == [2, 2, 1]


def test_fields_may_be_missing_and_samples_empty():
    assert ask({})["mood"]["label"] == "bad"
    assert ask([]) == []


def test_paths_bytes_and_arrays_are_the_same_picture(tmp_path, monkeypatch):
    (tmp_path / "white.png").write_bytes(Image.tiny().encode(WHITE))
    monkeypatch.chdir(tmp_path)
    content = (tmp_path / "white.png").read_bytes()
    seen = []

    def predict(inputs):
        seen.append(inputs["photo_pixels"])
        return Model()(inputs)

    pictures = ["white.png", str(tmp_path / "white.png"), content, WHITE]
    answer(FIELDS, TASKS, predict, [{"photo": picture} for picture in pictures])
    for pixels in seen[0]:
        np.testing.assert_array_equal(pixels, seen[0][0])


def test_raw_values_are_read_as_answers_read_them(tmp_path):
    (tmp_path / "white.png").write_bytes(Image.tiny().encode(WHITE))
    made = raw_values(FIELDS, [{"photo": str(tmp_path / "white.png")}, {"review": "a cat"}])
    assert made["photo"].tolist() == [(tmp_path / "white.png").read_bytes(), b""]
    assert made["review"].tolist() == [b"", b"a cat"]
    with pytest.raises(
        ValueError, match=r"sample 1, field 'photo' \('gone.png'\): there is no file"
    ):
        raw_values(FIELDS, {"photo": "gone.png"})
    with pytest.raises(ValueError, match="samples is empty"):
        raw_values(FIELDS, [])


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ({"foto": "cat.jpg"}, r"sample 2 names unknown fields \['foto'\].*\['review', 'photo'\]"),
        ({"photo": "gone.png"}, r"sample 2, field 'photo' \('gone.png'\): there is no file"),
        ({"photo": b"no picture"}, r"sample 2, field 'photo' \(b'no picture'\): .*no JPEG, PNG"),
        ({"photo": 7}, r"sample 2, field 'photo' \(7\): "),
        ({"review": b"\xff"}, r"sample 2, field 'review' \(b'\\xff'\): .*UTF-8"),
    ],
)
def test_a_bad_sample_is_named(sample, message):
    with pytest.raises(ValueError, match=message) as caught:
        ask([{"review": "a"}, sample, {"review": "a"}], batch_size=2)
    assert "\n" not in str(caught.value)


def test_decode_gives_plain_python():
    (given,) = decode(
        TASKS, Model()({"review_token_ids": np.ones((1, 3)), "photo_present": [True]})
    )
    assert type(given["mood"]["label"]) is str
    assert type(given["length"]["value"]) is float
