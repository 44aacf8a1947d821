"""What is added to the logs is what a report says, and Keras' callbacks go by it."""

import keras
import pytest

import mmkeras as mm
from mmkeras.evaluation import Evaluation, evaluate
from mmkeras.sources import Table

ROWS = [
    {"text": "the dog" if i % 2 else "a cat", "by": "ab"[i % 2], "stars": float(i % 2)}
    for i in range(8)
]


def trained(callbacks, epochs):
    made = mm.MultimodalModel({"text": mm.Text.tiny()}, {"stars": mm.Regression()}, size="tiny")
    made.compile("adam")
    data = made.pipeline(Table(ROWS), batch_size=4)
    history = made.fit(data, epochs=epochs, verbose=0, shuffle=False, callbacks=callbacks)
    return made, history.history


def test_logs_hold_what_the_report_says():
    model, history = trained([Evaluation(Table(ROWS), slices=["by"], min_count=4)], 2)
    report = evaluate(model, Table(ROWS), slices=["by"], times=0)
    assert history["report_stars_mae"][-1] == pytest.approx(report["stars_mae"].value)
    groups = [report.slices["by"][group]["stars_mae"].value for group in "ab"]
    assert history["report_stars_mae_gap_by"][-1] == pytest.approx(abs(groups[0] - groups[1]))


def test_between_evaluations_the_last_values_stand():
    _, history = trained([Evaluation(Table(ROWS), every=3)], 5)
    first, second, third, fourth, last = history["report_stars_mae"]
    # In the first epoch, three later, and in the last.
    assert first == second == third != fourth != last


def test_small_groups_make_no_gap():
    _, history = trained([Evaluation(Table(ROWS), slices=["by"], min_count=5)], 1)
    assert [name for name in history if name.startswith("report")] == [
        "report_stars_loss",
        "report_stars_mae",
        "report_stars_rmse",
    ]


def test_early_stopping_goes_by_a_measure_of_the_report():
    stop = keras.callbacks.EarlyStopping(
        monitor="report_stars_mae", mode="max", patience=1, min_delta=1e6
    )
    _, history = trained([Evaluation(Table(ROWS)), stop], 9)
    # Nothing is better by a million: it ends after one epoch of patience.
    assert len(history["loss"]) == 2


def test_every_epoch_at_most():
    with pytest.raises(ValueError, match="every must be at least 1"):
        Evaluation(Table(ROWS), every=0)
