"""How fast texts are written, beside `generate` of `transformers` on PyTorch.

    CUDA_VISIBLE_DEVICES= python benchmarks/generation.py

An encoder-decoder of random weights reads a text of 64 pieces and writes one of 64, greedily and
with a key-value cache, without ever choosing the end: a `MultimodalModel` with the task
`TextGeneration` on this side, Marian of the same width, depth, heads and vocabulary on the other,
which ties its embeddings in the same way. Each contender runs in a process of its own, with one
thread, in turns; the shortest run counts, from the ids that are read to those that are written. CPU
seconds stand beside the wall clock because they hardly change when the machine is shared. The table
goes to `benchmarks/results/generation.md`.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import contest
import numpy as np

#: One: where other work runs, OpenMP's threads wait for each other longer than they compute.
THREADS = 1
ROUNDS, RUNS = 2, 5
RESULTS = Path(__file__).parent / "results" / "generation.md"
DIM, DEPTH, NUM_HEADS, VOCABULARY = 256, 4, 4, 8_000
SOURCE, NEW_TOKENS = 64, 64
BATCHES = (1, 8)
#: What is asked for: as many times their tokens in each second.
BAR = 1.3

Work = Callable[[], np.ndarray]


def source_ids(batch: int) -> np.ndarray:
    """int32 [batch, SOURCE]: pieces of texts, none of them special."""
    return np.random.default_rng(0).integers(10, VOCABULARY - 10, (batch, SOURCE), "int32")


def our_model(max_tokens: int):
    """A model of random weights, whose task writes up to `max_tokens` pieces."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    import mmkeras as mm

    special = ("<pad>", "<unk>")
    # And the end, which the task adds.
    letters = [chr(0x4E00 + i) for i in range(VOCABULARY - len(special) - 1)]
    tokenizer = mm.tokenizers.CharacterTokenizer((*special, *letters))
    stack = mm.layers.Size(DIM, DEPTH, NUM_HEADS, 4 * DIM).stack()
    return mm.MultimodalModel(
        fields={"text": mm.Text(tokenizer, max_length=SOURCE)},
        tasks={
            "answer": mm.TextGeneration(
                tokenizer, max_tokens=max_tokens, depth=DEPTH, num_heads=NUM_HEADS
            )
        },
        encoders={"text": mm.encoders.TextTransformer(VOCABULARY, SOURCE, stack)},
        fusion=mm.fusions.Late(DIM),
    )


def endless(model) -> None:
    """Makes the end as improbable as padding is: it is never chosen."""
    head = model.get_layer("answer")
    head.silent = (*head.silent, head.end)


def our_signature(batch: int, new_tokens: int) -> Work:
    """The signature `tensors` of an exported SavedModel, in plain TensorFlow."""
    import tensorflow as tf

    import mmkeras as mm

    model = our_model(new_tokens - 1)
    endless(model)
    with tempfile.TemporaryDirectory() as folder:
        path = mm.export.saved_model(model, Path(folder) / "1").path
        loaded = tf.saved_model.load(str(path))
    ids = tf.constant(source_ids(batch))
    call = loaded.signatures["tensors"]
    return lambda: call(text_token_ids=ids)["answer_token_ids"].numpy()


def our_call(jit: bool, batch: int, new_tokens: int) -> Work:
    """The model in a `tf.function`."""
    model = our_model(new_tokens - 1)
    endless(model)

    import tensorflow as tf

    ids = tf.constant(source_ids(batch))
    call = tf.function(
        lambda ids: model({"text_token_ids": ids}, training=False)["answer"]["token_ids"],
        jit_compile=jit,
    )
    return lambda: call(ids).numpy()


