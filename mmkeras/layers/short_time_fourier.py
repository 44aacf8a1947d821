"""A waveform to the Fourier transforms of its frames, and back again."""

import dataclasses
import functools
import math
from typing import Any

import numpy as np
from keras import ops

#: Where hardly any window sees a sample, at the ends, the sample is no more than the windows show:
#: the share of what they see elsewhere from which on it is restored fully.
_SEEN = 0.05


@dataclasses.dataclass(frozen=True)
class ShortTimeFourier:
    """Frames as those of `LogMelSpectrogram`: Hann-windowed, and nothing padded in front.

    The way back adds the frames up, each weighed by its window once more, which is the waveform
    whose frames are nearest to those given: equation 6 of Griffin and Lim 1984, "Signal Estimation
    from Modified Short-Time Fourier Transform". Both ways are made of what LiteRT has built in.

    Args:
        frame_length: samples in a frame.
        hop_length: samples between the beginnings of two frames.

    Raises:
        ValueError: frames do not overlap.

    Example:

    >>> fourier = ShortTimeFourier(frame_length=200, hop_length=80)
    >>> waveform = np.sin(np.arange(840) / 3).astype("float32")[None]
    >>> real, imaginary = fourier.spectrum(waveform)
    >>> tuple(real.shape)
    (1, 9, 129)
    >>> again = np.array(fourier.waveform(real, imaginary))
    >>> again.shape, bool(np.abs(again - waveform)[0, 80:-80].max() < 1e-5)
    ((1, 840), True)
    """

    frame_length: int
    hop_length: int

    def __post_init__(self) -> None:
        """Checks the arguments."""
        if not 1 <= self.hop_length < self.frame_length:
            raise ValueError(
                f"hop_length must be 1 to frame_length - 1, so that frames overlap; got "
                f"{self.hop_length} with frames of {self.frame_length}."
            )

    @property
    def fft_length(self) -> int:
        """Samples of the transform: the next power of two."""
        return 2 ** math.ceil(math.log2(self.frame_length))

    @property
    def bins(self) -> int:
        """K, from 0 to half the sample rate."""
        return self.fft_length // 2 + 1

    @functools.cached_property
    def window(self) -> np.ndarray:
        """float32 [frame_length], of Hann, periodic."""
        angles = 2 * np.pi * np.arange(self.frame_length) / self.frame_length
        return (0.5 - 0.5 * np.cos(angles)).astype("float32")

    @property
    def _span(self) -> int:
        """How many hops a frame spans."""
        return math.ceil(self.frame_length / self.hop_length)

    @property
    def _spare(self) -> int:
        """How much longer than a frame these hops are."""
        return self._span * self.hop_length - self.frame_length

    def num_samples(self, num_frames: Any) -> Any:
        """The number of samples in so many frames (an int or an int tensor)."""
        samples = (num_frames - 1) * self.hop_length + self.frame_length
        if isinstance(num_frames, int):
            return samples if num_frames > 0 else 0
        return ops.where(num_frames > 0, samples, 0)

    def spectrum(self, waveform: Any) -> tuple[Any, Any]:
        """float32 [B, S], S = `num_samples(F)`, to the real and imaginary parts [B, F, K]."""
        hops = ops.reshape(
            ops.pad(waveform, [[0, 0], [0, self._spare]]),
            (ops.shape(waveform)[0], -1, self.hop_length),
        )
        frames = ops.shape(hops)[1] - self._span + 1
        parts = [hops[:, i : i + frames] for i in range(self._span)]
        framed = ops.concatenate(parts, axis=-1)[..., : self.frame_length]
        return ops.rfft(framed * self.window, self.fft_length)

    def waveform(self, real: Any, imaginary: Any, seen: Any = None) -> Any:
        """The way back.

        Args:
            real: float32 [B, F, K].
            imaginary: float32 [B, F, K].
            seen: what `seen` gives for the frames that count, whose spectra alone may be other
                than 0; None: all count.

        Returns:
            float32 [B, S] with S = `num_samples(F)`.
        """
        if seen is None:
            seen = self.seen(ops.ones_like(real[:, :, 0], dtype="bool"))
        return self._overlap_add(self._frames(real, imaginary) * self.window) / seen

    def seen(self, frame_mask: Any) -> Any:
        """bool [B, F], the frames that count, to float32 [B, S], how much they see of a sample."""
        squares = ops.where(frame_mask[..., None], self.window**2, 0.0)
        steady = np.zeros(self.hop_length, "float32")
        for start in range(0, self.frame_length, self.hop_length):
            part = self.window[start : start + self.hop_length] ** 2
            steady[: len(part)] += part
        return ops.maximum(self._overlap_add(squares), _SEEN * float(steady.max()))

    def tones(self, frames: Any) -> tuple[Any, Any]:
        """Cosine and sine [F, K] of the phase that a tone at each bin has in so many frames."""
        # In whole steps of a circle, which lose no digits however long the sound is.
        steps = ops.mod(ops.arange(frames, dtype="int32") * self.hop_length, self.fft_length)
        steps = ops.mod(steps[:, None] * np.arange(self.bins, dtype="int32"), self.fft_length)
        angle = ops.cast(steps, "float32") * (2 * np.pi / self.fft_length)
        return ops.cos(angle), ops.sin(angle)

    def _frames(self, real: Any, imaginary: Any) -> Any:
        """The inverse of the real Fourier transform: to float32 [B, F, frame_length].

        LiteRT knows the real Fourier transform and not its inverse; Hartley's transform is its own
        inverse (Hartley 1942), and is what the Fourier transform holds, differently sorted.
        """
        half = self.fft_length // 2

        def hartley(real: Any, imaginary: Any) -> Any:
            beyond = ops.flip((real + imaginary)[..., 1:half], axis=-1)
            return ops.concatenate([real - imaginary, beyond], axis=-1)

        again = ops.rfft(hartley(real, imaginary), self.fft_length)
        return hartley(*again)[..., : self.frame_length] / self.fft_length

    def _overlap_add(self, frames: Any) -> Any:
        """float32 [B, F, frame_length] to the sums [B, S]."""
        frames = ops.pad(frames, [[0, 0], [0, 0], [0, self._spare]])
        total = 0.0
        for i in range(self._span):
            part = frames[..., i * self.hop_length : (i + 1) * self.hop_length]
            total += ops.pad(part, [[0, 0], [i, self._span - 1 - i], [0, 0]])
        flat = ops.reshape(total, (ops.shape(total)[0], -1))
        return flat[:, : ops.shape(flat)[1] - self._spare] if self._spare else flat
