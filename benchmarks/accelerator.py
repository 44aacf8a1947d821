"""How fast the package trains on a GPU, beside `timm` and `transformers` on PyTorch.

    python benchmarks/accelerator.py [check] [vit-64] [vit-256] [text] [--measured FILE]

One training step is forward, backward and an AdamW update in mixed bfloat16, of data that is on
the GPU already. `mmkeras` runs on Keras' JAX backend, where TensorFlow only reads data and needs
no GPU; JAX with CUDA, PyTorch, timm and transformers have to be installed. Every contender runs in
a process of its own, one after the other; the shortest of a few rounds counts. What was measured is
added to FILE, one JSON object a line, and not measured again. `check` compares what ViT-B/16 makes
of the same weights on the GPU and on TensorFlow's CPU. The tables go to
`benchmarks/results/accelerator.md`.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import contest
import numpy as np

RESULTS = Path(__file__).parent / "results" / "accelerator.md"
ROUNDS, STEPS = 4, 20
#: bfloat16 operations a second of matrix products, as the maker states them, by part of its name.
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}
#: Smaller with MMKERAS_TINY=1, to try the script where there is no GPU.
TINY = bool(os.environ.get("MMKERAS_TINY"))
DEPTH, DIM, SIDE = (1, 64, 32) if TINY else (12, 768, 224)
HEADS, CLASSES = DIM // 64, 1_000
VOCABULARY, LENGTH, TEXTS = (100, 32, 2) if TINY else (30_522, 512, 32)
BATCHES = {"vit-64": 2, "vit-256": 4} if TINY else {"vit-64": 64, "vit-256": 256}

Timed = dict[str, Any]
#: What is told of where something was measured.
USED = ("device", "packages")


def operations(tokens: int, inputs: int) -> float:
    """Of a training step for one sample: three times those of the forward pass.

    A multiplication and an addition count as two. The matrices of a block, its attention, and the
    projection of patches; heads, norms and activations are left out.
    """
    block = 12 * DIM * DIM * tokens + 2 * tokens * tokens * DIM
    return 3 * 2 * (DEPTH * block + inputs * DIM * tokens)


def pictures(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise, and classes."""
    random = np.random.default_rng(0)
    pixels = random.normal(size=(count, SIDE, SIDE, 3)).astype("float32")
    return pixels, random.integers(CLASSES, size=count).astype("int32")