def their_generate(static: bool, batch: int, new_tokens: int) -> Work:
    """Marian's `generate`, with its usual growing cache, or a static one and a compiled step."""
    import torch
    import transformers

    torch.set_num_threads(THREADS)
    transformers.logging.set_verbosity_error()
    end = VOCABULARY - 1
    config = transformers.MarianConfig(
        vocab_size=VOCABULARY,
        d_model=DIM,
        encoder_layers=DEPTH,
        decoder_layers=DEPTH,
        encoder_attention_heads=NUM_HEADS,
        decoder_attention_heads=NUM_HEADS,
        encoder_ffn_dim=4 * DIM,
        decoder_ffn_dim=4 * DIM,
        activation_function="gelu",
        max_position_embeddings=max(SOURCE, new_tokens + 1),
        pad_token_id=0,
        eos_token_id=end,
        decoder_start_token_id=end,
        forced_eos_token_id=None,
    )
    config._attn_implementation = "sdpa"
    model = transformers.MarianMTModel(config).eval()
    ids = torch.tensor(source_ids(batch)).long()
    options = {"cache_implementation": "static"} if static else {}

    def work():
        with torch.inference_mode():
            made = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=new_tokens,
                min_new_tokens=new_tokens,
                do_sample=False,
                num_beams=1,
                **options,
            )
        return made[:, 1:].numpy()

    return work


OURS: dict[str, Callable[[int, int], Work]] = {
    "SavedModel": our_signature,
    "graph": lambda *shape: our_call(False, *shape),
    "XLA": lambda *shape: our_call(True, *shape),
}
THEIRS: dict[str, Callable[[int, int], Work]] = {
    "generate": lambda *shape: their_generate(False, *shape),
    "generate, static cache": lambda *shape: their_generate(True, *shape),
}


def one(contender: str, batch: int) -> dict[str, list[float]]:
    """Wall clock and CPU seconds of a contender's runs, once it is seen that it does the work."""
    work = {**OURS, **THEIRS}[contender](batch, NEW_TOKENS)
    made = work()
    if made.shape != (batch, NEW_TOKENS) or not np.all((made > 0) & (made < VOCABULARY - 1)):
        raise RuntimeError(f"{contender} did not write {NEW_TOKENS} pieces: {made}")
    return contest.measure(work, RUNS)


def compare(batch: int) -> list[str]:
    """The rows of a table: tokens in a second, by both clocks."""
    best: dict[str, dict[str, float]] = {}
    for _ in range(ROUNDS):
        for contender in (*OURS, *THEIRS):
            seconds = contest.in_process(__file__, contender, batch, threads=THREADS)
            print(batch, contender, seconds, flush=True)
            kept = best.setdefault(contender, {"wall": np.inf, "cpu": np.inf})
            for clock in kept:
                kept[clock] = min(kept[clock], *seconds[clock])
    speed = {
        contender: {clock: batch * NEW_TOKENS / spent for clock, spent in seconds.items()}
        for contender, seconds in best.items()
    }
    rows = [f"\nBatch {batch}\n", "| | | tokens/s | tokens/CPU s |", "|---|---|--:|--:|"]
    for contender, clocks in speed.items():
        who = "mmkeras" if contender in OURS else "transformers"
        rows.append(f"| {who} | {contender} | {clocks['wall']:.0f} | {clocks['cpu']:.0f} |")
    ratio = {
        clock: max(speed[name][clock] for name in OURS) / max(speed[name][clock] for name in THEIRS)
        for clock in ("wall", "cpu")
    }
    rows.append(
        f"\nBest to best: {ratio['wall']:.2f} times the tokens by the wall clock (bar {BAR}), "
        f"{ratio['cpu']:.2f} times by CPU seconds."
    )
    return rows


def main() -> None:
    """Runs all comparisons, and writes their tables."""
    rows = [
        "# Generation beside PyTorch's",
        "",
        f"An encoder-decoder of width {DIM}, {DEPTH} and {DEPTH} blocks of {NUM_HEADS} heads, "
        f"{VOCABULARY} pieces, float32; {SOURCE} pieces are read and {NEW_TOKENS} written, "
        "greedily, the end never among them.",
        "",
        contest.machine(THREADS, "tensorflow", "keras", "torch", "transformers"),
    ]
    for batch in BATCHES:
        rows += compare(batch)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(rows) + "\n")
    print(RESULTS.read_text())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        contender, batch = sys.argv[2:]
        print(json.dumps(one(contender, int(batch))))
    else:
        main()
