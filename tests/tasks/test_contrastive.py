"""`Contrastive` against NumPy and PyTorch, and on several devices against one."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import mmkeras as mm
from mmkeras.evaluation import evaluate_scores
from mmkeras.fusions import Concat
from mmkeras.sources import Table
from mmkeras.tasks import Contrastive
from mmkeras.testing.round_trip import round_trip
from mmkeras.tokenizers import WordPiece

RNG = np.random.default_rng(0)
TASK = Contrastive(("a", "b", "c"), dim=4)


def outputs(size=6, scale=5.0, bias=-1.0, fields="abc"):
    made = {field: RNG.normal(size=(size, 4)).astype("float32") for field in fields}
    made = {field: v / np.linalg.norm(v, axis=1, keepdims=True) for field, v in made.items()}
    return made | {"scale": np.full(size, scale, "f"), "bias": np.full(size, bias, "f")}


def different(size=6, fields=3):
    return np.arange(size * fields).reshape(size, fields)


def by_hand(task, target, made):
    """Pair by pair, in float64."""
    size, losses = len(target), []
    for row in range(size):
        terms = []
        for i, one in enumerate(task.fields):
            for j, other in enumerate(task.fields):
                if i == j or not made[one][row].any() or not made[other][row].any():
                    continue
                logits = [
                    made["scale"][0] * np.dot(made[one][row], made[other][k].astype("float64"))
                    + made["bias"][0]
                    for k in range(size)
                ]
                others = [
                    logits[k]
                    for k in range(size)
                    if made[other][k].any()
                    and target[k, i] != target[row, i]
                    and target[k, j] != target[row, j]
                ]
                if task.loss_name == "info_nce":
                    total = np.exp(logits[row]) + np.sum(np.exp(others))
                    terms.append(-np.log(np.exp(logits[row]) / total))
                else:
                    terms.append(np.log1p(np.exp(-logits[row])) + np.log1p(np.exp(others)).sum())
        losses.append(np.mean(terms) if terms else 0.0)
    return losses


@pytest.mark.parametrize("loss_name", ["info_nce", "sigmoid"])
def test_losses_with_absent_fields_and_equal_contents(loss_name):
    task = Contrastive(("a", "b", "c"), dim=4, loss_name=loss_name)
    made, target = outputs(), different()
    made["a"][2] = made["b"][3] = made["a"][4] = made["b"][4] = 0.0
    target[5, 1] = target[0, 1]
    np.testing.assert_allclose(task.loss(target, made), by_hand(task, target, made), rtol=1e-5)
    assert float(task.loss(target, made)[4]) == 0.0


@pytest.mark.parametrize("loss_name", ["info_nce", "sigmoid"])
def test_losses_and_gradients_are_pytorchs(loss_name):
    torch = pytest.importorskip("torch")
    task = Contrastive(("a", "b"), dim=4, loss_name=loss_name)
    made = outputs(fields="ab")
    given = {name: torch.tensor(value, requires_grad=True) for name, value in made.items()}
    logits = given["scale"][0] * given["a"] @ given["b"].T + given["bias"][0]
    if loss_name == "info_nce":
        right = torch.arange(6)
        cross_entropy = torch.nn.functional.cross_entropy
        expected = (cross_entropy(logits, right) + cross_entropy(logits.T, right)) / 2
    else:
        signs = 2 * torch.eye(6) - 1
        expected = -torch.nn.functional.logsigmoid(signs * logits).sum() / 6
    expected.backward()
    mine = {name: tf.constant(value) for name, value in made.items()}
    with tf.GradientTape() as tape:
        tape.watch(mine)
        loss = tf.reduce_mean(task.loss(different(fields=2), mine))
    gradients = tape.gradient(loss, mine)
    assert float(loss) == pytest.approx(float(expected.detach()), rel=1e-5)
    for field in "ab":
        np.testing.assert_allclose(gradients[field], given[field].grad.numpy(), atol=1e-5)
    scale = given["scale"].grad.numpy().sum()
    np.testing.assert_allclose(tf.reduce_sum(gradients["scale"]), scale, rtol=1e-4)


def test_a_batch_of_one_teaches_nothing():
    made = outputs(size=1)
    assert float(TASK.loss(different(1), made)[0]) == pytest.approx(0.0, abs=1e-6)


def test_accuracy_counts_partners_that_are_nearest():
    metric = TASK.metrics()[""][0]
    made, target = outputs(), different()
    metric.update_state(target, made)
    right = [
        made[one][row] @ made[other][row] > np.delete(made[other] @ made[one][row], row).max()
        for one in "abc"
        for other in "abc"
        if one != other
        for row in range(6)
    ]
    assert float(metric.result()) == pytest.approx(np.mean(right))


def tables():
    """Bright and dark pictures of two tints, and what they are called."""
    words = ["light red", "light blue", "dark red", "dark blue"]
    colours = np.array([(255, 130, 130), (130, 130, 255), (100, 0, 0), (0, 0, 100)])

    def rows(count, seed):
        draw = np.random.default_rng(seed)
        for number in range(count):
            noise = draw.integers(-40, 40, (8, 8, 3))
            photo = np.clip(colours[number % 4] + noise, 0, 255).astype("uint8")
            yield {"photo": photo, "caption": words[number % 4]}

    return Table(list(rows(48, 0))), Table(list(rows(8, 1)))


@pytest.fixture(scope="module")
def learned():
    keras.utils.set_random_seed(0)
    train, test = tables()
    words = WordPiece.learn(["light dark red blue"] * 9, vocabulary_size=60)
    model = mm.MultimodalModel(
        {"photo": mm.Image(size=32), "caption": mm.Text(words, max_length=4, token_dropout=0.0)},
        {"space": Contrastive(("photo", "caption"), dim=8)},
        size="tiny",
        dropout=0.0,
    )
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(
        model.pipeline(train, batch_size=16, shuffle=True), epochs=15, shuffle=False, verbose=0
    )
    return model, test


def test_new_pictures_are_found_by_their_captions_and_these_by_pictures(learned, tmp_path):
    model, test = learned
    scores = evaluate_scores(model, test)["space"]
    assert scores["photo_to_caption_recall_at_1"] == scores["caption_to_photo_recall_at_1"] == 1.0
    path = tmp_path / "model.keras"
    model.save(path)
    sample = {"caption": "dark red"}
    again = keras.saving.load_model(path).answer(sample)["space"]
    caption = model.answer(sample)["space"]["caption"]
    np.testing.assert_allclose(again["caption"], caption, atol=1e-6)
    assert mm.export.saved_model(model, tmp_path / "space" / "1").max_difference < 1e-5
    assert mm.export.litert(model, tmp_path / "space.tflite").max_difference < 1e-4


def test_what_tells_nothing_apart_finds_nothing():
    task, same = Contrastive(("a", "b"), dim=2), [1.0, 0.0]
    answers = [{"a": same, "b": [np.cos(i), np.sin(i)]} for i in range(8)]
    scores = task.scores(answers, list(different(8, 2)))
    assert scores["a_to_b_recall_at_1"] == 1 / 8 and scores["b_to_a_recall_at_1"] == 0.0
    # But where all hold the same, any is right.
    contents = different(8, 2)
    contents[:, 0] = 5
    assert task.scores(answers, list(contents))["b_to_a_recall_at_1"] == 1.0


def test_a_choice_of_queries_is_looked_for_among_all():
    task, made = Contrastive(("a", "b"), dim=4), outputs(12, fields="ab")
    made["b"][3] = 0.0  # This sample has no b.
    answers = [{"a": a, "b": b} for a, b in zip(made["a"], made["b"])]
    scores = task.scoring(answers, list(different(12, 2)))([0, 3, 5, 5])
    there = [i for i in range(12) if i != 3]
    ranks = {}
    for query in (0, 5):
        similar = made["a"][query] @ made["b"][there].T
        ranks[query] = 1 + int((similar > similar[there.index(query)]).sum())
    found = [ranks[0], ranks[5], ranks[5]]
    assert scores["a_to_b_median_rank"] == np.median(found)
    assert scores["a_to_b_recall_at_5"] == pytest.approx(np.mean([r <= 5 for r in found]))
    assert np.isnan(task.scoring(answers, list(different(12, 2)))([3])["a_to_b_recall_at_1"])


def test_equal_contents_have_equal_targets(learned):
    model, test = learned
    ((_, targets, weights),) = model.pipeline(test, batch_size=8)
    photo, caption = targets["space"].numpy().T
    assert len(set(photo)) == 8 and caption[:4].tolist() == caption[4:].tolist()
    assert len(set(caption)) == 4 and weights["space"].numpy().all()


def test_the_sides_must_not_know_of_each_other():
    fields = {"a": mm.Text.tiny(), "b": mm.Text.tiny()}
    tasks = {"space": Contrastive(("a", "b"))}
    with pytest.raises(ValueError, match=r"compares the fields \['a', 'b'\].*Concat.*use Late"):
        mm.MultimodalModel(fields, tasks, size="tiny", fusion=Concat.of_size("tiny"))
    with pytest.raises(ValueError, match=r"compares \['b'\], but the fields are \['a'\]"):
        mm.MultimodalModel({"a": mm.Text.tiny()}, tasks, size="tiny")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fields": "photo"}, "two or more different names"),
        ({"fields": ("a",)}, "two or more"),
        ({"fields": ("a", "a")}, "two or more different"),
        ({"fields": ("a", "scale")}, "no field can be called 'scale'"),
        (
            {"loss_name": "nce"},
            r"loss_name is 'nce'.*one of \['info_nce', 'sigmoid'\]",
        ),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"dim": 0}, "dim is 0"),
        ({"pool": "sum"}, "pool must be one of"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Contrastive(**{"fields": ("a", "b")} | arguments)


def test_a_configuration_gives_the_same_task():
    assert round_trip(TASK) == TASK and hash(round_trip(TASK)) == hash(TASK)


BUILD = """
import keras, numpy as np
from mmkeras.modalities import Text
from mmkeras.model import MultimodalModel
from mmkeras.tasks import Contrastive