def texts() -> tuple[np.ndarray, np.ndarray]:
    """Token ids, of which half the length to the whole are no padding (0), and classes."""
    random = np.random.default_rng(0)
    ids = random.integers(1, VOCABULARY, size=(TEXTS, LENGTH))
    lengths = np.linspace(LENGTH // 2, LENGTH, TEXTS).astype(int)
    ids[np.arange(LENGTH) >= lengths[:, None]] = 0
    return ids.astype("int32"), random.integers(2, size=TEXTS).astype("int32")


# mmkeras --------------------------------------------------------------------------------------


def our_vit(policy: str = "mixed_bfloat16", dropout: float = 0.0) -> Any:
    """ViT-B/16 with 1000 classes."""
    import keras

    import mmkeras as mm

    keras.config.set_dtype_policy(policy)
    size = mm.layers.Size(DIM, DEPTH, HEADS, 4 * DIM)
    encoder = mm.encoders.ViT(
        SIDE, SIDE, 16, stack=size.stack(dropout), dropout=dropout, stem="patch"
    )
    classes = [str(i) for i in range(CLASSES)]
    return mm.MultimodalModel(
        fields={"photo": mm.Image(size=SIDE)},
        tasks={"kind": mm.Classification(classes, dropout=dropout)},
        encoders={"photo": encoder},
        fusion=mm.fusions.Late(DIM),
    )


def our_pictures(count: int) -> Any:
    """A batch for it."""
    pixels, classes = pictures(count)
    inputs = {"photo_pixels": pixels, "photo_present": np.ones(count, bool)}
    return inputs, {"kind": classes}, {"kind": np.ones(count, "float32")}


def our_bert() -> Any:
    """An encoder of BERT-base's size with two classes."""
    import keras

    import mmkeras as mm

    keras.config.set_dtype_policy("mixed_bfloat16")
    size = mm.layers.Size(DIM, DEPTH, HEADS, 4 * DIM)
    encoder = mm.encoders.TextTransformer(VOCABULARY, LENGTH, stack=size.stack(), dropout=0.0)
    return mm.MultimodalModel(
        fields={"text": mm.Text(mm.tokenizers.ByteTokenizer(), max_length=LENGTH)},
        tasks={"kind": mm.Classification(["no", "yes"], dropout=0.0, pool="first")},
        encoders={"text": encoder},
        fusion=mm.fusions.Late(DIM),
    )


def our_texts() -> Any:
    """A batch for it."""
    ids, classes = texts()
    return {"text_token_ids": ids}, {"kind": classes}, {"kind": np.ones(TEXTS, "float32")}


def our_steps(model: Any, batch: Any, flash: bool = True) -> Timed:
    """The compiled `train_step` of Keras, its state passed on from step to step."""
    import jax
    import keras

    if not flash:
        keras.config.disable_flash_attention()
    model.compile(keras.optimizers.AdamW(1e-4, weight_decay=0.05))
    model.optimizer.build(model.trainable_variables)
    parts = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    # Copies: a step takes the memory of the state that it is given.
    state = tuple([jax.numpy.copy(variable.value) for variable in part] for part in parts)
    batch = jax.tree.map(jax.device_put, batch)
    step = jax.jit(model.train_step, donate_argnums=0)

    def steps(count: int) -> float:
        nonlocal state
        for _ in range(count):
            logs, state = step(state, batch)
        return float(logs["loss"])

    return timed(steps) | our_device()


def our_fit(model: Any, batch: Any) -> Timed:
    """`fit`, where `tf.data` gives it the batch anew from the memory of the host."""
    import keras
    import tensorflow as tf

    model.compile(keras.optimizers.AdamW(1e-4, weight_decay=0.05))
    data = tf.data.Dataset.from_tensors(batch).cache().repeat().prefetch(4)

    def steps(count: int) -> float:
        history = model.fit(data, steps_per_epoch=count, epochs=1, verbose=0, shuffle=False)
        return history.history["loss"][-1]

    return timed(steps) | our_device()


def our_device() -> Timed:
    """What it ran on, and the most memory that was in use."""
    import jax

    device = jax.devices()[0]
    used = (device.memory_stats() or {}).get("peak_bytes_in_use", 0)
    packages = f"keras {version('keras')} on jax {version('jax')}"
    return {"device": device.device_kind, "packages": packages, "bytes": used}


# PyTorch --------------------------------------------------------------------------------------


def their_vit(count: int, compiled: bool) -> Timed:
    """The same by `timm`."""
    import timm
    import torch

    name = "vit_base_patch16_224"
    sizes = {"img_size": SIDE, "depth": DEPTH, "embed_dim": DIM, "num_heads": HEADS}
    model = timm.create_model(name, num_classes=CLASSES, **(sizes if TINY else {}))
    pixels, classes = pictures(count)
    pixels = torch.tensor(pixels.transpose(0, 3, 1, 2).copy())
    classes = torch.tensor(classes.astype("int64"))
    found = their_steps(model, lambda model, x: model(x), pixels, classes, compiled)
    return found | {"packages": f"timm {version('timm')} on torch {version('torch')}"}


def their_bert(compiled: bool) -> Timed:
    """The same by `transformers`."""
    import torch
    import transformers

    config = transformers.BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=DIM,
        num_hidden_layers=DEPTH,
        num_attention_heads=HEADS,
        intermediate_size=4 * DIM,
        max_position_embeddings=LENGTH,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        num_labels=2,
    )
    config._attn_implementation = "sdpa"
    model = transformers.BertForSequenceClassification(config)
    ids, classes = texts()
    ids, classes = torch.tensor(ids.astype("int64")), torch.tensor(classes.astype("int64"))

    def logits(model: Any, ids: Any) -> Any:
        return model(input_ids=ids, attention_mask=(ids != 0).long()).logits

    found = their_steps(model, logits, ids, classes, compiled)
    packages = f"transformers {version('transformers')} on torch {version('torch')}"
    return found | {"packages": packages}


