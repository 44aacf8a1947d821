"""Log-mel spectrogram to waveform, without weights: the way back from `LogMelSpectrogram`."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from mmkeras.layers.spectrogram import LogMelSpectrogram


@keras.saving.register_keras_serializable(package="mmkeras")
class GriffinLim(keras.layers.Layer):
    """A waveform whose log-mel spectrogram is nearly the one given; the same one every time.

    First the energies of the mel bands are spread over the bins of the Fourier transform, so that
    the Kullback-Leibler divergence between them and the bands' is small: the multiplicative updates
    of Lee and Seung 2001, which begin with the mean of the bands around each bin. Of eSpeak NG's
    speech, the magnitudes found are closer to the true ones than those of a pseudo-inverse or of
    non-negative least squares, which put what a band holds into single bins.

    Then a phase is found that fits the magnitudes: Perraudin et al. 2013, "A fast Griffin-Lim
    algorithm". It begins as if each bin held a tone at its own frequency.

    Args:
        sample_rate: samples a second; this one and the next four as in `LogMelSpectrogram`.
        frame_length: samples in a frame.
        hop_length: samples between the beginnings of two frames.
        num_mels: number of mel bands M.
        low_hz: lower edge of the first band.
        iterations: how often the phase is improved.
        momentum: how far each improvement is carried on, from 0 (Griffin and Lim 1984) to 1.

    Raises:
        ValueError: frames do not overlap, or a number is out of its range.

    Example:

    >>> import numpy as np
    >>> parameters = {"sample_rate": 8000, "frame_length": 200, "hop_length": 80, "num_mels": 20}
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(840) / 8000).astype("float32")[None]
    >>> log_mel = LogMelSpectrogram(**parameters)(tone)
    >>> tuple(GriffinLim(**parameters)(log_mel).shape)
    (1, 840)
    """

    #: Updates of the energies; the divergence hardly falls any more.
    _UPDATES = 10
    #: Where hardly any window sees a sample, at the ends, the sample is no more than the windows
    #: show: the share of what they see elsewhere from which on it is restored fully.
    _SEEN = 0.05

    def __init__(
        self,
        sample_rate: int,
        frame_length: int,
        hop_length: int,
        num_mels: int,
        low_hz: float = 20.0,
        iterations: int = 32,
        momentum: float = 0.99,
        **kwargs: Any,
    ):
        # The logarithm of an energy does not survive half precision.
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        if not 1 <= hop_length < frame_length:
            raise ValueError(
                f"hop_length must be 1 to frame_length - 1, so that frames overlap; got "
                f"{hop_length} with frames of {frame_length}."
            )
        if iterations < 0:
            raise ValueError(f"iterations must be 0 or more; got {iterations}.")
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum must be 0 to 1; got {momentum}.")
        forward = LogMelSpectrogram(sample_rate, frame_length, hop_length, num_mels, low_hz)
        self.config = forward.config | {"iterations": iterations, "momentum": momentum}
        self.iterations = iterations
        self.momentum = momentum
        self.frame_length = frame_length
        self.hop_length = hop_length
        self.fft_length = forward.fft_length
        self.window = forward.window
        self.filters = forward.filters
        # A waveform in [-1, 1] has no more energy than this.
        loudest = np.sum(self.window) ** 2 * self.filters.sum(axis=0).max()
        self.loudest = float(np.log(loudest))
        # How many hops a frame spans.
        self.span = math.ceil(frame_length / hop_length)

    def call(self, log_mel: Any, frame_mask: Any = None) -> Any:
        """The waveform.

        Args:
            log_mel: float [B, F, M], as `LogMelSpectrogram` gives it; more than a waveform in
                [-1, 1] can have is taken for that.
            frame_mask: bool [B, F], True = a frame that counts; None: all do. The others are
                silent, and change nothing in the rest.

        Returns:
            float32 [B, S] with S = `num_samples(F)`. It may leave [-1, 1] a little.
        """
        magnitude = self.magnitude(log_mel)
        if frame_mask is None:
            frame_mask = ops.ones_like(magnitude[:, :, 0], dtype="bool")
        magnitude = ops.where(frame_mask[..., None], magnitude, 0.0)
        squares = ops.where(frame_mask[..., None], self.window**2, 0.0)
        seen = self._overlap_add(squares)
        steady = np.zeros(self.hop_length, "float32")
        for start in range(0, self.frame_length, self.hop_length):
            part = self.window[start : start + self.hop_length] ** 2
            steady[: len(part)] += part
        seen = ops.maximum(seen, self._SEEN * float(steady.max()))

        def waveform(real: Any, imaginary: Any) -> Any:
            return self._overlap_add(self._frames(real, imaginary) * self.window) / seen

        share = self.momentum / (1.0 + self.momentum)

        def improve(_: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
            real, imaginary, last_real, last_imaginary = state
            made = self._spectrum(waveform(real, imaginary))
            # What is known of the shape is lost on the way, and a loop must not change it.
            made_real, made_imaginary = (ops.reshape(part, shape) for part in made)
            real = made_real - share * last_real
            imaginary = made_imaginary - share * last_imaginary
            scale = magnitude * ops.rsqrt(
                ops.maximum(ops.square(real) + ops.square(imaginary), 1e-20)
            )
            return real * scale, imaginary * scale, made_real, made_imaginary

        batch, frames, bins = magnitude.shape
        shape = (
            -1 if batch is None else batch,
            ops.shape(magnitude)[1] if frames is None else frames,
            bins,
        )
        cosine, sine = self._start(magnitude)
        nothing = ops.zeros_like(magnitude)
        state = (magnitude * cosine, magnitude * sine, nothing, nothing)
        real, imaginary, _, _ = ops.fori_loop(0, self.iterations, improve, state)
        return waveform(real, imaginary)

    def magnitude(self, log_mel: Any) -> Any:
        """float [B, F, M] to float32 [B, F, fft_length // 2 + 1], of the Fourier transform."""
        energy = ops.exp(ops.minimum(ops.cast(log_mel, "float32"), self.loudest))
        # A bin that no band sees has no energy; a band that sees no bin tells nothing.
        seen = np.maximum(self.filters.sum(axis=1), 1e-9)
        to_bins = self.filters.T / seen
        widths = np.maximum(self.filters.sum(axis=0), 1e-9)

        def update(_: Any, bins: Any) -> Any:
            ratio = energy / ops.maximum(ops.matmul(bins, self.filters), 1e-20)
            return bins * ops.matmul(ratio, to_bins)

        bins = ops.matmul(energy / widths, to_bins)
        return ops.sqrt(ops.fori_loop(0, self._UPDATES, update, bins))

    def num_samples(self, num_frames: Any) -> Any:
        """The number of samples in so many frames (an int or an int tensor)."""
        samples = (num_frames - 1) * self.hop_length + self.frame_length
        if isinstance(num_frames, int):
            return samples if num_frames > 0 else 0
        return ops.where(num_frames > 0, samples, 0)

    def compute_output_shape(self, log_mel_shape: Any, *_: Any) -> tuple[Any, ...]:
        """(B, S), from (B, F, M)."""
        batch, frames, _ = log_mel_shape
        return batch, None if frames is None else self.num_samples(frames)

    def _start(self, magnitude: Any) -> tuple[Any, Any]:
        """Cosine and sine [F, fft_length // 2 + 1] of the phase a tone at each bin would have."""
        frames = ops.arange(ops.shape(magnitude)[1], dtype="int32")
        # In whole steps of a circle, which lose no digits however long the sound is.
        steps = ops.mod(frames * self.hop_length, self.fft_length)[:, None]
        steps = ops.mod(steps * np.arange(self.fft_length // 2 + 1, dtype="int32"), self.fft_length)
        angle = ops.cast(steps, "float32") * (2 * np.pi / self.fft_length)
        return ops.cos(angle), ops.sin(angle)

    def _spectrum(self, waveform: Any) -> tuple[Any, Any]:
        """float32 [B, S] to the real and imaginary parts [B, F, fft_length // 2 + 1]."""
        spare = self.span * self.hop_length - self.frame_length
        hops = ops.reshape(
            ops.pad(waveform, [[0, 0], [0, spare]]), (ops.shape(waveform)[0], -1, self.hop_length)
        )
        frames = ops.shape(hops)[1] - self.span + 1
        parts = [hops[:, i : i + frames] for i in range(self.span)]
        framed = ops.concatenate(parts, axis=-1)[..., : self.frame_length]
        return ops.rfft(framed * self.window, self.fft_length)

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
        spare = self.span * self.hop_length - self.frame_length
        frames = ops.pad(frames, [[0, 0], [0, 0], [0, spare]])
        total = 0.0
        for i in range(self.span):
            part = frames[..., i * self.hop_length : (i + 1) * self.hop_length]
            total += ops.pad(part, [[0, 0], [i, self.span - 1 - i], [0, 0]])
        flat = ops.reshape(total, (ops.shape(total)[0], -1))
        return flat[:, : ops.shape(flat)[1] - spare] if spare else flat

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self.config
