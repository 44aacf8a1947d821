"""The names of measures tell how they become better, in reports, in logs and in tuning."""

import pytest

from mmkeras.metrics.direction import direction


@pytest.mark.parametrize(
    "name",
    ["loss", "val_loss", "text_wer", "cer", "stars_mae", "f0_error", "answer_perplexity",
     "image_to_text_median_rank", "latency_ms", "piece_error_rate", "speech_mcd_db"],
)  # fmt: skip
def test_lower_is_better(name):
    assert direction(name) == direction(name.upper()) == "min"


@pytest.mark.parametrize(
    "name",
    ["accuracy", "val_mood_f1", "things_mAP", "boxes_map50", "mask_mIoU", "a_to_b_recall_at_10",
     "text_cider_d", "caption_exact_match", "acc"],
)  # fmt: skip
def test_higher_is_better(name):
    assert direction(name) == "max"


@pytest.mark.parametrize("name", ["voice_duration_ratio", "smile", "lossy", "flossing", "scar"])
def test_other_names_do_not_tell(name):
    assert direction(name) is None
