"""Every number of a report stands in a file, and reads back as itself."""

import csv
import io

from mmkeras.evaluation import Estimate, Gap, Report
from mmkeras.evaluation.tables import tables


def test_numbers_read_back():
    value = Estimate(1 / 3, 0.1, 0.7, 0.05, 9, 'said "so", twice')
    gap = Gap("voice", "a,b", "mood", 1 / 7, 2 / 7, 9, 0.25, True)
    report = Report("x", 9, {"m": value}, {"voice": {"a,b": {"m": value}}}, [gap], {}, {}, {}, {},
                    {}, [])  # fmt: skip
    made = tables(report, robustness={"blur": {0.5: {"m": value}}}, contributions={"m": {}})
    assert sorted(made) == ["gaps.csv", "measures.csv", "robustness.csv", "slices.csv"]
    for name in ("measures.csv", "slices.csv", "robustness.csv"):
        (row,) = csv.DictReader(io.StringIO(made[name]))
        told = [float(row[key]) for key in ("value", "low", "high", "error")]
        assert told == [value.value, value.low, value.high, value.error], name
        assert row["note"] == value.note
    (row,) = csv.DictReader(io.StringIO(made["gaps.csv"]))
    assert row["group"] == "a,b" and float(row["loss"]) == gap.loss and row["alarm"] == "1"
