"""Log-mel spectrogram to waveform, without weights: the way back from `LogMelSpectrogram`."""

from typing import Any

import keras
import numpy as np
from keras import ops

from mmkeras.layers.short_time_fourier import ShortTimeFourier
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
        self.fourier = ShortTimeFourier(frame_length, hop_length)
        if iterations < 0:
            raise ValueError(f"iterations must be 0 or more; got {iterations}.")
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum must be 0 to 1; got {momentum}.")
        forward = LogMelSpectrogram(sample_rate, frame_length, hop_length, num_mels, low_hz)
        self.config = forward.config | {"iterations": iterations, "momentum": momentum}
        self.iterations = iterations
        self.momentum = momentum
        self.filters = forward.filters
        # A waveform in [-1, 1] has no more energy than this.
        loudest = np.sum(self.fourier.window) ** 2 * self.filters.sum(axis=0).max()
        self.loudest = float(np.log(loudest))

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
        return self.waveform(
            magnitude, *self.fourier.tones(ops.shape(magnitude)[1]), frame_mask=frame_mask
        )

    def waveform(self, magnitude: Any, cosine: Any, sine: Any, frame_mask: Any = None) -> Any:
        """A waveform whose frames have nearly these magnitudes.

        Args:
            magnitude: float32 [B, F, K], of the Fourier transform.
            cosine: float32 [B, F, K] or [F, K], of the phase to begin with.
            sine: as the cosine.
            frame_mask: as in `call`.

        Returns:
            float32 [B, S].
        """
        if frame_mask is None:
            frame_mask = ops.ones_like(magnitude[:, :, 0], dtype="bool")
        magnitude = ops.where(frame_mask[..., None], magnitude, 0.0)
        seen = self.fourier.seen(frame_mask)
        share = self.momentum / (1.0 + self.momentum)

        def improve(_: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
            real, imaginary, last_real, last_imaginary = state
            made = self.fourier.spectrum(self.fourier.waveform(real, imaginary, seen))
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
        nothing = ops.zeros_like(magnitude)
        state = (magnitude * cosine, magnitude * sine, nothing, nothing)
        real, imaginary, _, _ = ops.fori_loop(0, self.iterations, improve, state)
        return self.fourier.waveform(real, imaginary, seen)

    def magnitude(self, log_mel: Any, bins: Any = None) -> Any:
        """The magnitudes of the Fourier transform whose mel energies are nearest to those given.

        Args:
            log_mel: float [B, F, M].
            bins: float [B, F, K], energies above 0 to begin with; None: the mean of the bands
                around each bin.

        Returns:
            float32 [B, F, K].
        """
        energy = ops.exp(ops.minimum(ops.cast(log_mel, "float32"), self.loudest))
        # A bin that no band sees has no energy; a band that sees no bin tells nothing.
        seen = np.maximum(self.filters.sum(axis=1), 1e-9)
        to_bins = self.filters.T / seen
        widths = np.maximum(self.filters.sum(axis=0), 1e-9)

        def update(_: Any, bins: Any) -> Any:
            ratio = energy / ops.maximum(ops.matmul(bins, self.filters), 1e-20)
            return bins * ops.matmul(ratio, to_bins)

        if bins is None:
            bins = ops.matmul(energy / widths, to_bins)
        return ops.sqrt(ops.fori_loop(0, self._UPDATES, update, bins))

    def num_samples(self, num_frames: Any) -> Any:
        """The number of samples in so many frames (an int or an int tensor)."""
        return self.fourier.num_samples(num_frames)

    def compute_output_shape(self, log_mel_shape: Any, *_: Any) -> tuple[Any, ...]:
        """(B, S), from (B, F, M)."""
        batch, frames, _ = log_mel_shape
        return batch, None if frames is None else self.num_samples(frames)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self.config
