"""Whether a report names the group that was wronged, and keeps silent where none was.

    mmkeras train emoji --out runs/emoji
    CUDA_VISIBLE_DEVICES= python benchmarks/planted_bias.py runs/emoji/model.keras

Twenty seeded runs of each wrong, of 300 of the demo's test and validation samples each, which are
dealt to four groups by chance, so that no group differs but by the wrong: half of a group's labels
flipped, its recordings muffled (the model hears recordings alone), its pictures darkened (it sees
pictures alone). A run counts as found where the first alarm names the group, and as quiet where
nothing was wronged and there is no alarm. The table goes to `benchmarks/results/planted_bias.md`.
"""

import argparse
from pathlib import Path
from typing import Any

import contest
import keras
import numpy as np
import tensorflow as tf

from mmkeras.evaluation import evaluate
from mmkeras.recipes import emoji
from mmkeras.sources import Table

RESULTS = Path(__file__).parent / "results" / "planted_bias.md"
RUNS, SAMPLES, GROUPS = 20, 300, ("a", "b", "c", "d")
#: What is wronged, and the fields that the model is left.
WRONGS = {
    "labels flipped": ("name", "image", "speech"),
    "recordings muffled": ("speech",),
    "pictures darkened": ("image",),
}


def rows() -> list[dict[str, Any]]:
    """The demo's held-out samples in memory."""
    found, columns = [], ("name", "image", "speech", "category")
    sources = emoji.sources()
    for part in ("test", "validation"):
        source = sources[part]
        for _, row in source.rows(dict.fromkeys(columns, bytes)):
            loaded = {key: value.numpy() for key, value in source.load(row).items()}
            texts = {key: loaded[key].decode() for key in ("name", "category")}
            found.append(loaded | texts)
    return found


def wronged(row: dict[str, Any], wrong: str, random: np.random.Generator) -> dict[str, Any]:
    """A sample that was treated worse than the others."""
    if wrong == "labels flipped":
        others = [name for name in emoji.CATEGORIES if name != row["category"]]
        return row | {
            "category": random.choice(others) if random.random() < 0.5 else row["category"]
        }
    if wrong == "recordings muffled":
        sound, rate = tf.audio.decode_wav(row["speech"])
        window = np.hanning(25) / np.hanning(25).sum()
        quiet = np.convolve(sound.numpy()[:, 0], window, mode="same")
        return row | {"speech": tf.audio.encode_wav(quiet[:, None].astype("float32"), rate).numpy()}
    picture = tf.io.decode_png(row["image"], channels=4).numpy()
    picture[..., :3] //= 4
    return row | {"image": tf.io.encode_png(picture).numpy()}


def run(model: Any, samples: list[dict[str, Any]], wrong: str, seed: int, plant: bool) -> list[str]:
    """The alarms of one report, the most significant first, and first of all who was wronged."""
    random = np.random.default_rng(seed)
    chosen = random.choice(len(samples), SAMPLES, replace=False)
    groups = random.choice(GROUPS, SAMPLES)
    victim = str(random.choice(GROUPS))
    made = []
    for place, group in zip(chosen, groups):
        row = samples[place] | {"group": str(group)}
        made.append(wronged(row, wrong, random) if plant and group == victim else row)
    hidden = [field for field in model.fields if field not in WRONGS[wrong]]
    report = evaluate(model, Table(made), slices=["group"], times=0, seed=seed, without=hidden)
    return [victim, *(gap.group for gap in report.gaps if gap.alarm)]


def main() -> None:
    """Runs and writes the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    model, samples = keras.saving.load_model(parser.parse_args().model), rows()
    lines = [
        contest.machine(2, "tensorflow", "keras"),
        "",
        f"| wrong done to one of four groups | named first, of {RUNS} | "
        f"no alarm where none was wronged, of {RUNS} |",
        "|---|--:|--:|",
    ]
    for wrong in WRONGS:
        planted = [run(model, samples, wrong, seed, plant=True) for seed in range(RUNS)]
        clean = [run(model, samples, wrong, seed + 100, plant=False) for seed in range(RUNS)]
        named = sum(found[1:2] == found[:1] for found in planted)
        quiet = sum(len(found) == 1 for found in clean)
        lines.append(f"| {wrong} | {named} | {quiet} |")
        print(lines[-1], flush=True)
    RESULTS.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
