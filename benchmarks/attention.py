"""Time and memory of attention, forward and backward, beside Keras' and PyTorch's.

    CUDA_VISIBLE_DEVICES= python benchmarks/attention.py

8 heads of 64 channels, batch 1, float32. Every contender runs at every length in processes of its
own, in turns; medians count. Memory is the peak of the process above what it held after a first
computation with few tokens. The table goes to `benchmarks/results/attention.md`, a plot of time and
memory against length to `benchmarks/results/attention.png`.
"""

import json
import resource
import sys
from pathlib import Path

import contest
import matplotlib.pyplot as plt
import numpy as np

THREADS = 2
HEADS, DIM = 8, 64
RESULTS = Path(__file__).parent / "results"
LENGTHS = [2**power for power in range(7, 15)]
#: Its score matrices of 16,384 tokens alone take more memory than the machine has.
LONGEST_KERAS = 8_192
#: A value for each length, by contender.
Curves = dict[str, dict[int, float]]
CONTENDERS = ("mmkeras", "mmkeras, causal", "keras", "torch")


def tensors(length: int) -> list[np.ndarray]:
    """Queries, keys, values and the gradient of the result, of shape [1, length, heads, dim]."""
    random = np.random.default_rng(0)
    return [random.normal(size=(1, length, HEADS, DIM)).astype("float32") for _ in range(4)]


def in_tensorflow(contender: str, length: int):
    """The gradients by `mmkeras` or `keras`, in one graph."""
    import tensorflow as tf
    from keras import ops

    from mmkeras.layers import AttentionMask, dot_product_attention

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    attend = {
        "mmkeras": dot_product_attention,
        "mmkeras, causal": lambda *qkv: dot_product_attention(*qkv, AttentionMask(causal=True)),
        "keras": ops.dot_product_attention,
    }[contender]

    @tf.function
    def gradients(query, key, value, upstream):
        with tf.GradientTape() as tape:
            tape.watch([query, key, value])
            result = attend(query, key, value)
        return tape.gradient(result, [query, key, value], output_gradients=upstream)

    constants = [tf.constant(x) for x in tensors(length)]
    return lambda: [x.numpy() for x in gradients(*constants)]


def in_torch(length: int):
    """The same by PyTorch."""
    import torch

    torch.set_num_threads(THREADS)
    *qkv, upstream = (torch.tensor(x).transpose(1, 2).contiguous() for x in tensors(length))
    for tensor in qkv:
        tensor.requires_grad_()

    def work():
        result = torch.nn.functional.scaled_dot_product_attention(*qkv)
        return torch.autograd.grad(result, qkv, upstream)

    return work


def prepare(contender: str, length: int):
    """The work of a contender."""
    return in_torch(length) if contender == "torch" else in_tensorflow(contender, length)


def peak() -> float:
    """The most memory that this process ever held, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def one(contender: str, length: int) -> dict[str, object]:
    """Seconds and GB of a contender, in this process."""
    prepare(contender, 16)()
    before = peak()
    seconds = contest.measure(prepare(contender, length), runs=max(3, min(30, 16_384 // length)))
    return {"seconds": seconds["wall"], "memory": peak() - before}


def table(medians: Curves, memory: Curves) -> list[str]:
    """Rows of seconds, and of GB, by length."""
    rows = []
    for unit, values in (("milliseconds", medians), ("GB above idle", memory)):
        rows += ["", "| " + " | ".join([unit, *map(str, LENGTHS)]) + " |"]
        rows += ["|---|" + "--:|" * len(LENGTHS)]
        for name, by_length in values.items():
            scale = 1_000 if unit == "milliseconds" else 1
            cells = (f"{scale * by_length[n]:.3g}" if n in by_length else "–" for n in LENGTHS)
            rows.append("| " + " | ".join([name, *cells]) + " |")
    return rows


def findings(
    medians: dict[str, dict[int, float]], memory: dict[str, dict[int, float]]
) -> list[str]:
    """The ratios that matter, beside their bars."""
    ours, causal = medians["mmkeras"], medians["mmkeras, causal"]
    short = {n: ours[n] / medians["keras"][n] for n in LENGTHS if n <= 1_024}
    lengths = [n for n in LENGTHS if n >= 1_024]
    fit, *_ = np.polyfit(np.log(lengths), np.log([memory["mmkeras"][n] for n in lengths]), 1)
    ratios = ", ".join(f"{ratio:.2f} at {n}" for n, ratio in short.items())
    return [
        "",
        f"- 8,192 tokens: {ours[8192] / medians['torch'][8192]:.2f} of PyTorch's time (bar 0.7), "
        f"1/{memory['keras'][8192] / memory['mmkeras'][8192]:.0f} of Keras' memory (bar 1/8); "
        f"causal {causal[8192] / ours[8192]:.2f} of the full square (bar 0.65).",
        f"- 16,384 tokens: {memory['mmkeras'][16384]:.2f} GB (bar 3).",
        f"- Short, of Keras' time (bar 1.05): {ratios}.",
        f"- Memory grows with length to the power of {fit:.2f} from 1,024 to 16,384.",
    ]


def plot(medians: Curves, memory: Curves) -> None:
    """Both against length."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), constrained_layout=True)
    titles = ("seconds, forward + backward", "GB above idle")
    for axis, title, values in zip(axes, titles, (medians, memory), strict=True):
        for name, by_length in values.items():
            axis.loglog(list(by_length), list(by_length.values()), "o-", label=name)
        axis.set_xlabel("tokens")
        axis.set_title(title)
        axis.grid(alpha=0.3)
    low, high = 1_024, LENGTHS[-1]
    ends = [memory["mmkeras"][high] * low / high, memory["mmkeras"][high]]
    axes[1].loglog([low, high], ends, "k:", label="linear in length")
    axes[1].legend()
    for axis in axes:
        axis.set_xticks(LENGTHS, map(str, LENGTHS))
        axis.minorticks_off()
    figure.savefig(RESULTS / "attention.png", dpi=110)


def main() -> None:
    """All of them."""
    medians: Curves = {}
    memory: Curves = {}
    for length in LENGTHS:
        seconds: dict[str, list[float]] = {}
        for _ in range(3 if length <= 1_024 else 1):
            for contender in CONTENDERS:
                if contender == "keras" and length > LONGEST_KERAS:
                    continue
                result = contest.in_process(__file__, contender, length, threads=THREADS)
                seconds.setdefault(contender, []).extend(result["seconds"])
                kept = memory.setdefault(contender, {})
                kept[length] = max(kept.get(length, 0.0), result["memory"])
        for contender, runs in seconds.items():
            medians.setdefault(contender, {})[length] = float(np.median(runs))
            print(contender, length, medians[contender][length], memory[contender][length])
    rows = [
        "# Attention, forward and backward",
        "",
        contest.machine(THREADS, "tensorflow", "keras", "torch"),
        *table(medians, memory),
        *findings(medians, memory),
        "",
        "![Time and memory against length](attention.png)",
    ]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "attention.md").write_text("\n".join(rows) + "\n")
    plot(medians, memory)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one(sys.argv[2], int(sys.argv[3]))))
    else:
        main()