def build():
    text, task = Text.tiny(), Contrastive(("s", "t"), dim=8)
    model = MultimodalModel({"s": text, "t": text}, {"y": task}, size="tiny", dropout=0.0)
    model.compile(keras.optimizers.SGD(0.1))
    return model

draw = np.random.default_rng(0)
ids = draw.integers(1, Text.tiny().tokenizer.vocabulary_size, (2, 4, 6)).astype("int32")
ids[1, 2] = 0  # an absent text
x = {"s_token_ids": ids[0], "t_token_ids": ids[1]}
y = {"y": np.arange(8).reshape(4, 2).astype("int32")}
"""


def test_two_replicas_learn_as_one(in_backend, tmp_path):
    """The batch of all replicas is what each of them compares with."""
    code = """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
one = build()
with two.scope():
    many = build()
many.set_weights(one.get_weights())
before = one.get_weights()
losses = [
    model.fit(tf.data.Dataset.from_tensor_slices((x, y)).batch(4), shuffle=False, verbose=0)
    .history["loss"][0]
    for model in (one, many)
]
worst = max(np.abs(a - b).max() for a, b in zip(one.get_weights(), many.get_weights()))
moved = max(np.abs(a - b).max() for a, b in zip(one.get_weights(), before))
np.save("seen.npy", [*losses, worst, moved])
"""
    in_backend("tensorflow", BUILD + code)
    one, many, worst, moved = np.load(tmp_path / "seen.npy")
    assert many == pytest.approx(one, rel=1e-5)
    assert worst < 1e-5 < 1e-3 < moved


def test_two_devices_of_jax_learn_as_one(in_backend, tmp_path):
    code = """
import os
os.environ["XLA_FLAGS"] += " --xla_force_host_platform_device_count=2"
import jax, keras
assert len(jax.devices()) == 2
"""
    train = """
one = build()
weights = one.get_weights()
first = one.fit(x, y, batch_size=4, shuffle=False, verbose=0).history["loss"][0]
keras.distribution.set_distribution(keras.distribution.DataParallel(devices=["cpu:0", "cpu:1"]))
many = build()
many.set_weights(weights)
second = many.fit(x, y, batch_size=4, shuffle=False, verbose=0).history["loss"][0]
worst = max(np.abs(a - b).max() for a, b in zip(one.get_weights(), many.get_weights()))
np.save("seen.npy", [first, second, worst])
"""
    in_backend("jax", code + BUILD + train)
    one, many, worst = np.load(tmp_path / "seen.npy")
    assert many == pytest.approx(one, rel=1e-5)
    assert worst < 1e-5
