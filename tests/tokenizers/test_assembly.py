"""`assemble` against truncation, padding and post-processing of the `tokenizers` package."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import processors

from mmkeras.testing.peers import peer
from mmkeras.testing.texts import many_scripts
from mmkeras.tokenizers import ByteBPE, ByteTokenizer, HashedNgrams, WordPiece
from mmkeras.tokenizers.assembly import LAYOUTS, SIDES, TRUNCATIONS, assemble

TRAINING = many_scripts(300, seed=2)
BERT = WordPiece.learn(TRAINING, vocabulary_size=400)
ROBERTA = ByteBPE.learn(TRAINING, vocabulary_size=400)
TOKENIZERS = {"bert": BERT, "roberta": ROBERTA, "none": BERT}


def expected(layout, texts, pairs, max_length, truncation, sides, padding):
    """The rows of the package, with what `Assembled` names."""
    tokenizer = TOKENIZERS[layout]
    same = peer(tokenizer)
    start, end = tokenizer.special.start, tokenizer.special.end
    same.add_special_tokens([start, end, tokenizer.special.pad])
    marks = (end, tokenizer.end_id), (start, tokenizer.start_id)
    if layout == "bert":
        same.post_processor = processors.BertProcessing(*marks)
    if layout == "roberta":
        same.post_processor = processors.RobertaProcessing(
            *marks, trim_offsets=False, add_prefix_space=False
        )
    same.enable_truncation(max_length, strategy=truncation, direction=sides[0])
    same.enable_padding(
        direction=sides[1],
        pad_id=tokenizer.pad_id,
        pad_token=tokenizer.special.pad,
        length=max_length if padding == "max" else None,
    )
    made = same.encode_batch(texts if pairs is None else list(zip(texts, pairs)))
    return {
        "token_ids": [e.ids for e in made],
        "segment_ids": [e.type_ids for e in made],
        "mask": [[bool(there) for there in e.attention_mask] for e in made],
        # Without a post-processor the package counts padding to the first text.
        "texts": [
            [
                -1 if i is None or not there else i
                for i, there in zip(e.sequence_ids, e.attention_mask)
            ]
            for e in made
        ],
        "starts": [[start for start, _ in e.offsets] for e in made],
        "ends": [[end for _, end in e.offsets] for e in made],
    }


TEXTS = st.text("the cat 猫.é", max_size=25)


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from(sorted(TOKENIZERS)),
    st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4),
    st.booleans(),
    st.integers(6, 30),
    st.sampled_from(TRUNCATIONS),
    st.tuples(st.sampled_from(SIDES), st.sampled_from(SIDES)),
    st.sampled_from(["max", "longest"]),
)
def test_equals_the_tokenizers_package(
    layout, samples, paired, max_length, truncation, sides, padding
):
    texts = [text for text, _ in samples]
    pairs = [pair for _, pair in samples] if paired else None
    if truncation == "only_second" and not paired:
        truncation = "only_first"

    def ours():
        return assemble(
            TOKENIZERS[layout],
            tf.constant(texts),
            None if pairs is None else tf.constant(pairs),
            max_length=max_length,
            layout=layout,
            truncation=truncation,
            truncation_side=sides[0],
            padding=padding,
            padding_side=sides[1],
            offsets=True,
        )

    try:
        right = expected(layout, texts, pairs, max_length, truncation, sides, padding)
    except Exception as error:
        assert "too short" in str(error)
        with pytest.raises(tf.errors.InvalidArgumentError, match="would leave nothing"):
            ours()
        return
    made = ours()._asdict()
    for name, value in right.items():
        assert made[name].numpy().tolist() == value, name


def test_is_the_same_in_a_function_and_in_tf_data_with_any_batch_size():
    texts, pairs = many_scripts(11, seed=3), many_scripts(11, seed=4)
    whole = assemble(BERT, texts, pairs, max_length=20, offsets=True)

    def made(text, pair):
        return assemble(BERT, text, pair, max_length=20, offsets=True)

    spec = tf.TensorSpec([None], tf.string)
    in_graph = tf.function(made, input_signature=[spec, spec])(texts, pairs)
    dataset = tf.data.Dataset.from_tensor_slices((texts, pairs)).batch(4).map(made)
    assert dataset.element_spec.token_ids.shape.as_list() == [None, 20]
    batches = list(dataset)
    for name in whole._fields:
        expected = getattr(whole, name).numpy()
        assert (getattr(in_graph, name).numpy() == expected).all()
        streamed = np.concatenate([getattr(batch, name).numpy() for batch in batches])
        assert (streamed == expected).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_special_tokens_a_tokenizer_has_not_are_left_out(layout):
    grams = HashedNgrams(buckets=50)
    made = assemble(grams, ["a cat"], ["dog"], max_length=40, layout=layout, padding="longest")
    plain = [*grams.tokenize(["a cat"]).to_list()[0], *grams.tokenize(["dog"]).to_list()[0]]
    assert made.token_ids.numpy().tolist() == [plain]
    assert made.starts is None
    made = assemble(ByteTokenizer(), ["a"], max_length=9, layout=layout, padding="longest")
    end = [1] if layout in ("bert", "roberta") else []
    assert made.token_ids.numpy().tolist() == [[3 + ord("a"), *end]]


def test_a_start_token_alone_is_what_models_without_an_end_token_read():
    made = assemble(BERT, ["the cat", ""], max_length=6, layout="start")
    (pieces,) = BERT.tokenize(["the cat"]).to_list()
    row = [BERT.start_id, *pieces][:6]
    assert made.token_ids.numpy().tolist() == [
        row + [0] * (6 - len(row)),
        [BERT.start_id] + [0] * 5,
    ]


def test_no_texts_give_no_rows():
    none = tf.constant([], tf.string)
    assert assemble(BERT, none, max_length=5).token_ids.shape == (0, 5)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"layout": "gpt"}, "layout is 'gpt'; it has to be one of"),
        ({"truncation": "all"}, "truncation is 'all'"),
        ({"truncation_side": "top"}, "truncation_side is 'top'"),
        ({"padding": "none"}, "padding is 'none'"),
        ({"padding_side": "both"}, "padding_side is 'both'"),
        ({"truncation": "only_second"}, "there is no second text"),
        ({"max_length": 2}, "max_length is 2, and 2 of the ids are special tokens"),
        ({"tokenizer": HashedNgrams(), "offsets": True}, "HashedNgrams tells no offsets"),
    ],
)
def test_wrong_arguments_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        assemble(**{"tokenizer": BERT, "texts": ["a"], "max_length": 5} | fields)


def test_what_is_not_utf8_raises():
    with pytest.raises(tf.errors.InvalidArgumentError, match="not valid UTF-8"):
        assemble(ByteTokenizer(), ["a"], [b"\xff"], max_length=9)
