"""`SpeechRecognition`: labels to classes, and steps to words with their times."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import mmkeras as mm
from mmkeras.answers import decode
from mmkeras.decoding import CTCBeams, Speller
from mmkeras.diagnosis import reason_of
from mmkeras.fusions import Late
from mmkeras.losses.ctc import alignable, ctc_loss
from mmkeras.tasks import SpeechRecognition
from mmkeras.testing import check_task
from mmkeras.tokenizers import ByteTokenizer, CharacterTokenizer, WordPiece
from mmkeras.tokens import Layout
from mmkeras.transcription import transcribe

LETTERS = CharacterTokenizer(("<pad>", "<unk>", " ", "a", "b", "c"))
TASK = SpeechRecognition(LETTERS, max_tokens=8)


def heard(task, path, length=None, start_s=0.0):
    """The answer for the classes of each step, of 0.1 s."""
    count = len(path)
    length = count if length is None else length
    logits = 9.0 * np.eye(task.num_classes)[path][None]
    times = np.stack([np.arange(count), np.arange(count) + 1], axis=-1)[None] * 0.1
    times[:, length:] = -1.0
    outputs = {"logits": tf.constant(logits, tf.float32), "times": tf.constant(times, tf.float32)}
    origins = {"speech": {"start_s": tf.constant([start_s])}}
    return decode({"text": task}, {"text": outputs}, origins)[0]["text"]


def test_words_have_the_times_of_their_letters():
    # a a - b " " - c c, then padding.
    answer = heard(TASK, [3, 3, 0, 4, 2, 0, 5, 5, 3], length=8)
    assert answer["text"] == "ab c"
    words = [(w["text"], round(w["start_s"], 3), round(w["end_s"], 3)) for w in answer["words"]]
    assert words == [("ab", 0.0, 0.4), ("c", 0.6, 0.8)]
    pieces = [(p["text"], round(p["start_s"], 3), round(p["end_s"], 3)) for p in answer["pieces"]]
    assert pieces == [("a", 0.0, 0.2), ("b", 0.3, 0.4), (" ", 0.4, 0.5), ("c", 0.6, 0.8)]
    assert answer["score"] == pytest.approx(np.exp(9) / (np.exp(9) + 4), rel=1e-4)


def test_times_are_those_of_the_recording_before_it_was_trimmed():
    answer = heard(TASK, [0, 3, 0], start_s=2.0)
    assert answer["words"] == [
        {"text": "a", "start_s": pytest.approx(2.1), "end_s": pytest.approx(2.2)}
    ]


def test_blanks_without_words():
    answer = heard(TASK, [2, 0, 2])
    assert (answer["text"], answer["words"]) == ("", [])


def test_subwords_and_bytes_make_words_too():
    pieces = WordPiece(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "##s", "cat"))
    answer = heard(SpeechRecognition(pieces), [5, 0, 6, 7])
    assert answer["text"] == "reds cat"
    assert [w["text"] for w in answer["words"]] == ["reds", "cat"]
    assert answer["words"][0]["end_s"] == pytest.approx(0.3)

    task = SpeechRecognition(ByteTokenizer())
    classes = task.target(tf.constant("né 1")).numpy()
    path = [step for kind in classes[classes > 0] for step in (kind, 0)]
    assert [w["text"] for w in heard(task, path)["words"]] == ["né", "1"]


@pytest.mark.parametrize(("unknown", "expected"), [("drop", [3, 4, 0, 0]), ("keep", [3, 1, 4, 0])])
def test_what_the_tokenizer_does_not_know(unknown, expected):
    task = SpeechRecognition(LETTERS, max_tokens=4, unknown=unknown)
    assert task.target(tf.constant("aßb")).numpy().tolist() == expected


@pytest.mark.parametrize("beams", [None, CTCBeams(9)])
def test_padding_and_unknown_are_never_heard(beams):
    letters = CharacterTokenizer(("a", "<unk>", "b", "<pad>"))
    task = SpeechRecognition(letters, beams=beams)  # classes: nothing, a, unknown, b, padding
    assert task.silent == (2, 4)
    steps = [[0, 4.0, 9, 0, 0], [1, 0, 9, 0, 9], [0, 0, 0, 4, 9]]
    times = np.array([[[0.0, 0.1], [0.1, 0.2], [0.2, 0.3]]], "float32")
    outputs = {"logits": tf.constant([steps], tf.float32), "times": tf.constant(times)}
    found = decode({"text": task}, {"text": outputs}, {"speech": {"start_s": tf.zeros([1])}})
    answer = found[0]["text"]
    assert [(p["text"], round(p["start_s"], 3)) for p in answer["pieces"]] == [
        ("a", 0.0),
        ("b", 0.2),
    ]
    assert answer["text"] == "ab" and 0 < answer["score"] <= 1


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ab, é", 'the text "ab, é" holds what the tokenizer does not know: ", é"; learn'),
        (" a“”’\n", 'the text "a“”’" holds what the tokenizer does not know: "“ ” ’"; learn'),
        ("a\0b", 'the text "a<00>b" holds what the tokenizer does not know: "<00>"; learn'),
        (
            "猫" * 99,
            f'the text "{"猫" * 80}..." holds what the tokenizer does not know: "猫"; learn',
        ),
        ("ab " * 40, f'the text "{("ab " * 40)[:80]}..." has 119 pieces, more than max_tokens=8'),
    ],
)
def test_texts_are_shown_as_they_are_written(wrap, text, says):
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        wrap(TASK.target)(tf.constant(text))
    assert reason_of(caught.value).startswith(says)


def test_quotation_marks_stay_where_they_are():
    sound = np.zeros(400, "float32")
    for text, shown in (
        ("it's “a”, isn't it", "(“it’s “a”, isn’t it”): the text “it’s “a”, isn’t it” holds"),
        ("'a' \"b\"", "(‘‘a’ “b”’): the text “‘a’ “b”” holds"),
        ("don't " * 20, "don’t don’t"),
    ):
        table = mm.sources.Table([{"speech": sound, "text": text}])
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            list(mm.pipeline(table, {"speech": mm.Audio.tiny()}, {"text": TASK}))
        reason = reason_of(caught.value)
        assert shown in reason
        assert "field ‘text’" in reason and "unknown=‘drop’ or unknown=‘keep’." in reason


def test_transcripts_that_are_wrong():
    with pytest.raises(tf.errors.InvalidArgumentError, match="does not know"):
        TASK.target(tf.constant("abx"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="9 pieces, more than max_tokens=8"):
        TASK.target(tf.constant("abcabcabc"))
    with pytest.raises(TypeError, match="label must be a text"):
        TASK.encode(3)
    assert not TASK.target(tf.constant("  ")).numpy().any()


def test_one_bad_transcript_names_its_row_and_may_be_skipped():
    audio = mm.Audio(sample_rate=8_000, seconds=0.5)
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 4_000)
    table = mm.sources.Table(
        [
            {"speech": sound, "text": "ab"},
            {"speech": sound, "text": "ax"},
            {"speech": sound, "text": " "},
            {"speech": sound, "text": None},
        ]
    )
    fields, tasks = {"speech": audio}, {"text": TASK}
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"sample 2, field .text.*not know"):
        list(mm.pipeline(table, fields, tasks))
    with pytest.warns(mm.SkippedSamples, match="1 of 4"):
        ((_, targets, weights),) = mm.pipeline(table, fields, tasks, on_error="skip", max_bad=0.5)
    assert targets["text"].numpy()[:, :2].tolist() == [[3, 4], [0, 0], [0, 0]]
    assert weights["text"].numpy().tolist() == [1.0, 1.0, 0.0]


def test_recordings_that_are_not_heard_to_their_end():
    audio = mm.Audio(sample_rate=8_000, seconds=0.5)
    rows = [{"speech": np.zeros(n, "float32"), "text": t} for n, t in ((4_001, "ab"), (4_000, "b"))]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"sample 1, field .text.*longer than"):
        list(mm.pipeline(mm.sources.Table(rows), {"speech": audio}, {"text": TASK}))
    rows[0]["text"] = None
    ((_, _, weights),) = mm.pipeline(mm.sources.Table(rows), {"speech": audio}, {"text": TASK})
    assert weights["text"].numpy().tolist() == [0.0, 1.0]


def test_labels_that_do_not_fit_are_counted_and_cost_nothing():
    times = np.zeros((2, 2, 2), "float32")
    outputs = {"logits": np.zeros((2, 2, TASK.num_classes), "float32"), "times": times}
    target = np.array([[3, 3, 0], [3, 4, 0]])
    loss = np.array(TASK.loss(target, outputs))
    assert loss[0] == 0.0 and loss[1] > 0
    metric = next(m for m in TASK.metrics()[""] if m.name == "unalignable")
    metric.update_state(target, outputs)
    assert float(metric.result()) == 0.5


def test_error_rates_of_answers():
    scores = TASK.scores([{"text": "ab c"}, {"text": "a"}], [b"ab c", b"a b"])
    assert scores == {"wer": pytest.approx(1 / 4), "cer": pytest.approx(2 / 7)}


@pytest.mark.parametrize("unknown", ["raise", "drop", "keep"])
def test_error_rates_count_what_the_tokenizer_cannot_write(unknown):
    task = dataclasses.replace(TASK, unknown=unknown)
    labels = [b"a b xyz", b"abc" * 9, b" a\xff"]
    scores = task.scores([{"text": "a b"}, {"text": "abc" * 9}, {"text": "a"}], labels)
    assert scores == {"wer": pytest.approx(2 / 5), "cer": pytest.approx(5 / (7 + 27 + 2))}


def test_labels_are_compared_as_the_tokenizer_writes_them():
    words = WordPiece.learn(["don't stop"] * 3, vocabulary_size=60)
    written = SpeechRecognition(words).written([b"Don't Stop ", "Don't ☃".encode(), b""])
    assert written == ["don ' t stop", "don't ☃", ""]


def test_tokens_have_to_be_steps_in_time():
    with pytest.raises(ValueError, match="no steps in time"):
        TASK.head("text", {"speech": Layout()})
    with pytest.raises(ValueError, match="unknown is 'guess'"):
        SpeechRecognition(LETTERS, unknown="guess")
    with pytest.raises(ValueError, match="max_tokens is 0"):
        SpeechRecognition(LETTERS, max_tokens=0)
    with pytest.raises(ValueError, match=r"beams is 8; it has to be None or a CTCBeams"):
        SpeechRecognition(LETTERS, beams=8)


def test_beams_weigh_what_is_heard_with_what_is_said():
    # "a" is a little likelier than "b" in the second of three steps; nobody says "aa" here.
    steps = [[0.1, 0, 0, 0.9, 0, 0], [0.9, 0, 0, 0.05, 0.05, 0], [0.2, 0, 0, 0.45, 0.35, 0]]
    logits = np.log(np.maximum([steps], 1e-9))
    times = np.array([[[0.0, 0.1], [0.1, 0.2], [0.2, 0.3]]], "float32")
    outputs = {"logits": tf.constant(logits, tf.float32), "times": tf.constant(times)}
    origins = {"speech": {"start_s": tf.constant([1.0])}}

    def answer(beams):
        task = dataclasses.replace(TASK, beams=beams)
        return decode({"text": task}, {"text": outputs}, origins)[0]["text"]

    language = TASK.language_model(["ab", " ab", "abx"], order=2)
    assert answer(None)["text"] == answer(CTCBeams(num_beams=4))["text"] == "aa"
    heard = answer(CTCBeams(num_beams=4, language_model=language, lm_weight=0.5))
    assert heard["text"] == "ab"
    assert [(p["text"], round(p["start_s"], 3)) for p in heard["pieces"]] == [
        ("a", 1.0),
        ("b", 1.2),
    ]
    assert heard["score"] == pytest.approx((0.9 * 0.9 * 0.35) ** (1 / 3), rel=1e-4)
    assert answer(CTCBeams(4, language_model=language, lm_weight=0.0))["text"] == "aa"


@pytest.mark.parametrize("seed", range(3))
def test_beams_give_the_times_of_the_search(seed):
    """Of one beam without anything beside the scores: those of the likeliest steps."""
    path = np.random.default_rng(seed).choice([0, 2, 3, 4, 5], 12).tolist()
    plain = heard(TASK, path)
    assert heard(dataclasses.replace(TASK, beams=CTCBeams(3)), path) == {
        **plain,
        "score": pytest.approx(plain["score"], rel=1e-4),
    }


def test_silence_has_no_beams():
    task = dataclasses.replace(TASK, beams=CTCBeams(3, language_model=TASK.language_model(["a"])))
    assert heard(task, [3, 3], length=0)["text"] == ""


def test_language_models_take_columns_of_labels():
    absent = [None, float("nan"), b"", ""]
    assert TASK.language_model(["ab", *absent, b"c"]) == TASK.language_model(["ab", "c"])
    for texts in ("ab", b"ab"):
        with pytest.raises(ValueError, match="has to be a list of texts"):
            TASK.language_model(texts)
    with pytest.raises(ValueError, match="no sequence to learn from"):
        TASK.language_model(absent)


def test_a_language_model_of_other_pieces_is_refused():
    other = SpeechRecognition.tiny().language_model(["ab"], order=2)
    with pytest.raises(ValueError, match="knows 4 classes; it has to know the 6 "):
        dataclasses.replace(TASK, beams=CTCBeams(language_model=other))


def test_pieces_that_are_wrong_are_counted_in_training():
    steps = [[3, 3, 0, 4, 0, 4], [5, 0, 0, 0, 0, 0]]
    times = np.zeros((2, 6, 2), "float32")
    times[1, 3:] = -1
    outputs = {"logits": 9.0 * np.eye(TASK.num_classes)[steps], "times": times}
    metric = next(m for m in TASK.metrics()[""] if m.name == "piece_error_rate")
    metric.update_state(np.array([[3, 4, 4], [3, 5, 0]]), outputs)
    assert float(metric.result()) == pytest.approx(1 / 5)


@pytest.mark.parametrize("tokenizer", [LETTERS, ByteTokenizer()])
def test_an_hour_is_read_in_a_moment(tokenizer):
    task = SpeechRecognition(tokenizer)
    pieces = task.target(tf.constant("ab cab a")).numpy()
    path = np.tile([*pieces[pieces > 0], 0], 2_000)
    assert heard(task, path.tolist())["words"][-2]["text"] == "cab"


SPELLED = dataclasses.replace(
    SpeechRecognition.tiny(),
    beams=CTCBeams(num_beams=16, top_k=None),
    speller=Speller(depth=1, num_heads=2, dropout=0.0),
)


def test_a_task_with_a_speller_keeps_the_contract():
    check_task(SPELLED)


def recogniser(task, audio=None):
    audio = audio or mm.Audio.tiny()
    keras.utils.set_random_seed(3)
    model = mm.MultimodalModel(
        {"speech": audio}, {"text": task}, size="tiny", fusion=Late(16), dropout=0.0
    )
    for weight in model.get_layer("text").trainable_variables:  # livelier than fresh ones
        weight.assign(weight * 3)
    return model


@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
def test_a_speller_answers_the_best_of_all_texts(weight):
    """Texts of up to three of two letters, each scored by the two losses."""
    task = dataclasses.replace(
        SPELLED,
        beams=CTCBeams(num_beams=400, top_k=None),
        speller=dataclasses.replace(SPELLED.speller, weight=weight),
    )
    model = recogniser(task, mm.Audio(sample_rate=8_000, seconds=0.25))
    waveform = np.random.default_rng(0).normal(size=(1, 2_000)).astype("float32") * 0.2
    inputs = next(iter(model.pipeline(mm.sources.Table([{"speech": waveform[0]}]), labels=False)))
    heard = {name: np.array(value) for name, value in model(inputs)["text"].items()}
    mask = heard["times"][..., 0] >= 0
    # What is never written has no share of the probabilities.
    logits = np.where(np.isin(np.arange(task.num_classes), task.silent), -np.inf, heard["logits"])
    expected = {}
    for length in range(task.max_tokens + 1):
        for tokens in itertools.product((2, 3), repeat=length):
            ids = np.array([[*tokens, *[0] * (task.max_tokens - length)]], "int32")
            if not np.array(alignable(mask, ids))[0]:
                continue
            told = model(inputs | {"text_given_token_ids": tf.constant(ids)})["text"]
            spelled = -float(told["spelling_loss"][0]) * (length + 1)
            aligned = -float(ctc_loss(logits, mask, ids)[0])
            expected[tokens] = (1 - weight) * aligned + weight * spelled
    best = max(expected, key=expected.__getitem__)
    assert len(expected) == 15
    made = heard["spelled"][0]
    assert tuple(made[made > 0].tolist()) == best
    text = model.answer({"speech": waveform[0]})["text"]["text"]
    assert text == "".join("ab"[i - 2] for i in best)


def test_a_speller_has_its_share_of_the_loss():
    task = dataclasses.replace(
        SPELLED, speller=dataclasses.replace(SPELLED.speller, loss_share=0.2)
    )
    model, target = recogniser(task), np.array([[2, 3, 0], [0, 0, 0]], "int32")
    rows = [{"speech": np.ones(800, "float32") * 0.1 * i} for i in range(1, 3)]
    inputs = next(iter(model.pipeline(mm.sources.Table(rows), labels=False)))
    told = model(inputs | {"text_given_token_ids": tf.constant(target)})["text"]
    plain = dataclasses.replace(task, speller=None).loss(target, told)
    expected = 0.8 * np.array(plain) + 0.2 * np.array(told["spelling_loss"])
    np.testing.assert_allclose(task.loss(target, told), expected, rtol=1e-5)


def test_a_speller_is_exported_and_asked_as_it_is_set(tmp_path):
    model = recogniser(SPELLED)
    speech = np.random.default_rng(1).normal(size=800).astype("float32") * 0.2
    assert mm.export.saved_model(model, tmp_path / "names" / "1").max_difference < 1e-4
    assert mm.export.litert(model, tmp_path / "names.tflite").max_difference < 1e-4
    model.save(tmp_path / "names.keras")
    again = keras.saving.load_model(tmp_path / "names.keras")
    assert again.answer({"speech": speech}) == model.answer({"speech": speech})
    # Without beams it is not asked, and its weight is no matter of its weights.
    model.set_task("text", beams=None)
    plain = recogniser(dataclasses.replace(SPELLED, beams=None))
    assert model.answer({"speech": speech}) == plain.answer({"speech": speech})
    model.set_task("text", beams=CTCBeams(4), speller=Speller(1, 2, 0.0, weight=0.9))
    assert model.get_layer("text").speller.weight == 0.9
    with pytest.raises(ValueError, match="would have to be made anew"):
        model.set_task("text", speller=None)
    with pytest.raises(ValueError, match="would have to be made anew"):
        model.set_task("text", speller=Speller(2, 2, 0.0))


def test_a_speller_that_is_wrong():
    with pytest.raises(ValueError, match="speller is 2; it has to be None or a Speller"):
        dataclasses.replace(TASK, speller=2)
    with pytest.raises(ValueError, match=r"'text': num_heads is 3, .* width 16"):
        recogniser(dataclasses.replace(SPELLED, speller=Speller(1, 3)))


def test_long_recordings_do_without_a_speller():
    model = recogniser(SPELLED)
    sound = np.random.default_rng(2).normal(size=2_000).astype("float32") * 0.2
    with_one = transcribe(model, sound, overlap_s=0.04)
    model.tasks["text"] = dataclasses.replace(SPELLED, speller=None)
    assert with_one == transcribe(model, sound, overlap_s=0.04)
