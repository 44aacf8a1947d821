"""Texts that come piece by piece against those that come as a whole."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import mmkeras as mm
from mmkeras.decoding import Beams, Greedy, Sampling
from mmkeras.generation import Writer
from mmkeras.tasks import TextGeneration
from mmkeras.tokenizers import CharacterTokenizer, WordPiece

LETTERS = CharacterTokenizer(("<pad>", "<unk>", " ", *"abcdef"))
ASKED = [{"question": text, "photo": photo} for text in ("a dog", "cat") for photo in (None, 0)]


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(2)
    task = dataclasses.replace(TextGeneration.tiny(), tokenizer=LETTERS, max_tokens=12)
    made = mm.MultimodalModel(
        {"question": mm.Text.tiny(), "photo": mm.Image.tiny()}, {"answer": task}, size="tiny"
    )
    # So that texts differ from sample to sample.
    decoder = made.get_layer("answer").decoder
    for weight in decoder.trainable_weights:
        weight.assign(4 * weight)
    return made


def sample(number):
    photo = ASKED[number]["photo"]
    picture = None if photo is None else np.full((9, 9, 3), 60 * number, "uint8")
    return {"question": ASKED[number]["question"], "photo": picture}


@pytest.mark.parametrize("search", [Greedy(), Sampling(temperature=2.0, seed=3)])
def test_the_last_text_is_the_answer(model, search):
    model.set_task("answer", search=search)
    writer, ends = Writer(model), []
    for number in range(4):
        texts = list(writer.write(sample(number)))
        assert all(after.startswith(before) for before, after in itertools.pairwise(texts))
        assert texts[-1] == model.answer(sample(number))["answer"]["text"]
        ends.append(texts[-1])
    assert any(ends)
    model.set_task("answer", search=Greedy())


def test_steered_texts(model):
    plain = model.answer(sample(1))["answer"]["text"]
    assert len(set(plain)) < len(plain)
    model.set_task("answer", repetition_penalty=1e6)
    steered = model.answer(sample(1))["answer"]["text"]
    assert len(set(steered)) == len(steered) and steered
    writer = Writer(model)
    assert list(writer.write(sample(1)))[-1] == steered
    middle = len(plain) // 2
    stop = plain[middle : middle + 2]
    model.set_task("answer", repetition_penalty=1.0, stop=("ffff", stop))
    assert model.answer(sample(1))["answer"]["text"] == plain[: plain.index(stop)].strip()
    writer.model.set_task("answer", stop=(stop,))
    texts = list(writer.write(sample(1)))
    assert texts[-1] == plain[: plain.index(stop)].strip()
    assert all(after.startswith(before) for before, after in itertools.pairwise(texts))
    again = mm.MultimodalModel.from_config(model.get_config())
    assert again.tasks == model.tasks
    model.set_task("answer", stop=())
    assert model.answer(sample(1))["answer"]["text"] == plain


def test_stops_are_cut_as_the_tokenizer_writes_them():
    words = WordPiece.learn(["the cat . the end"] * 3, vocabulary_size=60)
    task = TextGeneration(words, stop=("The End",))
    ids = task.target(tf.constant("the cat the end"))[None]
    outputs = {"token_ids": tf.cast(ids, tf.float32), "score": tf.zeros([1])}
    assert task.decode(outputs)["text"].numpy() == [b"the cat"]


def test_wrong_arguments(model):
    writer = Writer(model)
    model.set_task("answer", search=Beams(2))
    with pytest.raises(ValueError, match="Beams look back"):
        Writer(model)
    with pytest.raises(ValueError, match="Beams look back"):
        list(writer.write(sample(1)))
    model.set_task("answer", search=Greedy())
    with pytest.raises(
        ValueError,
        match=r"'caption' is no task TextGeneration of the model; those are \['answer'\]",
    ):
        Writer(model, "caption")
    with pytest.raises(ValueError, match="names unknown fields"):
        list(Writer(model).write({"sound": None}))
    with pytest.raises(ValueError, match=r"stop holds 'x', which the tokenizer cannot write"):
        model.set_task("answer", stop=("a", "x"))
    with pytest.raises(ValueError, match=r"stop holds '', which"):
        model.set_task("answer", stop=("",))
    with pytest.raises(ValueError, match="stop is 'ab'; it has to be a tuple"):
        model.set_task("answer", stop="ab")
    with pytest.raises(ValueError, match=r"repetition_penalty is 0.5"):
        model.set_task("answer", repetition_penalty=0.5)
