"""How well names, recordings and drawings of emoji that training never met find each other.

    mmkeras train emoji_retrieval --out runs/emoji_retrieval
    CUDA_VISIBLE_DEVICES= python benchmarks/retrieval.py runs/emoji_retrieval/model.keras

Every pair of fields in both directions, among 200 emoji and among all of the test; by speaker; and
the categories by descriptions. Names that are held out are said by speakers who are held out
(`speech_test`); those with a drawing in accents that are held out (`test`). The table goes to
`benchmarks/results/retrieval.md`.
"""

import argparse
from pathlib import Path
from typing import Any

import contest
import keras
import numpy as np

from mmkeras.contracts import Source
from mmkeras.metrics.retrieval import retrieval_scores
from mmkeras.recipes import emoji_retrieval
from mmkeras.retrieval import zero_shot

FEW = 200
RESULTS = Path(__file__).parent / "results" / "retrieval.md"


def columns(source: Source) -> dict[str, list[Any]]:
    """All raw values of a split, by column."""
    names = [n for n in ("name", "speech", "image", "category", "voice") if n in source.columns]
    made: dict[str, Any] = {n: source.column(n, str.encode).as_numpy_iterator() for n in names}
    files = ("speech", "image")
    return {n: [x if n in files else x.decode() for x in v] for n, v in made.items()}


def found(one: np.ndarray, other: np.ndarray, names: list[Any], rows: Any = slice(None)) -> str:
    """The scores of the queries of some rows, as cells of a table."""
    relevant = np.equal.outer(np.array(names), np.array(names))
    scores = retrieval_scores(one[rows] @ other.T, relevant[rows])
    recalls = " | ".join(f"{scores[f'recall_at_{k}']:.3f}" for k in (1, 5, 10))
    return f"{recalls} | {scores['median_rank']:.0f} |"


def main() -> None:
    """Measures and writes the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    model: Any = keras.saving.load_model(parser.parse_args().model)
    sources = emoji_retrieval.sources()
    lines = [
        contest.machine(2, "tensorflow", "keras"),
        "",
        "| split, query to what is found | among | R@1 | R@5 | R@10 | median rank |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    speakers = ["", "| speaker of `speech_test`, to the name | R@1 | R@5 | R@10 | median rank |"]
    speakers.append("|---|--:|--:|--:|--:|")
    categories = ["", "| category by descriptions | right |", "|---|--:|"]
    for part in ("speech_test", "test"):
        held = columns(sources[part])
        fields = [field for field in model.fields if field in held]
        samples = [dict(zip(fields, row)) for row in zip(*(held[field] for field in fields))]
        vectors, names = model.embed(samples), held["name"]
        for query in fields:
            for wanted in (field for field in fields if field != query):
                for many in (FEW, len(samples)):
                    cells = found(vectors[query][:many], vectors[wanted][:many], names[:many])
                    lines.append(f"| `{part}`, {query} to {wanted} | {many} | {cells}")
        if part == "speech_test":
            said_by = np.array([voice.split("+")[1] for voice in held["voice"]])
            for speaker in sorted(set(said_by)):
                rows = np.flatnonzero(said_by == speaker)
                cells = found(vectors["speech"], vectors["name"], names, rows)
                speakers.append(f"| {speaker} ({len(rows)}) | {cells}")
            continue
        commonest = max(held["category"].count(each) for each in set(held["category"]))
        categories.append(f"| the commonest | {commonest / len(samples):.3f} |")
        for shown in (("image",), ("speech",), ("image", "speech")):
            seen = [{field: sample[field] for field in shown} for sample in samples]
            told = zero_shot(model, seen, emoji_retrieval.DESCRIPTIONS, by="name")
            right = [a["label"] == true for a, true in zip(told, held["category"])]
            categories.append(f"| {' and '.join(shown)} | {np.mean(right):.3f} |")
    RESULTS.write_text("\n".join([*lines, *speakers, *categories]) + "\n")
    print(RESULTS.read_text())


if __name__ == "__main__":
    main()
