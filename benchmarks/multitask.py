"""Five tasks by one model, beside five models of one task each.

    CUDA_VISIBLE_DEVICES= python benchmarks/multitask.py runs/multitask

Trains `emoji_tasks` and, for each of its tasks, a model of its own: with the encoders, heads and
learning rate of the joint one, and as many steps with as many samples of the task. Each is measured
on the same held-out samples. Models that are in the folder already are not trained again. The table
goes to `benchmarks/results/multitask.md`.
"""

import argparse
from pathlib import Path

import contest

from mmkeras import MultimodalModel
from mmkeras.evaluation import evaluate_scores
from mmkeras.evaluation.lacking import lacking
from mmkeras.recipes import emoji_tasks

RESULTS = Path(__file__).parent / "results" / "multitask.md"


def measured(model: MultimodalModel, task: str) -> tuple[str, float]:
    """What is measured of a task, and how much of it a model reaches on the test."""
    source = emoji_tasks.data("test")[task]
    if task in ("category", "entities"):
        # Metrics of `fit`; the others need all answers at once.
        data = model.pipeline(source, batch_size=64, without=lacking(model, source))
        found = model.evaluate(data, verbose=0, return_dict=True)
        what = {"category": "accuracy", "entities": "f1"}[task]
        return what, found[f"{task}_{what}"]
    scores = evaluate_scores(model, source)[task]
    if task == "transcript":
        return "1 - character error rate", 1 - scores["cer"]
    what = {"boxes": "mAP50", "caption": "exact_match"}[task]
    return what, scores[what]


def main() -> None:
    """Trains, measures and writes the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    joint, seconds = contest.trained(emoji_tasks.recipe, folder / "joint")
    lines = [
        contest.machine(2, "tensorflow", "keras"),
        "",
        f"One model of {joint.count_params() / 1e6:.2f} million weights, trained in "
        f"{seconds / 60:.0f} minutes of CPU time.",
        "",
        "| task | measure | one model of all | alone | share | weights alone | CPU min alone |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for task in emoji_tasks.SHARES:
        alone, seconds = contest.trained(emoji_tasks.alone(task), folder / task)
        (what, together), (_, single) = measured(joint, task), measured(alone, task)
        lines.append(
            f"| {task} | {what} | {together:.3f} | {single:.3f} | {together / single:.2f} | "
            f"{alone.count_params() / 1e6:.2f} M | {seconds / 60:.1f} |"
        )
        print(lines[-1], flush=True)
    RESULTS.write_text("\n".join(lines) + "\n")
    print(RESULTS.read_text())


if __name__ == "__main__":
    main()
