"""The pitch of a voice: the frequency at which its sound repeats."""

import math
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="mmkeras")
class FundamentalFrequency(keras.layers.Layer):
    """The fundamental frequency of each frame of `LogMelSpectrogram`, and whether it has one.

    Source: de Cheveigné and Kawahara 2002, "YIN, a fundamental frequency estimator for speech and
    music", steps 1 to 5. Around the middle of the frame, in twice the longest period, samples are
    compared with those a lag later. The period is the shortest lag at which they differ little, by
    less than 0.15 of how much they differ at the lags up to there; where there is none, the lag at
    which they differ least.

    Args:
        sample_rate: samples a second; this one and the next two as in `LogMelSpectrogram`.
        frame_length: samples in a frame.
        hop_length: samples between the beginnings of two frames.
        low_hz: the lowest frequency looked for; half of it and less is heard as noise.
        high_hz: the highest one.
        threshold: a frame is voiced if from one period to the next less changes, as a share of
            what changes at the lags up to there: 0 for what repeats exactly, 1 for noise.

    Raises:
        ValueError: the frequencies are not in order, or the highest is beyond a quarter of the
            sample rate.

    Example:

    >>> import numpy as np
    >>> layer = FundamentalFrequency(sample_rate=8000, frame_length=200, hop_length=80)
    >>> tone = np.sin(2 * np.pi * 220 * np.arange(840) / 8000).astype("float32")[None]
    >>> f0_hz, voiced = layer(tone)
    >>> round(float(f0_hz[0, 4])), bool(voiced[0, 4])
    (220, True)
    """

    #: What changes from one period to the next if it surely is one.
    _SURE = 0.15
    #: A frame whose loudest sample is below, 60 dB under full scale, is silent.
    _SILENT = 1e-3

    def __init__(
        self,
        sample_rate: int,
        frame_length: int,
        hop_length: int,
        low_hz: float = 60.0,
        high_hz: float = 500.0,
        threshold: float = 0.4,
        **kwargs: Any,
    ):
        # Differences of energies do not survive half precision.
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        if not 0 < low_hz < high_hz <= sample_rate / 4:
            raise ValueError(
                "low_hz and high_hz must be in order and at most a quarter of the sample rate, "
                f"{sample_rate / 4} Hz; got {low_hz} and {high_hz}."
            )
        self.config = {
            "sample_rate": sample_rate,
            "frame_length": frame_length,
            "hop_length": hop_length,
            "low_hz": low_hz,
            "high_hz": high_hz,
            "threshold": threshold,
        }
        self.sample_rate = sample_rate
        self.frame_length = frame_length
        self.hop_length = hop_length
        self.threshold = threshold
        self.shortest = int(sample_rate / high_hz)
        self.longest = math.ceil(sample_rate / low_hz)

    def call(self, waveform: Any) -> tuple[Any, Any]:
        """The frequencies.

        Args:
            waveform: float [B, S], in [-1, 1].

        Returns:
            float32 [B, F], in hertz, 0 where a frame is not voiced; and bool [B, F], True = voiced.
            F is `num_frames(S)` of `LogMelSpectrogram`.
        """
        frames = self._frames(ops.cast(waveform, "float32"))
        frames = frames - ops.mean(frames, axis=-1, keepdims=True)
        loudest = ops.max(ops.abs(frames), axis=-1, keepdims=True)
        change = self._change(frames / ops.maximum(loudest, self._SILENT))
        before, here, after = (
            change[..., self.shortest - 1 + i : self.longest + i] for i in range(3)
        )
        is_dip = (here < before) & (here <= after)
        here = ops.where(is_dip, here, 1.0)
        least = ops.min(here, axis=-1, keepdims=True)
        lags = ops.arange(self.shortest, self.longest + 1, dtype="int32")
        candidates = ops.where(here <= ops.maximum(least, self._SURE), lags, self.longest)
        period = ops.min(candidates, axis=-1, keepdims=True)
        voiced = (least < self.threshold) & (loudest >= self._SILENT)
        # The lowest point of a parabola through three values.
        chosen = ops.equal(lags, period)
        before, here, after = (
            ops.sum(ops.where(chosen, values, 0.0), axis=-1, keepdims=True)
            for values in (before, here, after)
        )
        curvature = before - 2.0 * here + after
        shift = 0.5 * (before - after) / ops.where(curvature > 0.0, curvature, 1.0)
        f0_hz = ops.where(voiced, self.sample_rate / (ops.cast(period, "float32") + shift), 0.0)
        return f0_hz[..., 0], voiced[..., 0]

    def _frames(self, waveform: Any) -> Any:
        """float32 [B, S] to [B, F, 2 longest + 1], around the middles of the frames."""
        length = 2 * self.longest + 1
        early = (length - self.frame_length) // 2
        late = length - self.frame_length - early
        waveform = ops.pad(waveform, [[0, 0], [max(early, 0), max(late, 0)]])
        waveform = waveform[:, max(-early, 0) : ops.shape(waveform)[1] - max(-late, 0)]
        return ops.extract_sequences(waveform, length, self.hop_length)

    def _change(self, frames: Any) -> Any:
        """Equation 8: what differs at lags of 0 to `longest + 1`, by the mean up to the lag."""
        length, lags = frames.shape[-1], self.longest + 2
        # Long enough that no lag wraps around.
        fft_length = 2 ** math.ceil(math.log2(length + lags))
        real, imaginary = ops.rfft(frames, fft_length)
        power = ops.square(real) + ops.square(imaginary)
        products = ops.irfft((power, ops.zeros_like(power)), fft_length)[..., 1:lags]
        squares = ops.cumsum(ops.square(frames), axis=-1)
        early = ops.flip(squares[..., length - lags : length - 1], axis=-1)
        late = squares[..., -1:] - squares[..., : lags - 1]
        lag = ops.arange(1, lags, dtype="float32")
        # All pairs of samples so far apart, wherever in the frame: their middle is the frame's.
        difference = ops.maximum(early + late - 2.0 * products, 0.0) / (length - lag)
        mean = ops.cumsum(difference, axis=-1) / lag
        change = ops.where(mean > 0.0, difference / ops.maximum(mean, 1e-20), 1.0)
        return ops.pad(change, [[0, 0], [0, 0], [1, 0]], constant_values=1.0)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self.config
