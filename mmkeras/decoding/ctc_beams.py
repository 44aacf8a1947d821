"""`CTCBeams`: how a recogniser looks for the likeliest text, as a value."""

import dataclasses
from typing import Any

import keras

from mmkeras.contracts.configured import Configured
from mmkeras.decoding.ctc_beam import LanguageModel, ctc_beam


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class CTCBeams(Configured):
    """The arguments of `ctc_beam`, kept together: a `SpeechRecognition` searches with them.

    Args:
        num_beams: number of beginnings kept.
        top_k: how many of the likeliest tokens of each frame may be appended; None: all.
        language_model: None, or what rates the tokens too, such as an `NGramModel`.
        lm_weight: how much it counts. The best value is found on validation samples.
        insertion_bonus: added for each token, as language models like sequences to be short.

    Raises:
        ValueError: a number is out of its range.

    Example:

    >>> import numpy as np
    >>> logits = np.log([[[0.6, 0.4], [0.6, 0.4]]])
    >>> np.array(CTCBeams(num_beams=2).best(logits, np.ones((1, 2), bool))).tolist()
    [[1, 0]]
    """

    num_beams: int = 16
    top_k: int | None = 8
    language_model: LanguageModel | None = None
    lm_weight: float = 0.5
    insertion_bonus: float = 0.0

    def __post_init__(self) -> None:
        """Checks the arguments."""
        if self.num_beams < 1 or (self.top_k is not None and self.top_k < 1):
            raise ValueError(
                "num_beams must be at least 1, and top_k at least 1 or None; got "
                f"{self.num_beams} and {self.top_k}."
            )
        if self.lm_weight < 0:
            raise ValueError(f"lm_weight must be at least 0; got {self.lm_weight}.")

    def best(self, logits: Any, mask: Any) -> Any:
        """The best token sequence of each sample, int32 [B, T], 0 behind it; see `ctc_beam`."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return ctc_beam(logits, mask, **values).token_ids[:, 0]
