"""How fast `WordPiece` cuts texts, beside the `tokenizers` package.

    CUDA_VISIBLE_DEVICES= python benchmarks/wordpiece.py

20,000 lines of 17 words, 4,793 pieces, two CPU cores, TensorFlow 2.21, tokenizers 0.23: 0 lines
differ; 124k lines/s in batches, against 42k of `encode_batch` and 27k of `encode` one by one. In
`tf.data` on one thread a line takes 244 µs alone, 63 µs of which any map takes, and 24 µs in a
batch: preprocess batches where there is a choice.
"""

import random
import time
from collections.abc import Callable

import tensorflow as tf
import tokenizers

from mmkeras.modalities.text import Text
from mmkeras.tokenizers.wordpiece import WordPiece

LINES = 20_000
BATCH = 1_024


def synthetic_lines(count: int, seed: int = 0) -> list[str]:
    """Lines of 5 to 30 words; a word's frequency falls with its rank, as in natural text."""
    draw = random.Random(seed)
    syllables = ["ka", "lo", "mi", "ter", "an", "sen", "pro", "vi", "dom", "ur", "est", "ing", "ly"]
    words = ["".join(draw.choices(syllables, k=draw.randint(1, 4))) for _ in range(20_000)]
    weights = [1 / (rank + 1) for rank in range(len(words))]
    return [
        " ".join(draw.choices(words, weights, k=draw.randint(5, 30))).capitalize()
        + draw.choice(".!?")
        for _ in range(count)
    ]


def seconds(work: Callable[[], object], times: int = 5) -> float:
    """The shortest of a few runs, after one that does not count."""
    work()
    durations = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        durations.append(time.perf_counter() - start)
    return min(durations)


def bert(tokenizer: WordPiece) -> tokenizers.Tokenizer:
    """The same tokenizer, by the `tokenizers` package."""
    ids = {piece: id_ for id_, piece in enumerate(tokenizer.vocabulary)}
    same = tokenizers.Tokenizer(tokenizers.models.WordPiece(ids, unk_token="[UNK]"))
    same.normalizer = tokenizers.normalizers.BertNormalizer(strip_accents=False)
    same.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    return same


def drain(dataset: tf.data.Dataset) -> None:
    """Reads a dataset to its end, on one thread."""
    options = tf.data.Options()
    options.autotune.enabled = False
    options.threading.private_threadpool_size = 1
    options.threading.max_intra_op_parallelism = 1
    for _ in dataset.with_options(options):
        pass


def main() -> None:
    """Prints lines per second of batches, and microseconds of a text in `tf.data`."""
    lines = synthetic_lines(LINES)
    tokenizer = WordPiece.learn(lines[: LINES // 2], vocabulary_size=8_000)
    text, same = Text(tokenizer), bert(tokenizer)
    batches = [tf.constant(lines[i : i + BATCH]) for i in range(0, LINES, BATCH)]
    tokenize = tf.function(
        tokenizer.tokenize, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False
    )

    ours = [ids for batch in batches for ids in tokenize(batch).to_list()]
    theirs = [encoding.ids for encoding in same.encode_batch(lines)]
    print(f"lines that differ: {sum(a != b for a, b in zip(ours, theirs, strict=True))}")
    rate = LINES / seconds(lambda: [tokenize(batch) for batch in batches])
    print(f"WordPiece.tokenize, batches of {BATCH}: {rate:,.0f} lines/s")
    rate = LINES / seconds(lambda: same.encode_batch(lines))
    print(f"tokenizers encode_batch: {rate:,.0f} lines/s")
    rate = LINES / seconds(lambda: [same.encode(line) for line in lines])
    print(f"tokenizers encode, one by one: {rate:,.0f} lines/s")

    dataset = tf.data.Dataset.from_tensor_slices(lines)
    works = {
        "nothing (a map of one operation)": dataset.map(tf.strings.length).batch(100),
        "Text.preprocess": dataset.map(text.preprocess).batch(100),
        "Text.preprocess_batch": dataset.batch(100).map(text.preprocess_batch),
    }
    for name, work in works.items():
        each = seconds(lambda work=work: drain(work), times=2) / LINES
        print(f"tf.data on one thread, {name}: {each * 1e6:.0f} µs a line")


if __name__ == "__main__":
    main()
