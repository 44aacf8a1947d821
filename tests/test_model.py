"""`MultimodalModel`: loss and metrics against NumPy and scikit-learn, and Keras around it."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import sklearn.metrics
import tensorflow as tf

from mmkeras.decoding import CTCBeams
from mmkeras.encoders import TextTransformer
from mmkeras.fusions import Concat, Late
from mmkeras.layers import SIZES, Size
from mmkeras.modalities import Audio, Image, Text
from mmkeras.model import MultimodalModel
from mmkeras.tasks import Classification, Regression, SpeechRecognition
from mmkeras.tokenizers import ByteTokenizer, CharacterTokenizer

CLASSES = ["cat", "dog", "tree"]
FIELDS = {"name": Text.tiny(), "photo": Image.tiny()}
#: Enough for what does not depend on the kind of a field, and quicker.
TEXTS = {"name": Text.tiny(), "story": Text.tiny()}
WEIGHTS = {"kind": 2.0, "price": 0.5}


def shallow() -> TextTransformer:
    return TextTransformer.for_modality(
        Text.tiny(), Size(16, 0, 2, 32), dropout=0.0, name="shallow"
    )


def build(fields=TEXTS, **options) -> MultimodalModel:
    """A tiny model of two tasks whose outputs do not depend on chance."""
    tasks = {
        "kind": Classification(CLASSES, dropout=0.0),
        "price": Regression(offset=20.0, scale=5.0, dropout=0.0),
    }
    if fields is TEXTS:
        options = {"encoders": {"story": shallow()}} | options
    options = {
        "size": "tiny",
        "dropout": 0.0,
        "fusion": Late(16, name="late"),
        "loss_weights": WEIGHTS,
    } | options
    return MultimodalModel(fields, tasks, **options)


def batch(model: MultimodalModel, size: int = 4):
    """(inputs, targets, weights); the second sample has no name, the third lacks a label."""
    raw = {
        field: [modality.samples()[i % len(modality.samples())] for i in range(size)]
        for field, modality in model.fields.items()
    }
    if size > 1:
        raw["name"][1] = b""
    x = model.fields.preprocess_batch({field: tf.constant(values) for field, values in raw.items()})
    random = np.random.default_rng(0)
    y = {
        "kind": random.integers(0, 3, size).astype("int32"),
        "price": random.uniform(10, 30, size).astype("float32"),
    }
    w = {"kind": np.ones(size, "float32"), "price": np.ones(size, "float32")}
    if size > 2:
        w["price"][2] = 0.0
    return x, y, w


def data(model: MultimodalModel, size: int = 4, batch_size: int = 4) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(batch(model, size)).batch(batch_size)


def outputs(model: MultimodalModel, x) -> dict[str, np.ndarray]:
    found = model.predict_on_batch(x)
    return {
        f"{task}/{name}": value for task, named in found.items() for name, value in named.items()
    }


def assert_same_outputs(model: MultimodalModel, other: MultimodalModel, atol: float = 1e-6):
    x, _, _ = batch(model)
    expected = outputs(model, x)
    actual = outputs(other, x)
    assert set(actual) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name], value, atol=atol, err_msg=name)


def gradients(model: MultimodalModel, x, y, w) -> list[np.ndarray]:
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x, y, model(x, training=True), w)
    found = tape.gradient(loss, [v.value for v in model.trainable_variables])
    return [np.array(tf.convert_to_tensor(g)) for g in found]


def compiled(optimizer=None, model=None, **options) -> MultimodalModel:
    model = build() if model is None else model
    model.compile(optimizer=optimizer or keras.optimizers.SGD(0.01), **options)
    return model


def test_loss_and_metrics_are_those_of_numpy_and_scikit_learn():
    model = compiled()
    x, y, w = batch(model)
    shown = model.evaluate(data(model), return_dict=True, verbose=0)
    found = model.predict_on_batch(x)
    probabilities, prices = found["kind"]["probabilities"], found["price"]["value"][:, 0]
    cross_entropy = sklearn.metrics.log_loss(y["kind"], probabilities, labels=[0, 1, 2])
    errors = np.abs(prices - y["price"])[w["price"] > 0] / 5.0
    huber = np.where(errors <= 1, errors**2 / 2, errors - 0.5).mean()
    expected = {
        "loss": 2.0 * cross_entropy + 0.5 * huber,
        "kind_loss": cross_entropy,
        "price_loss": huber,
        "kind_accuracy": sklearn.metrics.accuracy_score(y["kind"], probabilities.argmax(axis=1)),
        "price_mae": sklearn.metrics.mean_absolute_error(
            y["price"], prices, sample_weight=w["price"]
        ),
        "price_rmse": sklearn.metrics.root_mean_squared_error(
            y["price"], prices, sample_weight=w["price"]
        ),
    }
    assert set(shown) == set(expected)
    for name, value in expected.items():
        assert shown[name] == pytest.approx(value, rel=1e-4), name


def test_learned_loss_weights(tmp_path):
    model = compiled(keras.optimizers.SGD(0.05), build(loss_weights="learned"))
    x, y, w = batch(model)
    labelled = tf.data.Dataset.from_tensors((x, y, w | {"price": np.zeros(4, "float32")}))
    before = model.evaluate(data(model), return_dict=True, verbose=0)
    # A variance of 1 leaves losses as they are.
    assert before["loss"] == pytest.approx(before["kind_loss"] + before["price_loss"], rel=1e-5)
    model.fit(labelled.repeat(50), shuffle=False, verbose=0)
    learned = {task: float(value) for task, value in model.log_variances.items()}
    assert learned["kind"] != 0.0
    # A task of which nothing is known in these batches stays as it is.
    assert learned["price"] == 0.0
    after = model.evaluate(data(model), return_dict=True, verbose=0)
    kind = np.exp(-learned["kind"]) * after["kind_loss"] + learned["kind"] / 2
    assert after["loss"] == pytest.approx(kind + after["price_loss"], rel=1e-5)

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.loss_weights == "learned"
    assert {task: float(value) for task, value in loaded.log_variances.items()} == learned
    assert loaded.evaluate(data(loaded), return_dict=True, verbose=0) == pytest.approx(after)


def test_a_sample_without_label_teaches_nothing():
    model = build()
    x, y, w = batch(model)
    w = {"kind": np.array([1, 1, 1, 0], "float32"), "price": np.array([1, 1, 1, 0], "float32")}
    other = {"kind": y["kind"].copy(), "price": y["price"].copy()}
    other["kind"][3], other["price"][3] = (other["kind"][3] + 1) % 3, -1e3
    first_three = {name: value[:3] for name, value in x.items()}
    expected = gradients(model, x, y, w)
    for inputs, targets, weights in (
        (x, other, w),
        (first_three, {k: v[:3] for k, v in y.items()}, {k: v[:3] for k, v in w.items()}),
        (first_three, {k: v[:3] for k, v in y.items()}, None),
    ):
        for actual, right in zip(gradients(model, inputs, targets, weights), expected):
            np.testing.assert_allclose(actual, right, atol=1e-5)


def test_a_batch_without_any_label_changes_nothing():
    model = compiled(keras.optimizers.SGD(0.1))
    x, y, w = batch(model)
    w = {task: np.zeros(4, "float32") for task in w}
    before = model.get_weights()
    model.fit(tf.data.Dataset.from_tensors((x, y, w)), shuffle=False, verbose=0)
    for actual, expected in zip(model.get_weights(), before):
        np.testing.assert_array_equal(actual, expected)


def test_a_task_without_targets_is_left_out():
    model = build()
    x, y, w = batch(model)
    alone = model.compute_loss(x, {"kind": y["kind"]}, model(x), w)
    found = model.predict_on_batch(x)
    expected = 2.0 * sklearn.metrics.log_loss(
        y["kind"], found["kind"]["probabilities"], labels=[0, 1, 2]
    )
    assert float(alone) == pytest.approx(expected, rel=1e-4)


def test_an_absent_field_has_no_say():
    model = build(FIELDS, fusion=None)
    x, _, _ = batch(model)
    without = model.fields.without(x, ["photo"])
    noise = np.random.default_rng(0).normal(size=x["photo_pixels"].shape).astype("float32")
    expected = outputs(model, without)
    for name, value in outputs(model, without | {"photo_pixels": noise}).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5)
    assert np.abs(expected["kind/logits"] - outputs(model, x)["kind/logits"]).max() > 1e-4


def test_modality_dropout_hides_fields_in_training_alone():
    model = build(modality_dropout=0.5)
    x, _, _ = batch(model)
    x = {name: np.repeat(value[:1], 64, axis=0) for name, value in x.items()}
    known = {
        absent: outputs(model, model.fields.without(x, absent))["kind/logits"][0]
        for absent in ((), ("name",), ("story",))
    }
    seen = {
        min(known, key=lambda absent: np.abs(known[absent] - logits).max())
        for logits in np.array(model(x, training=True)["kind"]["logits"])
    }
    assert seen == set(known)
    np.testing.assert_allclose(
        outputs(model, x)["kind/logits"], np.repeat(known[()][None], 64, axis=0), atol=1e-5
    )


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(policy, tmp_path):
    keras.config.set_dtype_policy(policy)
    model = compiled(keras.optimizers.Adam(0.01), build({"name": Audio.tiny()}))
    history = model.fit(data(model).repeat(3), shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    x, _, _ = batch(model)
    assert {value.dtype for value in outputs(model, x).values()} == {np.dtype("float32")}
    path = tmp_path / "model.keras"
    model.save(path)
    keras.config.set_dtype_policy("float32")
    assert_same_outputs(model, keras.saving.load_model(path))
    assert keras.config.dtype_policy().name == "float32"


def test_gradient_accumulation_is_a_larger_batch():
    whole, halves = compiled(), build()
    halves.set_weights(whole.get_weights())
    compiled(keras.optimizers.SGD(0.01, gradient_accumulation_steps=2), halves)
    x, y, _ = batch(whole)
    samples = tf.data.Dataset.from_tensor_slices((x, y))
    whole.fit(samples.batch(4), shuffle=False, verbose=0)
    halves.fit(samples.batch(2), shuffle=False, verbose=0)
    for actual, expected in zip(halves.get_weights(), whole.get_weights()):
        np.testing.assert_allclose(actual, expected, atol=1e-6)


@pytest.mark.parametrize("train", ["fit", "train_on_batch"])
def test_a_step_is_traced_once(train):
    traced = []

    class Told(MultimodalModel):
        def train_step(self, data):
            traced.append(data)
            return super().train_step(data)

    plain = build()
    model = compiled(keras.optimizers.Adam(0.01), Told.from_config(plain.get_config()))
    if train == "fit":
        model.fit(data(model), shuffle=False, verbose=0)
    else:
        model.train_on_batch(*batch(model))
    assert len(traced) == 1


def test_what_is_thawed_after_a_fit_without_weights_to_train_learns():
    model = build()
    model.trainable = False
    compiled(keras.optimizers.Adam(0.01), model)
    with pytest.warns(UserWarning, match="does not have any trainable weights"):
        model.fit(data(model), shuffle=False, verbose=0)
    before = model.get_weights()
    model.trainable, model.train_function = True, None
    model.fit(data(model), shuffle=False, verbose=0)
    assert any((old != new).any() for old, new in zip(before, model.get_weights()))


@pytest.mark.parametrize("options", [{"jit_compile": True}, {"steps_per_execution": 2}])
def test_compile_options_change_nothing_but_speed(options):
    plain, other = compiled(jit_compile=False), build()
    other.set_weights(plain.get_weights())
    compiled(model=other, **options)
    for model in (plain, other):
        model.fit(data(model, size=8), shuffle=False, verbose=0)
        assert int(model.optimizer.iterations) == 2
    for actual, expected in zip(other.get_weights(), plain.get_weights()):
        np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_callbacks(tmp_path):
    model = compiled(keras.optimizers.Adam(0.01))
    best = tmp_path / "best.keras"
    history = model.fit(
        data(model),
        validation_data=data(model),
        epochs=4,
        shuffle=False,
        verbose=0,
        callbacks=[
            keras.callbacks.BackupAndRestore(tmp_path / "backup"),
            keras.callbacks.ModelCheckpoint(best, monitor="val_kind_accuracy", mode="max"),
            keras.callbacks.EarlyStopping("val_price_mae", mode="min", min_delta=1e6, patience=1),
            keras.callbacks.TensorBoard(tmp_path / "board", write_graph=False),
        ],
    )
    assert len(history.history["loss"]) == 2
    assert_same_outputs(model, keras.saving.load_model(best))
    assert list((tmp_path / "board" / "train").iterdir())


def test_training_goes_on_where_it_was_cut_off(tmp_path):
    class PowerCut(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    whole = compiled(keras.optimizers.Adam(0.01))
    start = whole.get_weights()
    whole.fit(data(whole), epochs=2, shuffle=False, verbose=0)
    cut = build()
    cut.set_weights(start)
    compiled(keras.optimizers.Adam(0.01), cut)
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(KeyboardInterrupt):
        cut.fit(data(cut), epochs=2, shuffle=False, verbose=0, callbacks=[backup, PowerCut()])
    again = compiled(keras.optimizers.Adam(0.01))
    again.fit(data(again), epochs=2, shuffle=False, verbose=0, callbacks=[backup])
    assert_same_outputs(whole, again)


def test_keras_file_keeps_everything(tmp_path):
    model = compiled(
        keras.optimizers.Adam(0.01),
        build(FIELDS, modality_dropout=0.2, name="bimodal"),
    )
    model.encoders["photo"].trainable = False
    model.fit(data(model), shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, MultimodalModel)
    assert (loaded.name, dict(loaded.fields), loaded.tasks) == (
        "bimodal",
        dict(model.fields),
        model.tasks,
    )
    assert (loaded.modality_dropout, loaded.loss_weights) == (0.2, WEIGHTS)
    assert not loaded.encoders["photo"].trainable
    assert len(loaded.trainable_weights) == len(model.trainable_weights)
    assert int(loaded.optimizer.iterations) == 1
    assert_same_outputs(model, loaded)
    assert loaded.evaluate(data(loaded), verbose=0) == pytest.approx(
        model.evaluate(data(model), verbose=0), rel=1e-5
    )


def test_weights_file(tmp_path):
    model, other = build(), build()
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    assert_same_outputs(model, other)


def test_configuration_is_json_and_builds_a_twin():
    model = build(
        fusion=None, encoders={"name": TextTransformer(18, 12, Size(8, 1, 2, 16).stack())}
    )
    twin = MultimodalModel.from_config(json.loads(json.dumps(model.get_config())))
    twin.set_weights(model.get_weights())
    assert_same_outputs(model, twin)


def test_weights_do_not_depend_on_the_order_of_fields():
    model = build(fusion=Concat.of_size("tiny"))
    reverse = {field: TEXTS[field] for field in reversed(TEXTS)}
    other = build(
        reverse,
        fusion=Concat(SIZES["tiny"].stack(name="stack"), name=model.fusion.name),
        encoders={"story": shallow()},
    )
    for weight, twin in zip(
        *(sorted(m.weights, key=lambda w: w.path) for m in (model, other)), strict=True
    ):
        assert weight.path == twin.path
        twin.assign(weight)
    assert_same_outputs(model, other)


def test_one_sample_is_a_batch():
    model = compiled()
    shown = model.fit(data(model, 1), shuffle=False, verbose=0).history
    assert np.isfinite([values[-1] for values in shown.values()]).all()
    assert outputs(model, batch(model, 1)[0])["kind/logits"].shape == (1, 3)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"fields": {}}, "at least one field"),
        ({"fields": {"my photo": Image.tiny()}}, "'my photo'"),
        ({"tasks": {}}, "at least one task"),
        ({"tasks": {"1st": Regression()}}, "'1st'"),
        ({"encoders": {"picture": None}}, r"encoders names \['picture'\].*\['name', 'photo'\]"),
        ({"loss_weights": "equal"}, r"loss_weights must be.*'learned'; got 'equal'"),
        ({"loss_weights": {"prize": 1.0}}, r"loss_weights names \['prize'\].*\['price'\]"),
        ({"size": "huge"}, "'huge'"),
        (
            {"encoders": {"photo": TextTransformer(18, 12, Size(8, 1, 2, 16).stack())}},
            r"TextTransformer reads \['token_ids'\], but Image makes",
        ),
    ],
)
def test_errors_name_what_is_wrong(options, says):
    options = {"fields": FIELDS, "tasks": {"price": Regression()}, "size": "tiny"} | options
    with pytest.raises(ValueError, match=says):
        MultimodalModel(**options)


@pytest.fixture(scope="module")
def model():
    return build(FIELDS)


class TestAnswer:
    def test_of_one_sample_and_of_several(self, model, tmp_path):
        picture = np.full((20, 10, 3), 200, "uint8")
        path = tmp_path / "cat.png"
        path.write_bytes(Image.tiny().encode(picture))
        samples = [
            {"name": "a cat", "photo": str(path)},
            {"name": "a cat", "photo": path.read_bytes()},
            {"name": "a cat", "photo": picture},
            {"name": "a cat"},
            {"name": "a cat", "photo": None},
            {"photo": picture},
            {},
        ]
        answers = model.answer(samples, batch_size=3)
        kinds = [answer["kind"]["probabilities"] for answer in answers]
        for kind, answer in zip(kinds, answers):
            assert list(kind) == CLASSES
            assert sum(kind.values()) == pytest.approx(1.0, abs=1e-5)
            assert answer["kind"]["label"] == max(kind, key=kind.get)
            assert isinstance(answer["price"]["value"], float)
        for same in kinds[1:3]:
            assert same == pytest.approx(kinds[0], abs=1e-6)
        assert kinds[3] == pytest.approx(kinds[4], abs=1e-6)
        assert kinds[0] != pytest.approx(kinds[3], abs=1e-4)
        for sample, kind in zip(samples, kinds):
            alone = model.answer(sample)["kind"]["probabilities"]
            assert alone == pytest.approx(kind, abs=1e-5)

    def test_of_nothing(self, model):
        assert model.answer([]) == []

    def test_names_an_unknown_field(self, model):
        with pytest.raises(ValueError, match=r"sample 2 .*\['picture'\].*\['name', 'photo'\]"):
            model.answer([{"name": "a"}, {"picture": "b.png"}])

    @pytest.mark.parametrize(
        ("value", "says"),
        [
            ("there/is/no.png", "there/is/no.png"),
            (b"no picture", "photo"),
            (np.zeros((2, 2, 7)), "photo"),
            ({"a": "dict"}, "photo"),
        ],
    )
    def test_names_the_sample_and_the_field_of_a_bad_value(self, model, value, says):
        with pytest.raises((ValueError, TypeError), match=says) as caught:
            model.answer([{"name": "good"}, {"name": "bad", "photo": value}])
        assert "photo" in str(caught.value)
        assert "2" in str(caught.value)

    def test_decode_is_what_answer_does_with_outputs(self, model):
        x = model.fields.preprocess_batch({"name": tf.constant(["a cat", "a dog"])})
        decoded = model.decode(model.predict_on_batch(x))
        answers = model.answer([{"name": "a cat"}, {"name": "a dog"}])
        for actual, expected in zip(decoded, answers):
            assert actual["price"]["value"] == pytest.approx(expected["price"]["value"], abs=1e-4)


def test_several_replicas_learn_as_one():
    """Two logical devices, which only a fresh process can make."""
    code = """
