"""How fast the package's Transformers are, beside `transformers` on PyTorch.

    CUDA_VISIBLE_DEVICES= python benchmarks/transformer.py [forward] [half] [train] [decode] [long]

Every contender runs in a process of its own, with the same number of threads, in turns; the
shortest run counts. CPU seconds stand beside the wall clock because they hardly change when the
machine is shared. The table goes to `benchmarks/results/transformer.md`.
"""

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path

import contest
import numpy as np

THREADS = 2
ROUNDS, RUNS = 2, 4
RESULTS = Path(__file__).parent / "results" / "transformer.md"

Work = Callable[[], object]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What is compared: contenders by name, ours and theirs, and the bar for best / best."""

    title: str
    ours: dict[str, Callable[[], Work]]
    theirs: dict[str, Callable[[], Work]]
    bar: float | None = None


def tensorflow():
    """TensorFlow with its threads counted."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    return tf


def torch_and_transformers():
    """PyTorch with its threads counted, and `transformers`."""
    import torch
    import transformers

    torch.set_num_threads(THREADS)
    transformers.logging.set_verbosity_error()
    return torch, transformers


def pictures(count: int) -> np.ndarray:
    """Noise of 224 by 224 pixels."""
    return np.random.default_rng(0).normal(size=(count, 224, 224, 3)).astype("float32")


def vit(dim: int, num_heads: int):
    """The package's ViT of 12 blocks on 224 pixels, with a plain stem."""
    from mmkeras.encoders import ViT
    from mmkeras.layers import Size

    return ViT(
        224,
        224,
        patch_size=16,
        stack=Size(dim, depth=12, num_heads=num_heads, mlp_dim=4 * dim).stack(),
        dropout=0.0,
        stem="patch",
    )


def our_forward(jit: bool, policy: str = "float32") -> Work:
    """ViT-B/16, batch 8."""
    tf = tensorflow()
    import keras

    keras.config.set_dtype_policy(policy)
    encoder = vit(768, 12)
    inputs = {"pixels": tf.constant(pictures(8)), "present": tf.ones([8], "bool")}
    encoder(inputs)
    run = tf.function(lambda tensors: encoder(tensors, training=False).values, jit_compile=jit)
    return lambda: tf.cast(run(inputs), "float32").numpy()


def their_forward(compiled: bool, half: bool = False) -> Work:
    """The same."""
    torch, transformers = torch_and_transformers()
    config = transformers.ViTConfig()
    config._attn_implementation = "sdpa"
    model = transformers.ViTModel(config, add_pooling_layer=False).eval()
    inputs = torch.tensor(pictures(8).transpose(0, 3, 1, 2).copy())
    if half:
        model, inputs = model.to(torch.bfloat16), inputs.to(torch.bfloat16)
    model = torch.compile(model) if compiled else model

    def work():
        with torch.inference_mode():
            return model(inputs).last_hidden_state.float().numpy()

    return work


def our_train(jit: bool) -> Work:
    """One AdamW step of ViT-Ti/16 with 1000 classes, batch 32, as `fit` takes it."""
    tf = tensorflow()
    import keras

    inputs = {
        "pixels": keras.Input((224, 224, 3), name="pixels"),
        "present": keras.Input((), dtype="bool", name="present"),
    }
    pooled = keras.ops.mean(vit(192, 3)(inputs).values, axis=1)
    model = keras.Model(inputs, keras.layers.Dense(1000)(pooled))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(1e-4), loss, jit_compile=jit)
    batch = {"pixels": tf.constant(pictures(32)), "present": tf.ones([32], "bool")}
    labels = tf.range(32)
    return lambda: model.train_on_batch(batch, labels)


def their_train(compiled: bool) -> Work:
    """The same."""
    torch, transformers = torch_and_transformers()
    config = transformers.ViTConfig(
        hidden_size=192,
        num_attention_heads=3,
        intermediate_size=768,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        num_labels=1000,
    )
    config._attn_implementation = "sdpa"
    model = transformers.ViTForImageClassification(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4)
    inputs = torch.tensor(pictures(32).transpose(0, 3, 1, 2).copy())
    labels = torch.arange(32)
    model = torch.compile(model) if compiled else model

    def work():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(inputs).logits, labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return work


def our_decode(jit: bool, new_tokens: int = 64) -> Work:
    """Greedy search with a GPT-2-small of random weights, batch 1."""
    tf = tensorflow()
    import keras
    from keras import ops

    from mmkeras.decoding import greedy_search
    from mmkeras.layers import (
        FeedForward,
        MultiHeadAttention,
        TransformerDecoder,
        TransformerDecoderBlock,
    )

    dim = 768
    embedding = keras.layers.ReversibleEmbedding(50_257, dim)
    positions = keras.layers.Embedding(1_024, dim)
    decoder = TransformerDecoder(
        [
            TransformerDecoderBlock(MultiHeadAttention(dim, 12), FeedForward(dim, 4 * dim))
            for _ in range(12)
        ],
        keras.layers.LayerNormalization(epsilon=1e-5),
    )
    embedding.build((None,))
    positions.build((None,))
    decoder.build((None, None, dim))

    def step(token_ids, state):
        place, cache = state
        values, cache = decoder((embedding(token_ids) + positions(place))[:, None], cache=cache)
        return embedding(values[:, 0], reverse=True), (place + 1, cache)

    def generate(first_ids):
        state = ops.zeros((1,), dtype="int32"), decoder.initial_cache(1, new_tokens)
        return greedy_search(step, state, first_ids, max_new_tokens=new_tokens).token_ids

    run = tf.function(generate, jit_compile=jit)
    return lambda: run(tf.constant([5])).numpy()