def their_steps(
    model: Any, logits: Callable[[Any, Any], Any], inputs: Any, classes: Any, compiled: bool
) -> Timed:
    """Steps under autocast with the fused AdamW."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_float32_matmul_precision("high")
    model, inputs, classes = model.to(device).train(), inputs.to(device), classes.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, weight_decay=0.05, fused=True)
    run = torch.compile(model) if compiled else model

    def steps(count: int) -> float:
        for _ in range(count):
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device, torch.bfloat16):
                loss = torch.nn.functional.cross_entropy(logits(run, inputs), classes)
            loss.backward()
            optimizer.step()
        return loss.item()

    found = timed(steps)
    if device == "cuda":
        found |= {"bytes": torch.cuda.max_memory_allocated()}
    return found | {"device": torch.cuda.get_device_name() if device == "cuda" else "cpu"}


# Measuring ------------------------------------------------------------------------------------


def timed(steps: Callable[[int], float]) -> Timed:
    """Seconds of a step: the means of a few rounds, each of which ends when its loss is there."""
    start = time.perf_counter()
    first = steps(3)
    compiling = time.perf_counter() - start
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        last = steps(STEPS)
        seconds.append((time.perf_counter() - start) / STEPS)
    return {"seconds": seconds, "first_s": compiling, "losses": [first, last]}


#: By comparison, what is timed by contender; ours begin with "mmkeras".
CONTENDERS: dict[str, dict[str, Callable[[], Timed]]] = {
    name: {
        "mmkeras": lambda count=count: our_steps(our_vit(), our_pictures(count)),
        "mmkeras, without flash attention": lambda count=count: our_steps(
            our_vit(), our_pictures(count), flash=False
        ),
        "mmkeras, fit": lambda count=count: our_fit(our_vit(), our_pictures(count)),
        "timm, torch.compile": lambda count=count: their_vit(count, True),
        "timm, eager": lambda count=count: their_vit(count, False),
    }
    for name, count in BATCHES.items()
} | {
    "text": {
        "mmkeras": lambda: our_steps(our_bert(), our_texts()),
        "mmkeras, without flash attention": lambda: our_steps(our_bert(), our_texts(), flash=False),
        "transformers, torch.compile": lambda: their_bert(True),
        "transformers, eager": lambda: their_bert(False),
    }
}


def our_logits(policy: str, precision: str, path: str) -> Timed:
    """Logits for 4 pictures, of weights that are the same everywhere, written to a file."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        jax.config.update("jax_default_matmul_precision", precision)
        if policy.endswith("without flash attention"):
            keras.config.disable_flash_attention()
    model = our_vit(policy.split(",")[0])
    for i, weight in enumerate(model.weights):
        if keras.backend.is_float_dtype(weight.dtype):
            drawn = np.random.default_rng(i).normal(size=weight.shape).astype("float32")
            # Scales of norms around 1, and matrices that keep the size of what they multiply.
            scale = 0.02 if len(weight.shape) < 2 else weight.shape[-2] ** -0.5
            weight.assign(scale * drawn + (1.0 if weight.path.endswith("gamma") else 0.0))
    inputs, _, _ = our_pictures(4)
    np.save(path, model.predict_on_batch(inputs)["kind"]["logits"].astype("float32"))
    return {"backend": keras.backend.backend()}


CHECKS = {
    "float32, exact": ("float32", "highest"),
    "float32, as JAX computes it": ("float32", "default"),
    "mixed_bfloat16": ("mixed_bfloat16", "default"),
    "mixed_bfloat16, without flash attention": (
        "mixed_bfloat16, without flash attention",
        "default",
    ),
}


