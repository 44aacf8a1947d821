"""The recipe begins where the detector ended; its numbers are in its docstring."""

import numpy as np
import pytest

from mmkeras.recipes import emoji_detection, emoji_segmentation
from mmkeras.sources import Table


def test_sees_what_a_detector_sees(tmp_path, monkeypatch):
    nothing = Table([{"image": None}])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="mmkeras train emoji_detection --out"):
        emoji_segmentation.recipe.model(nothing)
    finder = emoji_detection.model(nothing)
    (tmp_path / "runs" / "emoji_detection").mkdir(parents=True)
    finder.save("runs/emoji_detection/model.keras")
    model = emoji_segmentation.recipe.model(nothing)
    for weight, other in zip(
        model.encoders["image"].weights, finder.encoders["image"].weights, strict=True
    ):
        np.testing.assert_array_equal(weight, other)
    assert len(model.encoders["image"].trainable_weights) > 50
    answer = model.answer({"image": np.zeros((20, 30, 3), "uint8")})["mask"]
    assert answer["mask"].shape == (20, 30)
    assert [*answer["shares"]] == list(emoji_segmentation.CLASSES)
