"""How many lines a second the tokenizers cut, beside the `tokenizers` package, and how many differ.

    CUDA_VISIBLE_DEVICES= python benchmarks/tokenization.py

Two times 50,000 lines: of words whose frequency falls with their rank, as in natural text; and in
24 scripts with names in 14 languages, emoji, control characters and anything else in Unicode. Ours
cut them in `tf.data`, in batches; the package by `encode_batch`, on all cores. The shortest of
three runs counts, the contenders taking turns. The table goes to
`benchmarks/results/tokenization.md`.
"""

import random
import time
from collections.abc import Callable
from pathlib import Path

import contest
import numpy as np
import tensorflow as tf

from mmkeras.testing.peers import peer
from mmkeras.testing.texts import many_scripts
from mmkeras.tokenizers import ByteBPE, WordPiece
from mmkeras.tokenizers.subwords import SubwordTokenizer

LINES = 50_000
BATCH = 1_024
RUNS = 3
RESULTS = Path(__file__).parent / "results" / "tokenization.md"
KINDS: dict[str, Callable[..., SubwordTokenizer]] = {
    "WordPiece, BERT uncased": lambda texts, size: WordPiece.learn(texts, size, strip_accents=True),
    "WordPiece, BERT cased": lambda texts, size: WordPiece.learn(texts, size, lowercase=False),
    "ByteBPE, GPT-2": ByteBPE.learn,
    "ByteBPE, RoBERTa": lambda texts, size: ByteBPE.learn(
        texts, size, prefix_space=True, trim_offsets=True
    ),
    "ByteBPE, CLIP": lambda texts, size: ByteBPE.learn(
        texts, size, rule="clip", suffix="</w>", normalization=("NFC", "lowercase")
    ),
}


def natural_lines(count: int, seed: int) -> list[str]:
    """Lines of 5 to 30 made-up words."""
    draw = random.Random(seed)
    syllables = ["ka", "lo", "mi", "ter", "an", "sen", "pro", "vi", "dom", "ur", "est", "ing", "ly"]
    words = ["".join(draw.choices(syllables, k=draw.randint(1, 4))) for _ in range(20_000)]
    weights = [1 / (rank + 1) for rank in range(len(words))]
    return [
        " ".join(draw.choices(words, weights, k=draw.randint(5, 30))).capitalize()
        + draw.choice(".!?")
        for _ in range(count)
    ]


def row(name: str, lines: list[str], tokenizer: SubwordTokenizer) -> str:
    """A row of the table."""
    same = peer(tokenizer)
    texts = tf.data.Dataset.from_tensor_slices(lines).batch(BATCH)
    ids = texts.map(tokenizer.tokenize, num_parallel_calls=tf.data.AUTOTUNE)
    ours = [cut for batch in ids for cut in batch.to_list()]
    theirs = [encoding.ids for encoding in same.encode_batch(lines)]
    differ = sum(a != b for a, b in zip(ours, theirs, strict=True))
    spans = [
        list(zip(starts, ends))
        for pieces in texts.map(tokenizer.tokenize_with_offsets)
        for starts, ends in zip(pieces.starts.to_list(), pieces.ends.to_list())
    ]
    expected = [encoding.offsets for encoding in same.encode_batch(lines)]
    moved = sum(a != b for a, b in zip(spans, expected, strict=True))
    best = {"ours": np.inf, "theirs": np.inf}
    works = {"ours": lambda: list(ids), "theirs": lambda: same.encode_batch(lines)}
    for _ in range(RUNS):
        for who, work in works.items():
            start = time.perf_counter()
            work()
            best[who] = min(best[who], time.perf_counter() - start)
    ours, theirs = (len(lines) / best[who] for who in ("ours", "theirs"))
    cells = (name, f"{ours:,.0f}", f"{theirs:,.0f}", f"{ours / theirs:.2f}", differ, moved)
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    """All tokenizers on both kinds of lines."""
    rows = ["# Tokenizers beside the `tokenizers` package", ""]
    rows += [contest.machine(2, "tensorflow", "tokenizers")]
    for title, make in {"words": natural_lines, "24 scripts": many_scripts}.items():
        rows += ["", f"{LINES:,} lines of {title}", ""]
        rows += ["| | lines/s | tokenizers | ratio | ids differ | offsets differ |"]
        rows += ["|---|--:|--:|--:|--:|--:|"]
        lines, training = make(LINES, seed=0), make(10_000, seed=1)
        for name, learn in KINDS.items():
            rows.append(row(name, lines, learn(training, 8_000)))
            print(rows[-1], flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
