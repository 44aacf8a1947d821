"""`Attribution`: how much each token of a sample counts for an answer, and it drawn."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from mmkeras.answers import raw_values
from mmkeras.drawing import draw_heat, draw_words
from mmkeras.modalities import Audio, Image
from mmkeras.model import MultimodalModel


@dataclasses.dataclass(frozen=True)
class Attribution:
    """A number for each token of each field that a sample has.

    Attributes:
        method: the name of the function that made it.
        task: whose answer is explained.
        of: the class that is explained; None where the answer is a number, or where no answer in
            particular is explained.
        scores: `{field: float [T]}`, 0 at masked places; what they mean is the method's matter.
    """

    method: str
    task: str
    of: str | None
    scores: Mapping[str, np.ndarray]

    def words(self, model: MultimodalModel, sample: Mapping[str, Any], field: str) -> list[Any]:
        """The pieces of a text with their scores.

        Args:
            model: the model that was explained.
            sample: the sample that was explained.
            field: a `Text` whose tokenizer tells where its pieces stand.

        Returns:
            `(start, end, piece, score)` of each token that stands for a part of the text, in
            characters.

        Raises:
            ValueError: the field is none of those.
        """
        modality = model.fields[field]
        if "starts" not in modality.origins():
            raise ValueError(
                f"field {field!r}: {type(modality).__name__} does not tell where in the text its "
                "tokens stand; use a tokenizer with offsets, such as WordPiece."
            )
        raw = raw_values(model.fields, sample)[field]
        made = modality.preprocess_batch(tf.constant(raw), origins=True)
        text = bytes(raw[0]).decode()
        spans = zip(made["starts"][0].numpy(), made["ends"][0].numpy(), self.scores[field])
        return [(int(a), int(b), text[a:b], float(score)) for a, b, score in spans if b > a]

    def draw(self, model: MultimodalModel, sample: Mapping[str, Any], field: str) -> np.ndarray:
        """The scores over the picture, the spectrogram or the words that they belong to.

        Warm colours speak for the answer and cold ones against it, the more strongly the more
        opaque; the strongest of the field is fully so.

        Args:
            model: the model that was explained.
            sample: the sample that was explained.
            field: an `Image`, an `Audio` whose encoder makes steps in time, or a text; see `words`.

        Returns:
            uint8 [h, w, 3].

        Raises:
            ValueError: the field is none of those.
        """
        modality, encoder = model.fields[field], model.encoders[field]
        raw = raw_values(model.fields, sample)[field]
        scores = self.scores[field]
        if isinstance(modality, Image) and encoder.grids:
            picture = modality.picture(bytes(raw[0]))
            view = modality.preprocess_batch(tf.constant(raw), origins=True)["view"][0].numpy()
            maps, start = [], 0
            for rows, columns in encoder.grids:
                part = scores[start : start + rows * columns]
                # What a coarse cell counts is spread over the finest cells that it covers.
                maps.append(_spread(part.reshape(rows, columns), encoder.grids[0]))
                start += rows * columns
            return draw_heat(picture, sum(maps), tuple(float(v) for v in view))
        if isinstance(modality, Audio) and encoder.step_s:
            seconds, picture = _heard(modality, bytes(raw[0]))
            steps = int(np.ceil(seconds / encoder.step_s))
            told = np.pad(scores, (0, max(steps - len(scores), 0)))[:steps]
            width = picture.shape[1] * steps * encoder.step_s / seconds
            return draw_heat(picture, told[None], (0.0, 0.0, width, picture.shape[0]))
        if "starts" in modality.origins():
            spans = [(a, b, score) for a, b, _, score in self.words(model, sample, field)]
            return draw_words(bytes(raw[0]).decode(), spans)
        raise ValueError(
            f"field {field!r}: pictures, sound whose encoder makes steps in time, and texts whose "
            "tokenizer tells where its pieces stand can be drawn on; this is "
            f"{type(modality).__name__} in {type(encoder).__name__}."
        )


def _spread(scores: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    rows, columns = (fine // coarse for fine, coarse in zip(grid, scores.shape))
    return np.kron(scores, np.ones((rows, columns))) / (rows * columns)


def _heard(audio: Audio, raw: bytes) -> tuple[float, np.ndarray]:
    """How long a recording is, and its spectrogram."""
    from mmkeras.drawing import draw_spectrogram
    from mmkeras.layers import LogMelSpectrogram

    made = audio.preprocess(tf.constant(raw))
    rate = audio.sample_rate
    waveform = made["waveform"][: max(int(made["length"]), rate // 20)]
    layer = LogMelSpectrogram(rate, rate // 40, rate // 100, num_mels=64)
    return len(waveform) / rate, draw_spectrogram(np.asarray(layer(waveform[None])[0]))
