"""Whether a report names the group that was wronged, and keeps silent where none was.

    mmkeras train emoji --out runs/emoji
    CUDA_VISIBLE_DEVICES= python benchmarks/planted_bias.py runs/emoji/model.keras

Twenty seeded runs of each wrong, of 300 of the demo's test and validation samples each, which are
dealt to four groups by chance, so that no group differs but by the wrong: half of a group's labels
flipped, its recordings muffled (the model hears recordings alone), its pictures darkened (it sees
pictures alone). A run counts as found where the first alarm names the group. Where nothing was
wronged, 200 deals of the same samples say how often there is an alarm without a cause. The table
goes to `benchmarks/results/planted_bias.md`.

Flipped labels and darkened pictures are named in all runs. By speech alone the demo is right so
seldom that 75 samples do not tell a muffled group: it is named in 2 and 6 of 20. Alarms without a
cause come in 3 to 4 of 100 deals; 5 are allowed.
"""

import argparse
from pathlib import Path
from typing import Any

import contest
import keras
import numpy as np
import tensorflow as tf

from mmkeras.evaluation import evaluate, gaps
from mmkeras.recipes import emoji
from mmkeras.sources import Table

RESULTS = Path(__file__).parent / "results" / "planted_bias.md"
RUNS, SAMPLES, GROUPS = 20, 300, ("a", "b", "c", "d")
#: Deals without a wrong.
DEALS = 200
#: What is wronged, and the fields that the model is left.
WRONGS = {
    "labels flipped": ("name", "image", "speech"),
    "recordings muffled": ("speech",),
    "recordings muffled strongly": ("speech",),
    "pictures darkened": ("image",),
    "pictures darkened strongly": ("image",),
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
    if "recordings" in wrong:
        sound, rate = tf.audio.decode_wav(row["speech"])
        # What is above 1.3 kHz is gone, or above 0.3 kHz.
        window = np.hanning(101 if "strongly" in wrong else 25)
        window /= window.sum()
        quiet = np.convolve(sound.numpy()[:, 0], window, mode="same")
        return row | {"speech": tf.audio.encode_wav(quiet[:, None].astype("float32"), rate).numpy()}
    picture = tf.io.decode_png(row["image"], channels=4).numpy()
    picture[..., :3] //= 16 if "strongly" in wrong else 4
    return row | {"image": tf.io.encode_png(picture).numpy()}


def planted(model: Any, samples: list[dict[str, Any]], wrong: str, seed: int) -> dict[str, Any]:
    """Whether who was wronged is named first, and how often answers about them are right."""
    random = np.random.default_rng(seed)
    chosen = random.choice(len(samples), SAMPLES, replace=False)
    groups = random.choice(GROUPS, SAMPLES)
    victim = str(random.choice(GROUPS))
    made = []
    for place, group in zip(chosen, groups):
        row = samples[place] | {"group": str(group)}
        made.append(wronged(row, wrong, random) if group == victim else row)
    report = evaluate(
        model, Table(made), slices=["group"], times=0, seed=seed, without=hidden(model, wrong)
    )
    named = [gap.group for gap in report.gaps if gap.alarm]
    right = {
        group: found["category_accuracy"].value for group, found in report.slices["group"].items()
    }
    others = [value for group, value in right.items() if group != victim]
    return {"found": named[:1] == [victim], "victim": right[victim], "others": np.mean(others)}


def hidden(model: Any, wrong: str) -> list[str]:
    """The fields that the model is not given."""
    return [field for field in model.fields if field not in WRONGS[wrong]]


def alarms_without_a_cause(model: Any, samples: list[dict[str, Any]], wrong: str) -> int:
    """In how many deals of the samples as they are a group is said to be worse off."""
    report = evaluate(model, Table(samples), times=0, without=hidden(model, wrong))
    losses, found = np.array(report.losses["category"], "float64"), 0
    for seed in range(DEALS):
        random = np.random.default_rng([1, seed])
        chosen = random.choice(len(samples), SAMPLES, replace=False)
        groups = {"group": random.choice(GROUPS, SAMPLES).astype(object)}
        found += any(gap.alarm for gap in gaps({"category": losses[chosen]}, groups, seed=seed))
    return found


def main() -> None:
    """Runs and writes the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    model, samples = keras.saving.load_model(parser.parse_args().model), rows()
    lines = [
        contest.machine(2, "tensorflow", "keras"),
        "",
        "| wrong done to one of four groups | right about it | about others | "
        f"named first, of {RUNS} |",
        "|---|--:|--:|--:|",
    ]
    for wrong in WRONGS:
        made = [planted(model, samples, wrong, seed) for seed in range(RUNS)]
        victim, others = (np.mean([each[who] for each in made]) for who in ("victim", "others"))
        found = sum(each["found"] for each in made)
        lines.append(f"| {wrong} | {victim:.3f} | {others:.3f} | {found} |")
        print(lines[-1], flush=True)
    lines += ["", f"| nothing wronged, the model is given | alarms, of {DEALS} |", "|---|--:|"]
    for fields in dict.fromkeys(WRONGS.values()):
        wrong = next(name for name, given in WRONGS.items() if given == fields)
        count = alarms_without_a_cause(model, samples, wrong)
        lines.append(f"| {', '.join(fields)} | {count} |")
        print(lines[-1], flush=True)
    RESULTS.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
