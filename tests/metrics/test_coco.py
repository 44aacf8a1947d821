"""COCO's measures beside another implementation of them, in C++."""

import math
import sys

import numpy as np
import pytest

from mmkeras.metrics.coco import coco_scores
from mmkeras.objects import read, written

NAMES = ["mAP", "mAP50", "mAP75", "mAP_small", "mAP_medium", "mAP_large"]
NAMES += ["AR1", "AR10", "AR100", "AR_small", "AR_medium", "AR_large"]
CLASSES = ["cat", "dog", "old owl"]


def scenes(seed, count=25):
    """Objects of all sizes, some of them crowds; answers near them, twice, elsewhere, or none."""
    draw = np.random.default_rng(seed)
    labels, answers = [], []
    for _ in range(count):
        objects, found = [], []
        for _ in range(draw.integers(0, 9)):
            corner, sides = draw.uniform(0, 300, 2), np.exp(draw.uniform(1, 5.5, 2))
            box = [*corner, *(corner + sides)]
            label = draw.choice(CLASSES[: draw.integers(1, 4)])
            crowd = draw.random() < 0.15
            share = draw.choice([1.0, 0.5])
            objects.append(
                {"box": box, "label": label, "area": share * sides.prod(), "crowd": crowd}
            )
            for _ in range(draw.choice([0, 1, 1, 2, 4 if crowd else 1])):
                moved = np.array(box) + draw.normal(0, 0.08, 4) * np.tile(sides, 2)
                near = [*moved[:2], *np.maximum(moved[2:], moved[:2])]
                label = label if draw.random() < 0.8 else draw.choice(CLASSES)
                found.append({"box": near, "label": label, "score": draw.integers(0, 10) / 10})
        for _ in range(draw.choice([0, 0, 3, 120], p=[0.5, 0.2, 0.25, 0.05])):
            corner = draw.uniform(0, 300, 2)
            box = [*corner, *(corner + draw.choice([0, 20, 90], 2))]
            found.append({"box": box, "label": draw.choice(CLASSES), "score": draw.random()})
        labels.append(objects)
        answers.append(found)
    return answers, labels


def by_faster_coco_eval(answers, labels, classes, class_agnostic=False):
    from faster_coco_eval import COCO, COCOeval_faster

    def row(picture, item):
        x1, y1, x2, y2 = map(float, item["box"])
        return {
            "image_id": picture + 1,
            "category_id": classes.index(item["label"]) + 1,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": float(item.get("area", (x2 - x1) * (y2 - y1))),
            "iscrowd": int(item.get("crowd", False)),
        }

    truth = COCO(
        {
            "images": [
                {"id": i + 1, "width": 1000, "height": 1000, "file_name": ""}
                for i in range(len(labels))
            ],
            "categories": [{"id": i + 1, "name": name} for i, name in enumerate(classes)],
            "annotations": [
                row(picture, item) | {"id": i}
                for i, (picture, item) in enumerate(
                    ((p, item) for p, items in enumerate(labels) for item in items), start=1
                )
            ],
        }
    )
    given = truth.loadRes(
        [
            row(picture, item) | {"score": float(item["score"])}
            for picture, items in enumerate(answers)
            for item in items
        ]
    )
    evaluation = COCOeval_faster(truth, given, "bbox", print_function=lambda *_: None)
    evaluation.params.useCats = int(not class_agnostic)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return dict(zip(NAMES, evaluation.stats[:12], strict=True))


def undefined_as_minus_1(scores):
    return {name: -1 if math.isnan(scores[name]) else scores[name] for name in NAMES}


