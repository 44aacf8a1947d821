"""`Fields`: what it says of all fields against what each modality says of itself."""

import numpy as np
import pytest
import tensorflow as tf

from mmkeras.fields import Fields
from mmkeras.modalities import Audio, Image, Text

FIELDS = Fields({"review": Text.tiny(), "photo": Image.tiny(), "voice": Audio.tiny()})


def raw(*missing):
    return {
        field: tf.constant(modality.samples()[:2])
        for field, modality in FIELDS.items()
        if field not in missing
    }


def first(batch):
    return {name: value[0] for name, value in batch.items()}


def test_is_a_mapping():
    assert list(FIELDS) == ["review", "photo", "voice"]
    assert len(FIELDS) == 3
    assert FIELDS["photo"] == Image.tiny()


def test_split_undoes_join():
    flat = {name: name for name in FIELDS.specs()}
    assert FIELDS.join(FIELDS.split(flat)) == flat


@pytest.mark.parametrize("missing", [(), ("photo",), ("review", "voice")])
def test_batches_are_what_single_samples_are(missing):
    batch = FIELDS.preprocess_batch(raw(*missing))
    assert batch.keys() == FIELDS.specs().keys()
    for i in range(2):
        one = FIELDS.join(
            {
                field: modality.preprocess(raw()[field][i])
                if field not in missing
                else {name: tf.constant(value) for name, value in modality.absent().items()}
                for field, modality in FIELDS.items()
            }
        )
        for name, spec in FIELDS.specs().items():
            assert one[name].shape == spec.shape
            assert one[name].dtype == batch[name].dtype == spec.dtype
            np.testing.assert_allclose(batch[name][i], one[name], atol=1e-6)


def test_a_batch_without_any_field_needs_its_size():
    batch = FIELDS.preprocess_batch({}, size=3)
    for field, modality in FIELDS.items():
        for name, value in modality.absent().items():
            np.testing.assert_array_equal(batch[f"{field}_{name}"], np.stack([value] * 3))


def test_graph_gives_the_same_and_is_traced_once():
    expected = FIELDS.preprocess_batch(raw())
    for _ in range(2):
        for name, value in FIELDS.graph()(raw()).items():
            np.testing.assert_allclose(value, expected[name], atol=1e-5)
    assert FIELDS.graph().experimental_get_tracing_count() == 1


def test_origins_are_made_for_the_fields_that_are_asked_for():
    assert FIELDS.preprocess_batch(raw()).keys() == FIELDS.specs().keys()
    made = FIELDS.preprocess_batch(raw(), origins=["review"])
    assert made.keys() == (FIELDS.specs() | FIELDS.origins(["review"])).keys()
    origins = FIELDS.origins_in(made, FIELDS)
    assert origins.keys() == {"review"}
    assert FIELDS.split(made)["review"].keys() == {"token_ids"} | origins["review"].keys()
    for name, spec in FIELDS.origins(["review"]).items():
        assert made[name].shape[1:] == spec.shape
        assert made[name].dtype == spec.dtype
    missing = FIELDS.preprocess_batch(raw("review"), origins=["review"])
    assert missing["review_words"].numpy().max() == -1


def test_augment_repeats_by_seed_and_keeps_shapes():
    sample = first(FIELDS.preprocess_batch(raw()))
    once, again, other = (FIELDS.augment(sample, tf.constant([seed, 7])) for seed in (1, 1, 2))
    for name in sample:
        np.testing.assert_array_equal(once[name], again[name])
        assert once[name].shape == sample[name].shape
    assert not np.array_equal(once["photo_pixels"], other["photo_pixels"])


def test_trim_keeps_what_is_filled():
    batch = FIELDS.preprocess_batch(raw())
    samples = [{name: value[i] for name, value in batch.items()} for i in range(2)]
    lengths = [FIELDS.lengths(sample) for sample in samples]
    assert lengths[0].keys() == {"review", "voice"}
    trimmed = FIELDS.trim(
        batch, {field: tf.stack([n[field] for n in lengths]) for field in lengths[0]}
    )
    longest = max(int(n["review"]) for n in lengths)
    assert trimmed["review_token_ids"].shape == (2, longest)
    np.testing.assert_array_equal(
        trimmed["review_token_ids"], batch["review_token_ids"][:, :longest]
    )
    assert not batch["review_token_ids"].numpy()[:, longest:].any()


def test_trim_leaves_one_step_where_all_are_absent():
    batch = FIELDS.preprocess_batch({}, size=2)
    trimmed = FIELDS.trim(batch, {"review": tf.zeros(2, "int32"), "voice": tf.zeros(2, "int32")})
    assert trimmed["review_token_ids"].shape == trimmed["voice_waveform"].shape == (2, 1)


def test_without_makes_fields_absent_in_trimmed_batches_too():
    batch = FIELDS.preprocess_batch(raw())
    batch = FIELDS.trim(batch, {"review": tf.constant([3, 4])})
    changed = FIELDS.without(batch, ["review", "photo"])
    assert changed["review_token_ids"].shape == (2, 4)
    assert not changed["review_token_ids"].numpy().any()
    assert not changed["photo_present"].numpy().any()
    np.testing.assert_array_equal(changed["voice_waveform"], batch["voice_waveform"])


@pytest.mark.parametrize(
    ("modalities", "error", "message"),
    [
        ({}, ValueError, "at least one field"),
        ({"my photo": Image.tiny()}, ValueError, "identifier; got 'my photo'"),
        ({"photo": Image}, TypeError, "field 'photo' must be a modality"),
        ({"photo": "cat.jpg"}, TypeError, "field 'photo' must be a modality"),
        ({"a": Image.tiny(), "a_pixels": Image.tiny()}, None, ""),
    ],
)
def test_wrong_fields_are_told(modalities, error, message):
    if error is None:
        assert len(Fields(modalities)) == 2
        return
    with pytest.raises(error, match=message):
        Fields(modalities)


def test_two_fields_must_not_make_one_tensor():
    class Deep(Text):
        def specs(self):
            return {"b_token_ids": super().specs()["token_ids"]}

    deep = Deep(Text.tiny().tokenizer)
    with pytest.raises(ValueError, match=r"would both make \['a_b_token_ids'\]"):
        Fields({"a_b": Text.tiny(), "a": deep})
