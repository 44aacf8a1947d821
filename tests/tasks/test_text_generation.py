"""`TextGeneration`: forced and free writing agree, and losses are the formula's."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

import mmkeras as mm
from mmkeras.decoding import Beams, CTCBeams, Greedy, Sampling
from mmkeras.fusions import Late
from mmkeras.layers import Attending, Prefix
from mmkeras.tasks import TextGeneration
from mmkeras.testing import check_task
from mmkeras.tokenizers import (
    ByteBPE,
    ByteTokenizer,
    CharacterTokenizer,
    HashedNgrams,
    Unigram,
    WordPiece,
)

LETTERS = CharacterTokenizer(("<pad>", "<unk>", " ", "a", "b", "c"))
TASK = TextGeneration(LETTERS, max_tokens=5, depth=1, num_heads=2, dropout=0.0)
END = 6
TEXTS = ["abc", "ca ba", ""]


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(2)
    made = mm.MultimodalModel(
        {"question": mm.Text.tiny(), "photo": mm.Image.tiny()},
        {"answer": TASK},
        size="tiny",
        fusion=Late(16),
        dropout=0.0,
    )
    for weight in made.get_layer("answer").trainable_variables:  # livelier than fresh ones
        weight.assign(weight * 3)
    return made


@pytest.fixture(scope="module")
def inputs(model):
    rng = np.random.default_rng(0)
    photos = rng.integers(0, 255, (3, 8, 8, 3), "uint8")
    rows = [{"question": "dogs", "photo": photos[0]}, {"question": "a cat"}, {"photo": photos[2]}]
    return next(
        iter(
            model.pipeline(
                mm.sources.Table([{"question": None, "photo": None} | row for row in rows]),
                labels=False,
            )
        )
    )


def told(task, texts):
    """The hints of these texts."""
    target = tf.stack([task.target(tf.constant(text)) for text in texts])
    return target, {"answer_given_token_ids": target}


def decoder_of(model, inputs):
    """From the pieces of a beginning to the logits of the next, float [3, K]."""
    tokens = model.fusion(
        {field: model.encoders[field](t) for field, t in model.fields.split(inputs).items()}
    )
    source = tf.concat([tokens[field].values for field in ("photo", "question")], axis=1)
    mask = tf.concat([tokens[field].mask for field in ("photo", "question")], axis=1)
    decoder = model.get_layer("answer").decoder
    return lambda ids: np.array(decoder(np.array([ids] * 3), source, mask))[:, -1]


def test_targets_end_and_are_cut_to_the_longest():
    target, _ = told(TASK, TEXTS)
    assert target.numpy().tolist() == [
        [3, 4, 5, END, 0, 0],
        [5, 3, 2, 4, 3, END],
        [END, 0, 0, 0, 0, 0],
    ]
    assert TASK.trim({"token_ids": target[::2]})["token_ids"].shape == (2, 4)
    # Ids of a tokenizer without padding are raised.
    bytes_ = TextGeneration(ByteTokenizer(), max_tokens=4)
    assert bytes_.num_classes == bytes_.target(tf.constant("")).numpy()[0] + 1


def test_losses_are_cross_entropies_of_what_comes_next(model, inputs):
    target, hints = told(TASK, TEXTS)
    outputs = {k: np.array(v) for k, v in model(inputs | hints)["answer"].items()}
    logits_behind = decoder_of(model, inputs)
    for row, ids in enumerate(target.numpy()):
        ids = ids[ids > 0]
        expected = []
        for t, true in enumerate(ids):
            logits = logits_behind([END, *ids[:t]])[row]
            # All classes but padding.
            expected.append(np.log(np.exp(logits[1:]).sum()) - logits[true])
        np.testing.assert_allclose(outputs["nll"][row, : len(ids)], expected, atol=1e-4)
        assert not outputs["nll"][row, len(ids) :].any()
        assert outputs["score"][row] == pytest.approx(-np.sum(expected), abs=1e-3)
    loss = np.array(TASK.loss(target, outputs))
    counts = (target.numpy() > 0).sum(axis=1)
    np.testing.assert_allclose(loss, outputs["nll"].sum(axis=1) / counts, rtol=1e-5)
    for metric in TASK.metrics()[""]:
        metric.update_state(target, outputs, sample_weight=np.array([1.0, 1.0, 0.0]))
        if metric.name == "perplexity":
            mean = outputs["nll"][:2].sum() / counts[:2].sum()
            assert float(metric.result()) == pytest.approx(np.exp(mean), rel=1e-5)
        else:
            right = (outputs["token_ids"][:2] == target[:2].numpy()) & (target[:2].numpy() > 0)
            assert float(metric.result()) == pytest.approx(right.sum() / counts[:2].sum())


def test_label_smoothing_is_kerass(model, inputs):
    target, hints = told(TASK, TEXTS)
    head = model.get_layer("answer")
    head.label_smoothing = 0.2
    try:
        losses = np.array(model(inputs | hints)["answer"]["losses"])[:, 0]
    finally:
        head.label_smoothing = 0.0
    true = np.eye(TASK.num_classes, dtype="float32")[target[:, 0], 1:]
    logits = decoder_of(model, inputs)([END])[:, 1:]
    expected = keras.losses.categorical_crossentropy(
        true, logits, from_logits=True, label_smoothing=0.2
    )
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


@pytest.mark.parametrize("search", [Greedy(), Beams(3), Sampling(0.5, top_k=3, seed=1)])
def test_what_is_written_has_the_probability_that_it_is_forced_to(model, inputs, search):
    model.set_task("answer", search=search)
    written = {k: np.array(v) for k, v in model(inputs)["answer"].items()}
    ids = written["token_ids"].astype("int32")
    assert ids.shape == (3, 6) and (np.diff((ids > 0).astype(int), axis=1) <= 0).all()
    logits_behind = decoder_of(model, inputs)
    for row, made in enumerate(ids):
        total = 0.0
        for t, piece in enumerate(made[made > 0]):
            logits = logits_behind([END, *made[:t]])[row]
            logits[:2] = -np.inf  # the padding and the unknown are no text
            total += logits[piece] - np.log(np.exp(logits).sum())
            assert search != Greedy() or piece == logits.argmax()
        assert written["score"][row] == pytest.approx(total, rel=1e-4, abs=1e-3)
    model.set_task("answer", search=Greedy())


def test_padding_and_unknown_are_never_written(model, inputs, monkeypatch):
    embedding = model.get_layer("answer").decoder.embedding
    plain, favour = embedding.logits, np.array([99, 90, 0, 0, 0, 0, 0], "float32")
    monkeypatch.setattr(embedding, "logits", lambda values: plain(values) + favour)
    for search in (Greedy(), Beams(8), Sampling(top_k=7)):
        model.set_task("answer", search=search)
        ids = np.array(model(inputs)["answer"]["token_ids"])
        assert not np.isin(ids, 1).any() and ids[:, 0].all()
    model.set_task("answer", search=Greedy())
    # In training they are as likely as the model finds.
    _, hints = told(TASK, TEXTS)
    assert np.array(model(inputs | hints)["answer"]["nll"])[0, 0] > 80


def test_the_true_text_is_no_hint_for_answers(model):
    with pytest.raises(
        ValueError, match="hint 'token_ids' of TextGeneration is made of true labels"
    ):
        model.answer({"question": "dogs"}, hints={"answer": {"token_ids": [3, END]}})


@pytest.mark.parametrize("decoder", [Attending(), Prefix()])
def test_it_learns_what_only_one_of_the_fields_tells(decoder, tmp_path):
    """Captions of pictures: bright ones are "a b", dark ones "b"; the question says nothing."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    rows = []
    for number in range(24):
        bright = number % 2
        photo = rng.integers(150 * bright, 100 + 150 * bright, (8, 8, 3)).astype("uint8")
        rows.append({"question": "dog", "photo": photo, "answer": "a b" if bright else "b"})
    table = mm.sources.Table(rows)
    task = dataclasses.replace(TASK, fields=("photo",), decoder=decoder)
    model = mm.MultimodalModel(
        {"question": mm.Text.tiny(), "photo": mm.Image.tiny()},
        {"answer": task},
        size="tiny",
        dropout=0.0,
    )
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    model.fit(model.pipeline(table, batch_size=12), epochs=25, verbose=0, shuffle=False)
    scores = mm.evaluation.evaluate_scores(model, table)["answer"]
    assert scores["exact_match"] == 1.0
    answer = model.answer({"photo": np.full((8, 8, 3), 240, "uint8")})["answer"]
    assert answer["text"] == "a b" and 0.5 < answer["score"] <= 1
    *_, last = mm.generation.Writer(model).write({"photo": np.full((8, 8, 3), 240, "uint8")})
    assert last == "a b"
    made = mm.export.saved_model(model, tmp_path / "captions" / "1")
    assert made.max_difference < 1e-4
    assert mm.export.litert(model, tmp_path / "captions.tflite").max_difference < 1e-4
    model.set_task("answer", search=Beams(3))
    assert model.answer({"photo": np.full((8, 8, 3), 240, "uint8")})["answer"]["text"] == "a b"
    again = mm.MultimodalModel.from_config(model.get_config())
    again.set_weights(model.get_weights())
    assert again.tasks == model.tasks
    assert mm.evaluation.evaluate_scores(again, table)["answer"]["exact_match"] == 1.0


