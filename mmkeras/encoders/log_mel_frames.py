"""`LogMelFrames`: each token is one frame of a recording's spectrogram, and nothing is learned."""

from typing import Any, ClassVar, Self

import keras

from mmkeras.contracts.encoder import Encoder
from mmkeras.layers.sizes import Size, size_of
from mmkeras.layers.spectrogram import LogMelSpectrogram
from mmkeras.tokens import Tokens


@keras.saving.register_keras_serializable(package="mmkeras")
class LogMelFrames(Encoder):
    """A waveform to its log-mel frames, which are the tokens. It has no weights.

    For tasks that learn from frames themselves, such as `Vocoding`: with the fusion `Late` of the
    same width they reach the head as they are.

    Args:
        sample_rate: samples a second; this and the next three as in `LogMelSpectrogram`.
        frame_length: samples in a frame.
        hop_length: samples between the beginnings of two frames.
        num_mels: number of mel bands, the width of tokens.

    Example:

    >>> import numpy as np
    >>> encoder = LogMelFrames(8000, frame_length=200, hop_length=80, num_mels=16)
    >>> waveform = np.zeros((1, 320), "float32")
    >>> tokens = encoder({"waveform": waveform, "length": np.array([200])})
    >>> tuple(tokens.values.shape), np.array(tokens.mask).tolist()
    ((1, 4, 16), [[True, True, True, False]])
    """

    reads = frozenset({"waveform", "length"})
    is_default: ClassVar[bool] = False

    def __init__(
        self, sample_rate: int, frame_length: int, hop_length: int, num_mels: int, **kwargs: Any
    ):
        # In half precision Keras would round the waveform before the spectrogram sees it.
        super().__init__(autocast=False, **kwargs)
        self.spectrogram = LogMelSpectrogram(
            sample_rate, frame_length, hop_length, num_mels, name="spectrogram"
        )
        self.dim = num_mels
        self.config = {
            "sample_rate": sample_rate,
            "frame_length": frame_length,
            "hop_length": hop_length,
            "num_mels": num_mels,
        }
        self.built = True

    @property
    def step_s(self) -> float:
        """See `Encoder.step_s`."""
        return self.config["hop_length"] / self.config["sample_rate"]

    def call(self, tensors: dict[str, Any], training: bool | None = None) -> Tokens:
        """`waveform` float [B, S] and `length` int [B] (samples) to tokens [B, F, num_mels]."""
        frames, mask = self.spectrogram.of_recordings(tensors["waveform"], tensors["length"])
        return Tokens(keras.ops.cast(frames, self.compute_dtype), mask)

    def compute_output_shape(self, tensors_shape: dict[str, Any]) -> Tokens:
        batch, samples = tensors_shape["waveform"]
        count = None if samples is None else -(-samples // self.config["hop_length"])
        return Tokens((batch, count, self.dim), (batch, count))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self.config

    @classmethod
    def for_modality(
        cls,
        modality: Any,
        size: str | Size = "small",
        *,
        dropout: float = 0.0,
        **overrides: Any,
    ) -> Self:
        """Frames of 50 ms, one every 12.5 ms, of an `Audio`; see `Encoder.for_modality`.

        Args:
            modality: the `Audio`.
            size: whose width is the number of mel bands.
            dropout: unused: nothing is learned.
            **overrides: further arguments of the constructor.
        """
        del dropout
        cls.check_reads(modality)
        fitted = {
            "sample_rate": modality.sample_rate,
            "frame_length": round(0.05 * modality.sample_rate),
            "hop_length": round(0.0125 * modality.sample_rate),
            "num_mels": size_of(size).dim,
        }
        return cls(**fitted | overrides)
