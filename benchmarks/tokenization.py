"""How many lines a second the tokenizers cut, beside `tokenizers` and `sentencepiece`.

And how many lines they cut otherwise.

    CUDA_VISIBLE_DEVICES= python benchmarks/tokenization.py

Two times 50,000 lines: of words whose frequency falls with their rank, as in natural text; and in
24 scripts with names in 14 languages, emoji, control characters and anything else in Unicode. Ours
cut them in `tf.data`, in batches; the packages all lines at once, on all cores. The shortest of
three runs counts, the contenders taking turns. The table goes to
`benchmarks/results/tokenization.md`.
"""

import functools
import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import contest
import numpy as np
import sentencepiece
import tensorflow as tf

from mmkeras.testing.peers import peer
from mmkeras.testing.texts import many_scripts
from mmkeras.tokenizers import ByteBPE, Unigram, WordPiece, read
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
    "Unigram, NMT and NFKC": Unigram.learn,
    "Unigram, T5": lambda texts, size: Unigram.learn(
        texts,
        size,
        rule="whitespace",
        normalization=("precompiled",),
        charsmap=read(sentencepiece_model(texts, size)).charsmap,
    ),
}


def sentencepiece_model(texts: Sequence[str], size: int) -> Path:
    """A model that SentencePiece learned."""
    folder = Path(tempfile.mkdtemp())
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text.replace("\n", " ") for text in texts),
        model_prefix=str(folder / "spiece"),
        vocab_size=size,
        hard_vocab_limit=False,
        character_coverage=0.98,
        minloglevel=2,
    )
    return folder / "spiece.model"


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


def row(
    name: str,
    lines: list[str],
    tokenizer: SubwordTokenizer,
    encode: Callable[[list[str]], Any],
    expected: list[list[int]],
    offsets: list[list[tuple[int, int]]] | None,
) -> str:
    """A row of the table."""
    texts = tf.data.Dataset.from_tensor_slices(lines).batch(BATCH)
    ids = texts.map(tokenizer.tokenize, num_parallel_calls=tf.data.AUTOTUNE)
    ours = [cut for batch in ids for cut in batch.to_list()]
    differ = sum(a != b for a, b in zip(ours, expected, strict=True))
    moved: int | str = "-"
    if offsets is not None:
        spans = [
            list(zip(starts, ends))
            for pieces in texts.map(tokenizer.tokenize_with_offsets)
            for starts, ends in zip(pieces.starts.to_list(), pieces.ends.to_list())
        ]
        moved = sum(a != b for a, b in zip(spans, offsets, strict=True))
    best = {"ours": np.inf, "theirs": np.inf}
    works = {"ours": lambda: list(ids), "theirs": lambda: encode(lines)}
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
    rows = ["# Tokenizers beside the `tokenizers` package and `sentencepiece`", ""]
    rows += [contest.machine(2, "tensorflow", "tokenizers", "sentencepiece")]
    for title, make in {"words": natural_lines, "24 scripts": many_scripts}.items():
        rows += ["", f"{LINES:,} lines of {title}", ""]
        rows += ["| | lines/s | peer | ratio | ids differ | offsets differ |"]
        rows += ["|---|--:|--:|--:|--:|--:|"]
        lines, training = make(LINES, seed=0), make(10_000, seed=1)
        for name, learn in KINDS.items():
            tokenizer = learn(training, 8_000)
            same = peer(tokenizer)
            cut = same.encode_batch(lines)
            ids, offsets = [one.ids for one in cut], [one.offsets for one in cut]
            rows.append(row(name, lines, tokenizer, same.encode_batch, ids, offsets))
            print(rows[-1], flush=True)
        path = sentencepiece_model(training, 8_000)
        same = sentencepiece.SentencePieceProcessor(model_file=str(path))
        encode = functools.partial(same.encode, num_threads=os.cpu_count())
        name = "Unigram, `.model`, beside sentencepiece"
        rows.append(row(name, lines, read(path), encode, encode(lines), None))
        print(rows[-1], flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
