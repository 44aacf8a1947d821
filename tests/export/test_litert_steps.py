"""`litert_steps`: what a device writes piece by piece is what the model answers."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import mmkeras as mm
from mmkeras.decoding import Beams
from mmkeras.export.runtimes.litert_steps import Writer
from mmkeras.layers import Prefix
from mmkeras.tasks import TextGeneration
from mmkeras.tokenizers import ByteTokenizer, CharacterTokenizer

LETTERS = CharacterTokenizer(("<pad>", "<unk>", " ", *"abcdef"))
SAMPLE = {"question": "a dog", "photo": np.full((8, 8, 3), 90, "uint8")}


def made(**options):
    keras.utils.set_random_seed(2)
    given = {"tokenizer": LETTERS, "max_tokens": 10, **options}
    task = dataclasses.replace(TextGeneration.tiny(), **given)
    model = mm.MultimodalModel(
        {"question": mm.Text.tiny(), "photo": mm.Image.tiny()},
        {"answer": task, "kind": mm.Classification(["cat", "dog"])},
        size="tiny",
    )
    for weight in model.get_layer("answer").decoder.trainable_weights:  # livelier than fresh ones
        weight.assign(3 * weight)
    return model


def tensors_of(model, sample):
    raw = mm.answers.raw_values(model.fields, sample)
    tensors = model.fields.preprocess_batch({name: tf.constant(v) for name, v in raw.items()})
    return {name: tensor.numpy() for name, tensor in tensors.items()}


@pytest.fixture(scope="module")
def model():
    return made()


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    seen = mm.export.litert_steps(model, tmp_path_factory.mktemp("steps") / "texts.tflite")
    assert seen.signatures == ("encode", "step") and seen.runtime == "ai-edge-litert"
    assert seen.max_difference < 1e-4
    return seen.path


def test_texts_come_as_the_model_answers_them(model, path):
    writer, answers = Writer(path), []
    for sample in (SAMPLE, {"question": "cat"}, {"photo": SAMPLE["photo"] * 2}, {}):
        pieces = list(writer.write(tensors_of(model, sample)))
        answers.append(pieces[-1].text)
        assert answers[-1] == model.answer(sample)["answer"]["text"]
        assert all(b.text.startswith(a.text) for a, b in itertools.pairwise(pieces))
    assert any(answers)


def test_signatures_are_static_named_and_of_built_in_operations(model, path):
    interpreter = Interpreter(str(path))
    operations = {details["op_name"] for details in interpreter._get_ops_details()}
    assert not {name for name in operations if "Flex" in name or "CUSTOM" in name}
    encode, step = map(interpreter.get_signature_runner, ("encode", "step"))
    assert set(encode.get_input_details()) == set(model.fields.specs())
    takes, gives = step.get_input_details(), step.get_output_details()
    state = encode.get_output_details()
    assert set(takes) == {"token_ids", *state}
    for name, details in state.items():
        assert list(takes[name]["shape"]) == list(details["shape"])
        assert takes[name]["dtype"] == details["dtype"]
    # What the decoder looks at stays, and is not copied.
    assert set(gives) == {"logits"} | {n for n in state if "source" not in n}
    assert list(takes["cache_0_tokens_key"]["shape"]) == [1, 11, 2, 8]
    assert list(gives["logits"]["shape"]) == [1, model.tasks["answer"].num_classes]


def test_the_caller_chooses(model, path):
    writer, tensors = Writer(path), tensors_of(model, SAMPLE)
    end, asked = writer.facts["end"], []

    def second(logits):
        asked.append(logits)
        return int(np.argsort(logits)[-2])

    pieces = list(writer.write(tensors, second))
    ids = [piece.token_id for piece in pieces]
    # The model's own probabilities of these pieces, given all at once.
    given = tf.constant([ids + [0] * (11 - len(ids))], "int32")
    inputs = {name: tf.constant(v) for name, v in tensors.items()}
    nll = model(inputs | {"answer_given_token_ids": given})["answer"]["nll"][0]
    for place, (logits, token) in enumerate(zip(asked, ids, strict=True)):
        assert logits[0] == logits[1] == np.finfo("float32").min  # neither padding nor the unknown
        head = model.get_layer("answer")
        source = head.source(model.fused(inputs))
        whole = head.decoder(tf.constant([[end, *ids[:place]]]), *source)[0, -1]
        np.testing.assert_allclose(logits[2:], whole[2:], atol=1e-4)
        everything = np.logaddexp.reduce(np.array(whole[1:], "float64"))
        assert everything - float(whole[token]) == pytest.approx(float(nll[place]), abs=1e-3)
    few = list(itertools.islice(writer.write(tensors, second), 2))
    assert few == pieces[:2]


def test_what_steers_the_task_is_part_of_the_step(tmp_path):
    model = made()
    plain = model.answer(SAMPLE)["answer"]["text"]
    assert len(plain) > 4
    model.set_task("answer", search=Beams(2), repetition_penalty=3.0, stop=("ff", plain[1:3]))
    path = mm.export.litert_steps(model, tmp_path / "texts.tflite", "answer", SAMPLE).path
    model.set_task("answer", search=mm.decoding.Greedy())
    *_, last = Writer(path).write(tensors_of(model, SAMPLE))
    assert last.text == model.answer(SAMPLE)["answer"]["text"]


def test_a_language_model_goes_on_behind_its_prefix(tmp_path):
    model = made(decoder=Prefix())
    path = mm.export.litert_steps(model, tmp_path / "texts.tflite").path
    *_, last = Writer(path).write(tensors_of(model, SAMPLE))
    assert last.text == model.answer(SAMPLE)["answer"]["text"] != ""


def test_half_characters_are_held_back(tmp_path):
    path = mm.export.litert_steps(made(tokenizer=ByteTokenizer()), tmp_path / "b.tflite").path
    writer = Writer(path)
    ids = [byte + writer.facts["pieces"].index("\x00") for byte in "é €!".encode()]
    choices = iter([*ids, writer.facts["end"]])
    texts = [p.text for p in writer.write(tensors_of(made(), SAMPLE), lambda _: next(choices))]
    assert texts == ["", "é", "é", "é", "é", "é €", "é €!", "é €!"]


def test_wrong_arguments(model, tmp_path):
    with pytest.raises(ValueError, match=r"path must end in \.tflite"):
        mm.export.litert_steps(model, tmp_path / "texts.bin")
    with pytest.raises(ValueError, match=r"'kind' is no task TextGeneration .* are \['answer'\]"):
        mm.export.litert_steps(model, tmp_path / "texts.tflite", "kind")
    (tmp_path / "mine.tflite").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        mm.export.litert_steps(model, tmp_path / "mine.tflite")
    assert not (tmp_path / "texts.tflite").exists()