def their_decode(static: bool, new_tokens: int = 64) -> Work:
    """The same by `generate`, with its usual growing cache or a static one and a compiled step."""
    torch, transformers = torch_and_transformers()
    config = transformers.GPT2Config()
    config._attn_implementation = "sdpa"
    model = transformers.GPT2LMHeadModel(config).eval()
    model.generation_config.eos_token_id = None
    first = torch.tensor([[5]])
    options = {"cache_implementation": "static"} if static else {}

    def work():
        with torch.inference_mode():
            return model.generate(
                first,
                attention_mask=torch.ones_like(first),
                max_new_tokens=new_tokens,
                do_sample=False,
                pad_token_id=0,
                **options,
            )

    return work


COMPARISONS = {
    "forward": Comparison(
        "ViT-B/16 forward, batch 8, 224 px, float32",
        {"XLA": lambda: our_forward(True), "graph": lambda: our_forward(False)},
        {"eager": lambda: their_forward(False), "torch.compile": lambda: their_forward(True)},
        bar=0.6,
    ),
    "half": Comparison(
        "ViT-B/16 forward, batch 8, 224 px, bfloat16",
        {"graph": lambda: our_forward(False, "mixed_bfloat16")},
        {"eager": lambda: their_forward(False, half=True)},
    ),
    "train": Comparison(
        "ViT-Ti/16 training step, batch 32, 224 px, float32",
        {"graph": lambda: our_train(False), "XLA": lambda: our_train(True)},
        {"eager": lambda: their_train(False), "torch.compile": lambda: their_train(True)},
        bar=0.8,
    ),
    "decode": Comparison(
        "GPT-2-small size, 64 tokens greedily, batch 1, float32",
        {"XLA": lambda: our_decode(True), "graph": lambda: our_decode(False)},
        {"generate": lambda: their_decode(False), "generate, static": lambda: their_decode(True)},
        bar=0.75,
    ),
    "long": Comparison(
        "GPT-2-small size, greedily, batch 1, float32: milliseconds for each token",
        {f"XLA, {n} tokens": lambda n=n: our_decode(True, n) for n in (16, 64, 256, 512)},
        {f"generate, {n} tokens": lambda n=n: their_decode(False, n) for n in (64, 256)},
    ),
}


def contend(name: str, side: str, contender: str) -> dict[str, list[float]]:
    """Wall clock and CPU seconds of a few runs in a process of its own."""
    freezing = "1" if name == "forward" else "0"
    return contest.in_process(
        __file__, name, side, contender, threads=THREADS, TORCHINDUCTOR_FREEZING=freezing
    )


def compare(name: str) -> list[str]:
    """The rows of a table."""
    comparison = COMPARISONS[name]
    best: dict[tuple[str, str], dict[str, float]] = {}
    for _ in range(ROUNDS):
        for side in ("ours", "theirs"):
            for contender in getattr(comparison, side):
                seconds = contend(name, side, contender)
                print(name, side, contender, seconds, flush=True)
                kept = best.setdefault((side, contender), {"wall": np.inf, "cpu": np.inf})
                for clock in kept:
                    kept[clock] = min(kept[clock], *seconds[clock])
    rows = [f"\n{comparison.title}\n", "| | | wall s | CPU s |", "|---|---|--:|--:|"]
    for (side, contender), seconds in best.items():
        who = "mmkeras" if side == "ours" else "transformers"
        scale = 1_000 / int(contender.split()[-2]) if name == "long" else 1.0
        wall, cpu = (f"{scale * seconds[clock]:.3g}" for clock in ("wall", "cpu"))
        rows.append(f"| {who} | {contender} | {wall} | {cpu} |")
    if name != "long":
        ratios = {
            clock: min(s[clock] for (side, _), s in best.items() if side == "ours")
            / min(s[clock] for (side, _), s in best.items() if side == "theirs")
            for clock in ("wall", "cpu")
        }
        bar = "" if comparison.bar is None else f" (bar {comparison.bar})"
        rows.append(
            f"\nBest to best: {ratios['wall']:.2f} of the wall clock{bar}, {ratios['cpu']:.2f} of "
            "the CPU seconds."
        )
    return rows


def main(names: list[str]) -> None:
    """Runs the named comparisons, or all, and writes their tables."""
    rows = [
        "# Transformers beside PyTorch's",
        "",
        contest.machine(THREADS, "tensorflow", "keras", "torch", "transformers"),
    ]
    for name in names or COMPARISONS:
        rows += compare(name)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(rows) + "\n")
    print(RESULTS.read_text())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        name, side, contender = sys.argv[2:]
        print(json.dumps(contest.measure(getattr(COMPARISONS[name], side)[contender](), RUNS)))
    else:
        main(sys.argv[1:])
