"""`TokenClassification`: labels to tags and back, errors that name what is wrong, exports."""

import functools
import json
import re

import keras
import numpy as np
import pytest
import seqeval.metrics
import seqeval.scheme
import tensorflow as tf
from hypothesis import given, settings, strategies

import mmkeras as mm
from mmkeras import answers
from mmkeras.diagnosis import reason_of
from mmkeras.fusions import Late
from mmkeras.layers import TagScheme
from mmkeras.modalities import Text
from mmkeras.sources import Table
from mmkeras.tasks import TokenClassification
from mmkeras.tokenizers import ByteBPE, WordPiece

TYPES = ("PER", "LOC")
WORDS = ("anna", "Zoë", "went", "to", "München", "猫", "in", "x")
TEXTS = {
    "wordpiece": Text(WordPiece.learn(WORDS, vocabulary_size=60), max_length=40),
    "bytes": Text(ByteBPE.learn(WORDS, vocabulary_size=270), max_length=60),
}


def origins(texts, modality=TEXTS["wordpiece"]):
    return cut(tuple(texts), modality)


@functools.cache
def cut(texts, modality):
    made = modality.preprocess_batch(tf.constant(texts, tf.string), origins=True)
    return {"text": {name: made[name] for name in modality.origins()}}


def target(task, label, text, modality=TEXTS["wordpiece"]):
    one = {"text": {name: value[0] for name, value in origins([text], modality)["text"].items()}}
    return task.target(tf.constant(task.encode(label)), one)


def sure(task, targets, size=40.0):
    """Outputs of a network that is sure of these tags."""
    logits = size * np.array(keras.ops.one_hot(np.maximum(targets, 0), task.tagging.size))
    outputs = {"logits": tf.constant(logits)}
    if task.crf:
        shape = (len(targets), task.tagging.size + 2, task.tagging.size)
        outputs["chain"] = tf.zeros(shape)
    return outputs


def entities(task, outputs, at):
    """Of each text, as a person reads them."""
    return [each["ner"]["entities"] for each in answers.decode({"ner": task}, {"ner": outputs}, at)]


@strategies.composite
def sentences(draw):
    """Words, and spans of words that do not overlap."""
    words = draw(strategies.lists(strategies.sampled_from(WORDS), min_size=1, max_size=8))
    spans, at = [], 0
    while at < len(words):
        length = draw(strategies.integers(0, 3))
        end = min(at + length, len(words))
        if end > at:
            spans.append((at, end, draw(strategies.sampled_from(TYPES))))
        at = max(end, at + 1) + draw(strategies.integers(0, 1))
    return words, spans