def test_a_language_model_keeps_the_contract_too():
    check_task(dataclasses.replace(TextGeneration.tiny(), decoder=Prefix()))


@pytest.mark.parametrize("search", [Greedy(), Beams(3), Sampling(seed=1)])
def test_prefixed_texts_are_scored_as_they_are_written(search):
    """About nothing too, by a language model of the text alone; texts of any length before it."""
    keras.utils.set_random_seed(1)
    task = dataclasses.replace(TASK, decoder=Prefix(), search=search)
    model = mm.MultimodalModel({"before": mm.Text.tiny()}, {"answer": task}, size="tiny")
    table = mm.sources.Table([{"before": text} for text in ("a dog", "cat", None)])
    inputs = next(iter(model.pipeline(table, labels=False)))
    made = model(inputs)["answer"]
    ids = tf.cast(made["token_ids"], tf.int32)
    forced = model(inputs | {"answer_given_token_ids": ids})["answer"]
    whole = model.get_layer("answer").decoder(
        tf.pad(ids[:, :-1], [[0, 0], [1, 0]], constant_values=END),
        *model.get_layer("answer").source(model.fused(inputs)),
    )
    # What is never written has a share of what is forced alone.
    share = tf.reduce_logsumexp(whole[..., 1:], -1) - tf.reduce_logsumexp(whole[..., 2:], -1)
    share = tf.reduce_sum(tf.where(ids > 0, share, 0.0), axis=1)
    np.testing.assert_allclose(made["score"], forced["score"] + share, atol=1e-4)