import keras, numpy as np, tensorflow as tf
from mmkeras.modalities import Text
from mmkeras.model import MultimodalModel
from mmkeras.tasks import Classification

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
text, task = Text.tiny(), Classification(["a", "b"], dropout=0.0)

def build():
    model = MultimodalModel({"t": text}, {"y": task}, size="tiny", dropout=0.0)
    model.compile(keras.optimizers.SGD(0.1))
    return model

one = build()
with two.scope():
    many = build()
    many.set_weights(one.get_weights())
x = {"t_" + k: v for k, v in text.preprocess_batch(tf.constant(text.samples()[:4])).items()}
y = {"y": tf.constant([0, 1, 1, 0])}
losses = [
    model.fit(tf.data.Dataset.from_tensor_slices((x, y)).batch(4), shuffle=False, verbose=0)
    .history["loss"][0]
    for model in (one, many)
]
worst = max(np.abs(a - b).max() for a, b in zip(one.get_weights(), many.get_weights()))
print("RESULT", *losses, worst)
"""
    shown = subprocess.check_output([sys.executable, "-c", code], text=True)
    one, many, worst = map(float, shown.split("RESULT")[1].split())
    assert many == pytest.approx(one, rel=1e-4)
    assert worst < 1e-5


def test_a_task_may_answer_otherwise_with_the_same_weights(tmp_path):
    task = SpeechRecognition(CharacterTokenizer(("<pad>", "<unk>", " ", "a", "b")), max_tokens=4)
    model = MultimodalModel({"speech": Audio.tiny()}, {"text": task}, size="tiny")
    sound = np.random.default_rng(0).uniform(-1, 1, 4_000)
    model.answer({"speech": sound})
    language = task.language_model(["ab"] * 9, order=3)
    model.set_task("text", beams=CTCBeams(4, language_model=language, lm_weight=50.0))
    assert model.answer({"speech": sound})["text"]["text"] == "ab"
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.tasks == model.tasks
    assert again.answer({"speech": sound}) == model.answer({"speech": sound})

    with pytest.raises(ValueError, match=r"no task 'txt'; it has \['text'\]"):
        model.set_task("txt", beams=None)
    with pytest.raises(ValueError, match=r"no \['beam'\]; it has .*'beams'"):
        model.set_task("text", beam=None)
    other = CharacterTokenizer(("<pad>", "<unk>", " ", "b", "a"))
    for tokenizer in (other, ByteTokenizer()):
        with pytest.raises(
            ValueError, match=r"cannot change its tokenizer to .*(\.\.\.|\(\)): its"
        ):
            model.set_task("text", tokenizer=tokenizer, beams=None)
    with pytest.raises(ValueError, match="cannot change its field to 'sound'"):
        model.set_task("text", field="sound")
    with pytest.raises(ValueError, match=r"other \['dropout'\], the head .* made anew"):
        model.set_task("text", dropout=0.5)
    model.set_task("text", tokenizer=task.tokenizer, field="speech", max_tokens=4)
    assert model.tasks == again.tasks