@pytest.mark.parametrize("seed", range(20))
def test_scores_are_those_of_another_implementation(seed):
    answers, labels = scenes(seed)
    mine = undefined_as_minus_1(coco_scores(answers, labels, CLASSES))
    assert mine == pytest.approx(by_faster_coco_eval(answers, labels, CLASSES), abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_so_they_are_for_one_class(seed):
    answers, labels = scenes(seed)
    mine = coco_scores(answers, labels, CLASSES, class_agnostic=True)
    assert "ap_by_class" not in mine
    every = [
        [[item | {"label": "thing"} for item in items] for items in pictures]
        for pictures in (answers, labels)
    ]
    theirs = by_faster_coco_eval(*every, ["thing"])
    assert undefined_as_minus_1(mine) == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_classes_are_those_of_labels_of_one_class_each(seed):
    answers, labels = scenes(seed)
    by_class = coco_scores(answers, labels, CLASSES)["ap_by_class"]
    assert list(by_class) == CLASSES
    for name in CLASSES:
        alone = [
            [[item for item in items if item["label"] == name] for items in pictures]
            for pictures in (answers, labels)
        ]
        theirs = by_faster_coco_eval(*alone, CLASSES)["mAP"]
        assert by_class[name] == pytest.approx(theirs, abs=1e-6)


def test_a_case_by_hand():
    # Of 2 cats, the surest answer finds one, the second finds none, the third finds the other one
    # with an overlap of 0.6: precision is 1 up to a recall of 1/2 and, where 0.6 is enough (3 of 10
    # overlaps), 2/3 beyond, else 0. 51 of the 101 points of recall lie up to 1/2.
    labels = [[{"box": [0, 0, 10, 10], "label": "cat"}], [{"box": [0, 0, 50, 50], "label": "cat"}]]
    answers = [
        [{"box": [0, 0, 10, 10], "label": "cat", "score": 0.9}],
        [
            {"box": [60, 60, 90, 90], "label": "cat", "score": 0.8},
            {"box": [0, 0, 50, 30], "label": "cat", "score": 0.7},
        ],
    ]
    scores = coco_scores(answers, labels, ["cat", "dog"])
    strict = 51 / 101
    loose = (51 + 50 * 2 / 3) / 101
    assert scores.pop("ap_by_class") == pytest.approx(
        {"cat": 0.3 * loose + 0.7 * strict, "dog": math.nan}, nan_ok=True
    )
    assert scores == pytest.approx(
        {
            "mAP": 0.3 * loose + 0.7 * strict,
            "mAP50": loose,
            "mAP75": strict,
            # The wrong answer of 30 by 30 pixels is small, and less sure than the right one.
            "mAP_small": 1.0,
            "mAP_medium": 0.3,
            "mAP_large": math.nan,
            "AR1": 0.5,
            "AR10": 0.5 + 0.3 / 2,
            "AR100": 0.5 + 0.3 / 2,
            "AR_small": 1.0,
            "AR_medium": 0.3,
            "AR_large": math.nan,
        },
        nan_ok=True,
    )


def test_sizes_may_be_left_out():
    answers, labels = scenes(0)
    every = coco_scores(answers, labels, CLASSES)
    some = coco_scores(answers, labels, CLASSES, areas=False)
    assert set(every) - set(some) == {name for name in NAMES if "_" in name}
    assert some == {name: every[name] for name in some}


def test_nothing_found_is_0_and_nothing_to_find_is_not_a_number():
    cat = {"box": [0, 0, 9, 9], "label": "cat"}
    missed = coco_scores([[]], [[cat]], CLASSES)
    assert missed["mAP"] == missed["AR100"] == missed["ap_by_class"]["cat"] == 0
    assert math.isnan(missed["ap_by_class"]["dog"])
    for answers, labels in (([[cat | {"score": 1}]], [[]]), ([[]], [[]]), ([], [])):
        invented = coco_scores(answers, labels, CLASSES)
        assert all(math.isnan(invented[name]) for name in NAMES)


def test_labels_are_taken_as_they_are_read():
    crowd = {"box": [0, 0, 90, 90], "label": "old owl", "area": 500, "crowd": True}
    owl = {"box": [100, 100, 190, 190], "label": "old owl"}
    labels = [read(written([crowd, owl]))]
    hits = [
        {"box": box, "label": "old owl", "score": score}
        for box, score in (([0, 0, 40, 40], 0.9), ([50, 50, 90, 90], 0.8), (owl["box"], 0.1))
    ]
    assert coco_scores([hits], labels, CLASSES)["mAP"] == pytest.approx(1)


def test_it_prints_nothing(capsys):
    coco_scores(*scenes(0, count=2), CLASSES)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"label": "cow"}, r"answers\[1\]: the label 'cow' is none of the 3 classes"),
        ({"box": [0, 0, math.nan, 1]}, r"answers\[1\]: the box .*nan.* is none"),
        ({"box": [5, 0, 4, 1]}, "turned around"),
        ({"score": math.nan}, "with score nan"),
    ],
)
def test_what_cannot_be_measured_is_refused(change, why):
    answer = {"box": [0, 0, 9, 9], "label": "cat", "score": 0.5} | change
    with pytest.raises(ValueError, match=why):
        coco_scores([[], [answer]], [[], []], CLASSES)


def test_an_answer_needs_a_score():
    cat = {"box": [0, 0, 9, 9], "label": "cat"}
    with pytest.raises(ValueError, match=r"answers\[0\]: .* has no 'score'"):
        coco_scores([[cat]], [[cat]], CLASSES)


def test_every_picture_needs_answers_and_labels():
    with pytest.raises(ValueError, match="answers to 1 pictures and labels of 2"):
        coco_scores([[]], [[], []], CLASSES)


def test_without_pycocotools_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    with pytest.raises(ImportError, match=r"mmkeras\[detection\]"):
        coco_scores([], [], CLASSES)