def test_texts_are_compared_as_the_tokenizer_writes_them():
    letters = CharacterTokenizer(("<pad>", "<unk>", "a", "b", " "), normalization=("lowercase",))
    task = TextGeneration(letters, unknown="drop")
    labels = [b"A  B", b"ab\xff", b"abc", b"b"]
    answers = [{"text": text} for text in ("a b", "ab", "ab", "b")]
    assert task.scores(answers, labels) == {"exact_match": 0.5}


def test_drawn_texts_are_others_in_every_call(tmp_path):
    keras.utils.set_random_seed(0)
    task = dataclasses.replace(TextGeneration.tiny(), max_tokens=12, search=Sampling())
    model = mm.MultimodalModel({"question": mm.Text.tiny()}, {"answer": task}, size="tiny")
    asked = [{"question": "dog"}] * 8

    def texts():
        return [answer["answer"]["text"] for answer in model.answer(asked)]

    assert len({*map(tuple, (texts(), texts(), texts()))}) == 3
    model.set_task("answer", search=Sampling(seed=1))
    assert texts() == texts()
    model.set_task("answer", search=Sampling())
    path = mm.export.saved_model(model, tmp_path / "texts" / "1").path
    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    raw = tf.constant(["dog"] * 8)
    drawn = {tuple(serve(question=raw)["answer_text"].numpy().tolist()) for _ in range(3)}
    assert len(drawn) == 3
    for seed in (None, 1):
        model.set_task("answer", search=Sampling(seed=seed))
        with pytest.raises(mm.export.ExportError, match=r"set_task\('answer', search=.*Greedy"):
            mm.export.litert(model, tmp_path / "texts.tflite")
    assert not (tmp_path / "texts.tflite").exists()


