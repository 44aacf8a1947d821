"""`MaskedLanguageModel`: what is hidden, how often, and that it helps where labels are few."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmkeras import MultimodalModel
from mmkeras.fusions import Late
from mmkeras.modalities import Text
from mmkeras.sources import Table
from mmkeras.tasks import Classification, MaskedLanguageModel
from mmkeras.tokenizers import HashedNgrams, WordPiece

NAMES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")
TEXT = Text(
    WordPiece((*NAMES, *LETTERS, *(f"##{c}" for c in LETTERS))), max_length=40, token_dropout=0
)
LINE = "some words are longer than others of them"


@functools.cache
def preprocessed(line):
    made = TEXT.preprocess_batch(tf.constant([line]), origins=True)
    return {name: tensor[0] for name, tensor in made.items()}


@functools.cache
def in_graph(task):
    return tf.function(task.prepare)


def prepared(task, line=LINE, seed=0):
    """ids before, ids after, target and words of one line."""
    made = preprocessed(line)
    origins = {"text": {name: made[name] for name in TEXT.origins()}}
    target = task.target(tf.constant(""), origins)
    inputs, target = in_graph(task)({"text": made}, target, tf.constant([seed, 1]))
    after = inputs["text"]["token_ids"]
    return tuple(x.numpy() for x in (made["token_ids"], after, target, made["words"]))


def test_whole_words_are_hidden_and_asked_for():
    task = MaskedLanguageModel.of(TEXT, share=0.3)
    for seed in range(20):
        before, after, target, words = prepared(task, seed=seed)
        asked = target >= 0
        assert asked.any()
        np.testing.assert_array_equal(target[asked], before[asked])
        np.testing.assert_array_equal(after[~asked], before[~asked])
        for word in range(words.max() + 1):
            assert len(set(asked[words == word])) == 1, "a word is hidden as a whole"


def test_shares_are_those_of_bert():
    task = MaskedLanguageModel.of(TEXT, share=0.3)
    runs = [prepared(task, seed=seed) for seed in range(300)]
    words = runs[0][3]
    hidden = np.mean([len(set(words[target >= 0])) for _, _, target, _ in runs])
    # 8 words; the chance that none is drawn, and one is hidden all the same, is 0.7 ** 8.
    assert hidden / 8 == pytest.approx(0.3 + 0.7**8 / 8, abs=0.03)
    asked = np.concatenate([np.stack([b, a])[:, t >= 0] for b, a, t, _ in runs], axis=1)
    assert np.mean(asked[1] == task.mask_id) == pytest.approx(0.8, abs=0.03)
    assert np.mean(asked[1] == asked[0]) == pytest.approx(0.1, abs=0.03)


def test_an_absent_text_has_nothing_to_hide():
    before, after, target, _ = prepared(MaskedLanguageModel.of(TEXT), line="")
    np.testing.assert_array_equal(before, after)
    assert (target == -1).all()


def test_loss_is_the_mean_over_hidden_tokens():
    task = MaskedLanguageModel(vocabulary_size=4, mask_id=3)
    logits = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    target = np.array([[1, -1, 2, -1], [-1, -1, -1, -1]])  # one longer than the batch
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected = [-(log_p[0, 0, 1] + log_p[0, 2, 2]) / 2, 0]
    np.testing.assert_allclose(task.loss(target, {"logits": logits}), expected, rtol=1e-5)


@pytest.mark.parametrize(("share", "mask"), [(0, 3), (1, 3), (0.1, 0), (0.1, 9)])
def test_wrong_numbers_are_named(share, mask):
    with pytest.raises(ValueError, match=r"share|mask_id"):
        MaskedLanguageModel(vocabulary_size=9, mask_id=mask, share=share)


def test_a_tokenizer_without_a_mask_is_named():
    with pytest.raises(ValueError, match=r"HashedNgrams.*has no mask"):
        MaskedLanguageModel.of(Text(HashedNgrams(100)))


def test_a_model_says_which_field_cannot_be_pointed_into():
    task = MaskedLanguageModel(100, 4, field="name")
    with pytest.raises(ValueError, match=r"points into field 'name'.*'text'"):
        MultimodalModel({"text": Text.tiny()}, {"words": task}, size="tiny")
    with pytest.raises(ValueError, match=r"cannot tell the \['words'\] of its tensors"):
        MultimodalModel({"name": Text(HashedNgrams(98))}, {"words": task}, size="tiny")


def test_pretraining_needs_no_labels_and_hands_over_its_encoder():
    # The second word follows from the first.
    lines = [f"{a} {b}" for a, b in zip("abcdefgh", "ijklmnop")]
    table = Table([{"text": line} for line in lines * 8])
    task = MaskedLanguageModel.of(TEXT, share=0.5)
    model = MultimodalModel({"text": TEXT}, {"words": task}, size="tiny", fusion=Late(16))
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    data = model.pipeline(table, batch_size=32, shuffle=True, cache=True)
    first = model.evaluate(data, verbose=0, return_dict=True)
    model.fit(data, epochs=60, shuffle=False, verbose=0)
    last = model.evaluate(data, verbose=0, return_dict=True)
    assert last["loss"] < 0.5 * first["loss"]
    assert last["words_accuracy"] > 0.6
    encoder = model.encoders["text"]
    weights = [w.copy() for w in encoder.get_weights()]
    other = MultimodalModel(
        {"text": TEXT}, {"kind": Classification(["x", "y"])}, encoders={"text": encoder}
    )
    for mine, theirs in zip(other.encoders["text"].get_weights(), weights):
        np.testing.assert_array_equal(mine, theirs)