def check() -> Timed:
    """How far logits on the GPU are from those of TensorFlow on the CPU, by precision."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "logits.npy")
        in_process("logits", "float32", "highest", path, KERAS_BACKEND="tensorflow")
        true = np.load(path)
        errors = {}
        for name, (policy, precision) in CHECKS.items():
            in_process("logits", policy, precision, path)
            errors[name] = float(np.linalg.norm(np.load(path) - true) / np.linalg.norm(true))
    return {"errors": errors, "size": float(np.abs(true).mean())}


def in_process(*arguments: str, **variables: str) -> Timed:
    """See `contest.in_process`: on JAX unless told otherwise, and with the GPU."""
    variables = {
        "KERAS_BACKEND": "jax",
        "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0"),
    } | variables
    return contest.in_process(__file__, *arguments, threads=os.cpu_count() or 1, **variables)


def one(arguments: list[str]) -> Timed:
    """Measures one contender in this process."""
    if arguments[0] == "logits":
        return our_logits(*arguments[1:])
    if arguments[1].startswith("mmkeras"):
        import tensorflow as tf

        # JAX has the GPU for itself.
        tf.config.set_visible_devices([], "GPU")
    return CONTENDERS[arguments[0]][arguments[1]]()


# The page -------------------------------------------------------------------------------------


def table(name: str, found: dict[str, Timed]) -> list[str]:
    """The rows of a comparison."""
    if name == "check":
        rows = ["", "Logits of ViT-B/16 for 4 pictures against TensorFlow on the CPU in float32:"]
        rows += ["", "| on the GPU | relative error |", "|---|--:|"]
        errors = found["check"]["errors"].items()
        return rows + [f"| {precision} | {error:.1e} |" for precision, error in errors]
    if name == "text":
        title = f"An encoder of BERT-base's size, {TEXTS} texts of up to {LENGTH} tokens"
        unit, count, work = "texts/s", TEXTS, operations(LENGTH, 0)
    else:
        count = BATCHES[name]
        title = f"ViT-B/16, {SIDE} px, {count} pictures"
        unit, work = "pictures/s", operations((SIDE // 16) ** 2, 768)
    rows = ["", title, "", f"| | ms | {unit} | share of peak | GB | first 3 steps, s |"]
    rows.append("|---|--:|--:|--:|--:|--:|")
    best = {who: min(measured["seconds"]) for who, measured in found.items()}
    for who, measured in found.items():
        peak = next((p for part, p in PEAKS.items() if part in measured["device"]), None)
        share = f"{work * count / best[who] / peak:.0%}" if peak else ""
        rows.append(
            f"| {who} | {1e3 * best[who]:.1f} | {count / best[who]:.0f} | {share} | "
            f"{measured['bytes'] / 1e9 if 'bytes' in measured else 0:.1f} | "
            f"{measured['first_s']:.0f} |"
        )
    theirs = [s for who, s in best.items() if not who.startswith("mmkeras")]
    if "mmkeras" in best and theirs:
        speed = min(theirs) / best["mmkeras"]
        rows += ["", f"Speed of mmkeras over that of the fastest other: {speed:.2f}."]
    return rows


def main() -> None:
    """Measures what is not yet measured, and writes the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {['check', *CONTENDERS]}; default: all")
    parser.add_argument("--measured", type=Path, help="keeps what was measured")
    parser.add_argument("--who", default="", help="only contenders whose names begin so")
    given = parser.parse_args()
    unknown = sorted(set(given.names) - {"check", *CONTENDERS})
    if unknown:
        parser.error(f"there is no {unknown}; there are {['check', *CONTENDERS]}.")
    lines = []
    if given.measured and given.measured.exists():
        lines = [json.loads(line) for line in given.measured.read_text().splitlines()]
    kept = {(line["name"], line["who"]): line["found"] for line in lines}
    for name in given.names or ["check", *CONTENDERS]:
        for who in CONTENDERS.get(name, {"check": None}):
            if (name, who) in kept or not who.startswith(given.who):
                continue
            try:
                found = check() if name == "check" else in_process(name, who)
            except RuntimeError as error:
                print(error, file=sys.stderr)
                continue
            kept[name, who] = found
            line = json.dumps({"name": name, "who": who, "found": found})
            print(line, flush=True)
            if given.measured:
                with given.measured.open("a") as file:
                    file.write(line + "\n")
    used = sorted({found[part] for found in kept.values() for part in USED if part in found})
    rows = [
        "# Training steps on a GPU, beside PyTorch's",
        "",
        f"{'; '.join(used)}. Mixed bfloat16, AdamW, data on the GPU (but for `fit`, which copies "
        "it from the host in every step); shares are of the GPU's dense bfloat16 peak; GB are the "
        "most that were in use.",
    ]
    for name in ["check", *CONTENDERS]:
        found = {who: kept[name, who] for n, who in kept if n == name}
        rows += table(name, found) if found else []
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(rows) + "\n")
    print(RESULTS.read_text())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one(sys.argv[2:])))
    else:
        main()