def test_measures_are_those_that_were_asked_for():
    letters = CharacterTokenizer(("<pad>", "<unk>", "a", "b", " "))
    measures = ("cer", "wer", "rouge_l", "cider", "bleu", "chrf", "exact_match")
    task = TextGeneration(letters, measures=measures)
    labels = [b"a b a b", b"b b a a"]
    scores = task.scores([{"text": "a b a b"}, {"text": "b b b a"}], labels)
    assert tuple(scores) == measures
    assert scores["exact_match"] == 0.5
    assert (scores["wer"], scores["cer"]) == (1 / 8, 1 / 14)
    assert scores["rouge_l"] == pytest.approx((1 + 3 / 4) / 2)
    assert 50 < scores["bleu"] < 100 and 50 < scores["chrf"] < 100 and 0 < scores["cider"] < 10
    perfect = task.scores([{"text": label.decode()} for label in labels], labels)
    # Both texts hold both words, so that single words tell nothing of either.
    assert perfect["bleu"] == pytest.approx(100) and perfect["cider"] == pytest.approx(7.5)


def test_any_tokenizer_is_learned_from_a_column():
    table = mm.sources.Table([{"caption": "A cat, a DOG"}] * 3)
    for tokenizer in (CharacterTokenizer, WordPiece, ByteBPE, Unigram):
        task = TextGeneration.adapt(table, "caption", vocabulary_size=300, tokenizer=tokenizer)
        same = "a cat , a dog" if tokenizer is WordPiece else "A cat, a DOG"
        assert task.written([b"A cat, a DOG"]) == [same]
    with pytest.raises(ValueError, match="WordPiece takes no normalization"):
        TextGeneration.adapt(table, "caption", tokenizer=WordPiece, normalization=("lowercase",))


def test_wrong_arguments(model):
    with pytest.raises(ValueError, match="tokenizer is HashedNgrams"):
        TextGeneration(HashedNgrams(8))
    for options, says in (
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"unknown": "guess"}, "unknown is 'guess'"),
        ({"depth": 0}, "depth is 0"),
        ({"fields": "speech"}, r"fields is 'speech'; .* such as \('speech',\)"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0"),
        ({"search": CTCBeams()}, "search is CTCBeams"),
        ({"measures": ("meteor",)}, r"measures is \('meteor',\).*'chrf'"),
        ({"measures": "bleu"}, "a tuple of"),
        ({"decoder": Greedy()}, r"decoder is Greedy\(\); .* Attending\(\) or Prefix\(\)"),
    ):
        with pytest.raises(ValueError, match=says):
            TextGeneration(LETTERS, **options)
    with pytest.raises(tf.errors.InvalidArgumentError, match="6 pieces, more than max_tokens=5"):
        TASK.target(tf.constant("abcabc"))
    with pytest.raises(ValueError, match=r"writes about \['sound'\]"):
        mm.MultimodalModel(
            {"text": mm.Text.tiny()},
            {"answer": dataclasses.replace(TASK, fields=("sound",))},
            size="tiny",
        )
    with pytest.raises(
        ValueError, match=r"'answer': num_heads is 3, .* 16 .*num_heads of \[1, 2, 4, 8, 16\]"
    ):
        mm.MultimodalModel(
            {"text": mm.Text.tiny()},
            {"answer": dataclasses.replace(TASK, num_heads=3)},
            size="tiny",
        )
    with pytest.raises(ValueError, match="num_beams must be at least 1"):
        Beams(0)
    with pytest.raises(ValueError, match=r"whole number; got 2\.5"):
        Beams(2.5)
    with pytest.raises(ValueError, match=r"length_penalty must be a finite .* got nan"):
        Beams(length_penalty=float("nan"))
    for wrong in ({"temperature": 0.0}, {"top_k": 0}, {"top_p": 0.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Sampling(**wrong)
    with pytest.raises(ValueError, match="no text to learn from"):
        TextGeneration.adapt(mm.sources.Table([{"caption": " "}]), "caption")
