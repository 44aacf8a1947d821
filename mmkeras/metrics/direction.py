"""`direction`: whether a measure is better the higher or the lower it is, by its name."""

import re

_LOWER = re.compile(
    r"(^|_)(loss|error|rate|wer|cer|ma?e|mse|rmse|perplexity|mcd_db|f0_cents|median_rank|latency_ms|"
    r"parameters|seconds|ece|gap_.+)$",
    re.IGNORECASE,
)
_HIGHER = re.compile(
    r"(^|_)(accuracy|acc|top5|f1|auc|mcc|precision|recall|m?iou|overlap|m?a[pr]_?\d*|exact_match|"
    r"bleu|chrf|rouge_l|cider(_d)?|(recall|map)_at_\d+)$",
    re.IGNORECASE,
)


def direction(measure: str) -> str | None:
    """How a measure becomes better.

    Keras and KerasTuner do not say it of all of theirs, or say it wrongly of some, such as F1.

    Args:
        measure: its name, whatever stands before it: `val_mood_accuracy`.

    Returns:
        `"max"` or `"min"`; None where the name does not tell.

    Example:

    >>> direction("val_mood_f1"), direction("text_wer"), direction("duration_ratio")
    ('max', 'min', None)
    >>> direction("mood_f1_gap_voice")
    'min'
    """
    if _LOWER.search(measure):
        return "min"
    return "max" if _HIGHER.search(measure) else None
