"""Plots are pictures of two themes in which the marks stand where the numbers say."""

import io

import numpy as np
import PIL.Image
import pytest

from mmkeras.evaluation import Estimate, plots
from mmkeras.evaluation.calibration import Reliability


def pixels(content):
    return np.asarray(PIL.Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


def ink(picture, colour):
    """Rows and columns of the pixels of a colour."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return np.argwhere(np.abs(picture - wanted).sum(axis=2) < 12)


GROUPS = {
    "a $x_{": Estimate(0.2, 0.1, 0.3, 0.05, 50),
    "漢字": Estimate(0.8, 0.7, 0.9, 0.05, 50),
    "none": Estimate(None, note="no label"),
}


@pytest.mark.parametrize(
    "plot",
    [
        plots.whiskers("m", GROUPS, Estimate(0.5, 0.4, 0.6, 0.05, 150)),
        plots.heat_map("m", [[5, 1], [0, 3]], ["a", "b" * 80]),
        plots.heat_map("m", np.eye(60, dtype=int).tolist(), [str(i) for i in range(60)]),
        plots.reliability_curve("m", Reliability((0.5,), (0.4,), (9,), 0.1)),
        plots.curves("m", {f"noise {i}": {0.0: GROUPS["漢字"], 1.0: GROUPS["none"]}
                           for i in range(9)}),
        plots.bars("m", {"photo": 0.5, "voice": -0.1}),
    ],
    ids=["whiskers", "heat_map", "many_classes", "reliability", "curves", "bars"],
)  # fmt: skip
def test_light_on_dark_and_dark_on_light(plot):
    light, dark = pixels(plot.light), pixels(plot.dark)
    assert light.shape == dark.shape and light.shape[1] == 720
    assert np.median(light) > 230 and np.median(dark) < 60
    # What is written is far from the ground.
    assert light.min() < 60 and dark.max() > 200


def test_dots_stand_where_the_values_are():
    groups = {name: GROUPS[name] for name in ("a $x_{", "漢字")}
    found = ink(pixels(plots.whiskers("m", groups).light), plots._LIGHT.accent)
    middle = np.median(found[:, 0])
    upper, lower = (found[found[:, 0] < middle], found[found[:, 0] > middle])
    assert upper[:, 1].max() < lower[:, 1].min(), "0.1 to 0.3 is left of 0.7 to 0.9"
    alone = ink(pixels(plots.whiskers("m", {"x": GROUPS["none"]}).light), plots._LIGHT.accent)
    assert len(alone) == 0, "what is undefined has no dot"


def test_small_groups_are_hollow():
    few = {"few": Estimate(0.5, count=5)}
    solid, hollow = (plots.whiskers("m", few, min_count=n).light for n in (0, 30))
    count = [len(ink(pixels(p), plots._LIGHT.accent)) for p in (solid, hollow)]
    assert 0 < count[1] < 0.8 * count[0]