@pytest.mark.parametrize("modality", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("scheme", ["BIO", "BILOU"])
@settings(max_examples=15)
@given(sentence=sentences())
def test_labels_become_tags_of_words_and_come_back_as_spans(modality, scheme, sentence):
    words, spans = sentence
    text = " ".join(words)
    task = TokenClassification(TYPES, scheme=scheme, crf=False)
    starts = [len(" ".join([*words[:i], ""])) for i in range(len(words))]
    written = [(starts[b], starts[e - 1] + len(words[e - 1]), t) for b, e, t in spans]
    bio = TagScheme(TYPES)
    tags = [bio.tags[i] for i in bio.encode(spans, len(words))]
    made = target(task, tags, text, modality)
    np.testing.assert_array_equal(made, target(task, written, text, modality))
    # One tag for each word, at its first token.
    expected = task.tagging.encode(spans, len(words))
    assert made.numpy()[made.numpy() >= 0].tolist() == expected
    (found,) = entities(task, sure(task, made[None].numpy()), origins([text], modality))
    assert [(e["start"], e["end"], e["type"]) for e in found] == written
    assert [e["text"] for e in found] == [text[s:e] for s, e, _ in written]
    assert all(e["score"] == pytest.approx(1.0) for e in found)


def test_labels_of_several_kinds_mean_the_same():
    task = TokenClassification(TYPES)
    assert task.encode(None) == task.encode("") == b""
    assert task.encode([]) == task.encode("[]") == b" "
    spans = [{"start": 0, "end": 4, "type": "PER", "text": "anna"}]
    for label in (spans, json.dumps(spans), [(0, 4, "PER")], "0:4:PER", b"0:4:PER"):
        assert task.encode(label) == b"0:4:PER"
    for label in (["B-PER", "O"], "B-PER O", json.dumps(["B-PER", "O"])):
        assert task.encode(label) == b"B-PER O"
    for wrong in ([(0, 4)], [{"start": 1}], 3, "[not json", [None]):
        with pytest.raises(TypeError, match=r"label|span"):
            task.encode(wrong)


def test_punctuation_is_a_word_of_its_own():
    task = TokenClassification(TYPES)
    text = "(Zoë), in München!"
    made = target(task, [(1, 4, "PER"), (10, 17, "LOC")], text)
    tags = [task.tagging.tags[i] for i in made.numpy() if i >= 0]
    assert tags == ["O", "B-PER", "O", "O", "O", "B-LOC", "O"]
    # What an entity covers in part belongs to it.
    assert np.array_equal(made, target(task, [(2, 4, "PER"), (10, 12, "LOC")], text))
    # An I that continues nothing begins an entity.
    same = [target(task, tags, "anna in x") for tags in ("I-PER I-LOC O", "B-PER B-LOC O")]
    np.testing.assert_array_equal(*same)


@pytest.mark.parametrize(
    ("label", "says"),
    [
        ("B-PER O", "2 tags, and the text 3 words"),
        ("B-PER O B-DOG", "B-DOG.*types are PER, LOC"),
        ("0:4:DOG", "unknown type.*0:4:DOG.*PER, LOC"),
        ("0:4:PER O O", "mixes spans with something else"),
        ("0:4:PER 3:6:LOC", "spans overlap"),
        ("5:5:PER", "empty span"),
        ("5:90:PER", "leaves the text of 9 characters"),
    ],
)
def test_what_is_wrong_with_a_label_is_told_with_its_place(label, says):
    fields, tasks = {"text": TEXTS["wordpiece"]}, {"ner": TokenClassification(TYPES)}
    table = Table([{"text": "anna", "ner": "O"}, {"text": "anna in x", "ner": label}])
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        list(mm.pipeline(table, fields, tasks))
    reason = reason_of(caught.value)
    assert "sample 2" in reason
    assert "ner" in reason
    assert re.search(says, reason), reason


def test_texts_without_a_label_count_for_nothing_and_those_without_entities_do():
    fields, tasks = {"text": TEXTS["wordpiece"]}, {"ner": TokenClassification(TYPES)}
    rows = [{"text": "anna", "ner": None}, {"text": "in x", "ner": []}, {"text": None, "ner": []}]
    _, targets, weights = next(iter(mm.pipeline(Table(rows), fields, tasks)))
    # Nothing is known of a text that is absent.
    assert weights["ner"].numpy().tolist() == [0, 1, 0]
    assert [row[row >= 0].tolist() for row in targets["ner"].numpy()] == [[0], [0, 0], []]


@pytest.mark.parametrize("crf", [True, False])
@pytest.mark.parametrize("scheme", ["BIO", "BILOU"])
def test_whatever_the_network_says_answers_are_legal(scheme, crf):
    task = TokenClassification(TYPES, scheme=scheme, crf=crf)
    texts = ["anna went to München in x", "", "x"]
    random = np.random.default_rng(0)
    outputs = {"logits": tf.constant(random.normal(size=(3, 40, task.tagging.size)) * 3, "float32")}
    if crf:
        chain = random.normal(size=(1, task.tagging.size + 2, task.tagging.size)).repeat(3, 0)
        outputs["chain"] = tf.constant(chain, "float32")
    mask = origins(texts)["text"]["words"].numpy() >= 0
    tags = np.array(task.tags(outputs, mask))
    for row in range(3):
        kept = tags[row][mask[row]].tolist()
        assert task.tagging.encode(task.tagging.decode(kept), len(kept)) == kept
    found = entities(task, outputs, origins(texts))
    for text, each in zip(texts, found):
        borders = [n for e in each for n in (e["start"], e["end"])]
        assert borders == sorted(borders)
        assert all(0 < e["score"] <= 1 and e["text"] in text for e in each)


def test_loss_without_a_crf_is_the_mean_cross_entropy_of_words():
    task = TokenClassification(TYPES, crf=False)
    random = np.random.default_rng(0)
    logits = random.normal(size=(2, 4, 5)).astype("float32")
    tags = np.array([[1, -1, 2, 0, -1], [-1] * 5])  # one longer than the batch
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected = [-(log_p[0, 0, 1] + log_p[0, 2, 2] + log_p[0, 3, 0]) / 3, 0]
    np.testing.assert_allclose(task.loss(tags, {"logits": logits}), expected, atol=1e-5)


@pytest.fixture(scope="module")
def trained():
    """A model that has learned who goes where, and its table."""
    keras.utils.set_random_seed(0)
    lines = [
        f"{who} went to {where}!" for who in ("anna", "Zoë", "tom") for where in ("München", "x")
    ]
    rows = []
    for line in lines:
        who, _, _, where = line[:-1].split()
        at = line.index(where, len(who))
        rows.append({"text": line, "ner": [(0, len(who), "PER"), (at, at + len(where), "LOC")]})
    table = Table(rows)
    text = Text.adapt(table, "text", vocabulary_size=60, max_length=24, token_dropout=0.0)
    model = mm.MultimodalModel(
        {"text": text}, {"ner": TokenClassification(TYPES)}, size="tiny", fusion=Late(16)
    )
    model.compile(optimizer=keras.optimizers.Adam(0.02))
    data = model.pipeline(table, batch_size=6, shuffle=True, cache=True)
    model.fit(data, epochs=40, shuffle=False, verbose=0)
    return model, table


def test_f1_in_fit_is_seqevals_of_the_answers(trained):
    model, table = trained
    score = model.evaluate(model.pipeline(table, batch_size=4), verbose=0, return_dict=True)
    true, predicted = [], []
    given = model.answer([{"text": text} for text in table["text"]])
    for text, spans, answer in zip(table["text"], table["ner"], given):
        words = text.replace("!", " !").split()
        starts = [text.index(word) for word in words]
        found = [(entity["start"], entity["type"]) for entity in answer["ner"]["entities"]]
        spans = [(start, type_) for start, _, type_ in spans]
        for label, into in ((spans, true), (found, predicted)):
            tags = ["O"] * len(words)
            for start, type_ in label:
                tags[starts.index(start)] = f"B-{type_}"
            into.append(tags)
    expected = seqeval.metrics.f1_score(true, predicted, mode="strict", scheme=seqeval.scheme.IOB2)
    assert score["ner_f1"] == pytest.approx(expected, abs=1e-6)
    assert score["ner_f1"] > 0.9
    report = model.measures["ner_f1"].report()
    assert report["types"]["PER"]["support"] == len(table)


def test_answers_point_into_the_text(trained):
    model, _ = trained
    answer = model.answer({"text": "  Zoë went to München!"})["ner"]["entities"]
    assert [(e["text"], e["start"], e["end"], e["type"]) for e in answer] == [
        ("Zoë", 2, 5, "PER"),
        ("München", 14, 21, "LOC"),
    ]
    assert model.answer({"text": ""})["ner"]["entities"] == []
    with pytest.raises(ValueError, match=r"task 'ner' points into .*origins"):
        model.decode(model.predict_on_batch({"text_token_ids": np.ones((1, 4), "int32")}))


def test_exported_models_answer_the_same(trained, tmp_path):
    """In fresh processes of plain TensorFlow and of LiteRT: `saved_model` and `litert` compare."""
    model, table = trained
    samples = [{"text": text} for text in [*table["text"][:2], "Zoë", "x " * 40]]
    path = tmp_path / "ner" / "1"
    done = mm.export.saved_model(model, path, samples=samples)
    assert done.signatures == ("serving_default", "tensors")
    loaded = tf.saved_model.load(str(path)).signatures["serving_default"]
    answer = loaded(text=tf.constant(["anna went to München!"]))
    spans = list(zip(*(answer[f"ner_{name}"][0].numpy().tolist() for name in ("start", "end"))))
    assert spans == [(0, 4), (13, 20)]
    assert answer["ner_text"][0].numpy().tolist() == [b"anna", "München".encode()]
    assert answer["ner_type"][0].numpy().tolist() == [b"PER", b"LOC"]
    mm.export.litert(model, tmp_path / "ner.tflite", samples=samples)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="string 'PER'"):
        TokenClassification("PER")
    with pytest.raises(ValueError, match="scheme"):
        TokenClassification(TYPES, scheme="IOB9")
