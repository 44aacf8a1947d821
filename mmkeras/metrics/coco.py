"""How well objects are found, as COCO measures it."""

import contextlib
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

#: Sizes by the area of the object in pixels: below 32², from there to 96², and above.
_SIZES = ("small", "medium", "large")


def coco_scores(
    answers: Sequence[Sequence[Mapping[str, Any]]],
    labels: Sequence[Sequence[Mapping[str, Any]]],
    classes: Sequence[str],
    areas: bool = True,
    class_agnostic: bool = False,
) -> dict[str, Any]:
    """Average precision and recall of boxes, as the reference implementation computes them.

    An answer is right if it overlaps an object of its class by enough, intersection over union, and
    no answer with a higher score took that object. Average precision is the area below the curve of
    precision over recall, at 101 points. Nothing is blamed for overlapping a crowd. Of a picture,
    the 100 answers of each class with the highest scores count.

    Source: Lin et al. 2014, "Microsoft COCO: Common Objects in Context", and its evaluation, which
    `pycocotools` holds.

    Args:
        answers: for each picture, dicts with `box`, (x1, y1, x2, y2) in pixels, `label`, one of the
            classes, and `score`, which is higher the surer the answer is.
        labels: for each picture, dicts with `box` and `label`, and perhaps `area` in pixels (else
            the box's) and `crowd`, as `mmkeras.objects.read` gives them. Leave out pictures in
            which nobody looked for objects, with their answers.
        classes: what labels there are.
        areas: measure small, medium and large objects too.
        class_agnostic: take everything for one class: are objects found, whatever they are?

    Returns:
        - `mAP`: the mean average precision over the classes and over the overlaps asked for, 0.5 to
          0.95 in steps of 0.05; `mAP50` and `mAP75`: at one overlap; `mAP_small`, `mAP_medium` and
          `mAP_large`: of objects of this size; areas of 32² and 96² pixels are the borders.
        - `AR1`, `AR10`, `AR100`: the share of objects that are found if so many answers count in a
          picture, over the same classes and overlaps; `AR_small`, `AR_medium` and `AR_large`.
        - `ap_by_class`: the average precision of each class (if not `class_agnostic`).

        Where the labels have no object to find, such as no small one, a number is not a number:
        NaN, where `pycocotools` writes -1.

    Raises:
        ImportError: `pycocotools` is not installed.
        ValueError: there are more answers than labels or the other way round, a label is none of
            the classes, or a box or a score is missing or none.

    Example:

    >>> cat = {"box": [10, 10, 50, 40], "label": "cat"}
    >>> dog = {"box": [60, 10, 90, 40], "label": "dog"}
    >>> found = [cat | {"score": 0.9}, dog | {"box": [60, 10, 90, 30], "score": 0.7}]
    >>> scores = coco_scores([found], [[cat, dog]], ["cat", "dog"])
    >>> [round(scores[name], 3) for name in ("mAP", "mAP50", "mAP75", "mAP_large")]
    [0.7, 1.0, 0.5, nan]
    >>> {name: round(ap, 3) for name, ap in scores["ap_by_class"].items()}
    {'cat': 1.0, 'dog': 0.4}
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise ImportError(
            'COCO\'s measures need pycocotools; install it with pip install "mmkeras[detection]".'
        ) from error
    if len(answers) != len(labels):
        raise ValueError(
            f"there are answers to {len(answers)} pictures and labels of {len(labels)}; every "
            "picture needs both, an empty list where there is nothing."
        )
    ids = {name: 1 if class_agnostic else i for i, name in enumerate(classes, start=1)}

    def table(what: str, pictures: Sequence[Sequence[Mapping[str, Any]]], *needed: str) -> Any:
        rows = []
        for picture, items in enumerate(pictures):
            for item in items:
                where = f"{what}[{picture}]"
                if missing := {"box", "label", *needed} - set(item):
                    raise ValueError(f"{where}: {dict(item)!r:.80} has no {min(missing)!r}.")
                rows.append({"image_id": picture} | _row(item, ids, where))
        made = COCO()
        made.dataset = {
            "images": [{"id": picture} for picture in range(len(pictures))],
            "categories": [{"id": i} for i in sorted(set(ids.values()))],
            # 0 stands for "none" in the evaluation.
            "annotations": [row | {"id": i} for i, row in enumerate(rows, start=1)],
        }
        made.createIndex()
        return made

    # It prints its progress.
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(table("labels", labels), table("answers", answers, "score"), "bbox")
        if not areas:
            evaluation.params.areaRng = evaluation.params.areaRng[:1]
        evaluation.evaluate()
        evaluation.accumulate()
    # By overlap, recall, class, size and number of answers; by overlap, class, size and number.
    precision, recall = (evaluation.eval[name] for name in ("precision", "recall"))
    scores = {
        "mAP": _mean(precision[..., 0, -1]),
        "mAP50": _mean(precision[0, ..., 0, -1]),
        "mAP75": _mean(precision[5, ..., 0, -1]),
    }
    sizes = list(enumerate(_SIZES, start=1)) if areas else []
    scores |= {f"mAP_{size}": _mean(precision[..., i, -1]) for i, size in sizes}
    scores |= {f"AR{n}": _mean(recall[..., 0, i]) for i, n in enumerate((1, 10, 100))}
    scores |= {f"AR_{size}": _mean(recall[..., i, -1]) for i, size in sizes}
    if class_agnostic:
        return scores
    by_class = {name: _mean(precision[:, :, i - 1, 0, -1]) for name, i in ids.items()}
    return scores | {"ap_by_class": by_class}


def _mean(values: np.ndarray) -> float:
    """Over what is defined."""
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else math.nan


def _row(item: Mapping[str, Any], ids: Mapping[str, int], where: str) -> dict[str, Any]:
    if item["label"] not in ids:
        raise ValueError(
            f"{where}: the label {item['label']!r} is none of the {len(ids)} classes: "
            f"{list(ids)!r:.200}."
        )
    x1, y1, x2, y2 = box = [float(number) for number in item["box"]]
    score = float(item.get("score", 0.0))
    if not (all(map(math.isfinite, (*box, score))) and x2 >= x1 and y2 >= y1):
        raise ValueError(
            f"{where}: the box {box} with score {score} is none; it has to be (x1, y1, x2, y2), "
            "not turned around, and all numbers finite."
        )
    area = item.get("area")
    return {
        "category_id": ids[item["label"]],
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": (x2 - x1) * (y2 - y1) if area is None else float(area),
        "iscrowd": int(bool(item.get("crowd"))),
        "score": score,
    }
