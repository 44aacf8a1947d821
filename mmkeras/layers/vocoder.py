"""Log-mel spectrogram to waveform by a small network, trained on recordings alone."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from mmkeras.contracts.arguments import check_count
from mmkeras.contracts.configured import Configured
from mmkeras.layers.convnext import ConvNeXtBlock
from mmkeras.layers.griffin_lim import GriffinLim

#: Log-mel energies lie around the first, most of them within the second.
_MEL_MEAN, _MEL_SCALE = -6.0, 4.0
#: What is quieter is silence.
_QUIETEST = 1e-4
#: Less than any log-mel energy.
_LEAST = -20.0


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class VocoderSize(Configured):
    """How large a `Vocoder` is, and how long it takes.

    Args:
        dim: width of the network.
        depth: number of blocks.
        kernel_size: odd number of frames that a block sees.
        iterations: rounds of Griffin & Lim's algorithm.

    Raises:
        ValueError: a number is out of its range.

    Example:

    >>> spectrogram = {"sample_rate": 8000, "frame_length": 200, "hop_length": 80, "num_mels": 20}
    >>> VocoderSize(dim=16, depth=1).vocoder(spectrogram).num_samples(9)
    840
    """

    dim: int = 160
    depth: int = 4
    kernel_size: int = 7
    iterations: int = 16

    def __post_init__(self) -> None:
        """Checks the arguments."""
        for name, least in (("dim", 1), ("depth", 0), ("kernel_size", 1), ("iterations", 0)):
            check_count(name, getattr(self, name), least)
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd and positive; got {self.kernel_size}.")

    def vocoder(self, spectrogram: Mapping[str, Any], name: str = "vocoder") -> "Vocoder":
        """A new layer of this size for the frames of a `LogMelSpectrogram` of such arguments."""
        return Vocoder(**spectrogram, **dataclasses.asdict(self), name=name)


class VocoderSpectrum(NamedTuple):
    """What a `Vocoder` predicts of K bins, see `ShortTimeFourier`.

    Attributes:
        log_magnitude: float32 [B, F, K], of the Fourier transform of each frame.
        turn: float32 [B, F, K], in radians: how much further the phase turns from the frame before
            than that of a tone at the middle of the bin.
    """

    log_magnitude: Any
    turn: Any


@keras.saving.register_keras_serializable(package="mmkeras")
class Vocoder(keras.layers.Layer):
    """A waveform whose log-mel spectrogram is the one given, by a network that knows such sounds.

    ConvNeXt blocks over the frames predict the spectrum of each, and the inverse Fourier transform
    makes the waveform (Siuzdak 2023, "Vocos").

    The magnitude is `GriffinLim`'s times what is learned, so that a new vocoder begins as that; it
    is then fitted to the mel energies once more, which leaves to the network how energy is shared
    among the bins of a band.

    The phase itself cannot be told from log-mel frames, which hardly change when the sound is
    shifted by a part of a period; what can be told is how far it turns from frame to frame, the
    frequency of what sounds in a bin (the instantaneous frequency of Ai and Ling 2023, "APNet").
    So turns are predicted and added up. The phases of neighbouring bins drift apart thereby, and
    are brought together by rounds of Griffin & Lim's algorithm.

    Args:
        sample_rate: samples a second; this one and the next four as in `LogMelSpectrogram`.
        frame_length: samples in a frame.
        hop_length: samples between the beginnings of two frames.
        num_mels: number of mel bands M.
        low_hz: lower edge of the first band.
        dim: width of the network.
        depth: number of blocks.
        kernel_size: odd number of frames that a block sees.
        iterations: rounds of Griffin & Lim's algorithm.

    Raises:
        ValueError: frames do not overlap, or a number is out of its range.

    Example:

    >>> import numpy as np
    >>> vocoder = Vocoder(8000, frame_length=200, hop_length=80, num_mels=20, dim=16, depth=1)
    >>> tuple(vocoder(np.zeros((1, 9, 20), "float32")).shape)
    (1, 840)
    """

    def __init__(
        self,
        sample_rate: int,
        frame_length: int,
        hop_length: int,
        num_mels: int,
        low_hz: float = 20.0,
        dim: int = 160,
        depth: int = 4,
        kernel_size: int = 7,
        iterations: int = 16,
        **kwargs: Any,
    ):
        # Neither the logarithm of an energy nor a sum of phases survives half precision.
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.griffin_lim = GriffinLim(
            sample_rate, frame_length, hop_length, num_mels, low_hz, iterations, name="griffin_lim"
        )
        self.fourier = self.griffin_lim.fourier
        heard = {k: v for k, v in self.griffin_lim.config.items() if k != "momentum"}
        self.config = heard | {"dim": dim, "depth": depth, "kernel_size": kernel_size}
        VocoderSize(dim, depth, kernel_size, iterations)
        policy = self.dtype_policy
        self.embedding = keras.layers.Dense(dim, name="embedding", dtype=policy)
        self.blocks = [
            ConvNeXtBlock(dim, 3 * dim, kernel_size, name=f"block_{i}", dtype=policy)
            for i in range(depth)
        ]
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, name="norm", dtype=policy)
        # Begins with Griffin and Lim's magnitudes, and a tone at each bin.
        self.spectra = keras.layers.Dense(
            2 * self.fourier.bins, kernel_initializer="zeros", name="spectra", dtype=policy
        )
        # A frame of a waveform in [-1, 1] has no more in any bin.
        self._loudest = float(np.log(self.fourier.window.sum()))

    def build(self, log_mel_shape: Any, frame_mask_shape: Any = None) -> None:
        shape = (None, None, self.config["dim"])
        self.embedding.build(log_mel_shape)
        for layer in (*self.blocks, self.norm, self.spectra):
            layer.build(shape)

    def call(self, log_mel: Any, frame_mask: Any = None) -> Any:
        """The waveform.

        Args:
            log_mel: float [B, F, M], as `LogMelSpectrogram` gives it.
            frame_mask: bool [B, F], True = a frame that counts; None: all do. The others are
                silent, and change nothing in the rest.

        Returns:
            float32 [B, S] with S = `num_samples(F)`. It may leave [-1, 1] a little.
        """
        return self.waveform(log_mel, self.spectrum(log_mel, frame_mask), frame_mask)

    def waveform(self, log_mel: Any, spectrum: VocoderSpectrum, frame_mask: Any = None) -> Any:
        """The waveform of what the network predicted for the frames. See `call`."""
        if frame_mask is not None:
            log_mel = ops.where(frame_mask[..., None], log_mel, ops.zeros_like(log_mel))
        energy = ops.exp(2.0 * spectrum.log_magnitude)
        magnitude = self.griffin_lim.magnitude(log_mel, energy)
        # At first all bins are in phase in the middle of the frame, as those of one sound are.
        bins = np.arange(self.fourier.bins)
        middle = np.pi * bins * self.fourier.frame_length / self.fourier.fft_length % (2 * np.pi)
        angle = ops.cumsum(spectrum.turn, axis=1) - middle.astype("float32")
        cosine, sine = self.fourier.tones(ops.shape(angle)[1])
        more_cosine, more_sine = ops.cos(angle), ops.sin(angle)
        return self.griffin_lim.waveform(
            magnitude,
            cosine * more_cosine - sine * more_sine,
            sine * more_cosine + cosine * more_sine,
            frame_mask,
        )

    def spectrum(self, log_mel: Any, frame_mask: Any = None) -> VocoderSpectrum:
        """What the network predicts; its turns are 0 where frames are masked. See `call`."""
        log_mel = ops.clip(ops.cast(log_mel, "float32"), _LEAST, self.griffin_lim.loudest)
        if frame_mask is not None:
            log_mel = ops.where(frame_mask[..., None], log_mel, 0.0)
        values = self.embedding((log_mel - _MEL_MEAN) / _MEL_SCALE)
        for block in self.blocks:
            values = block(values, frame_mask)
        more, turn = ops.split(self.spectra(self.norm(values)), 2, axis=-1)
        magnitude = self.griffin_lim.magnitude(log_mel)
        log_magnitude = ops.log(ops.maximum(magnitude, _QUIETEST)) + more
        if frame_mask is not None:
            turn = ops.where(frame_mask[..., None], turn, 0.0)
        return VocoderSpectrum(ops.minimum(log_magnitude, self._loudest), turn)

    def num_samples(self, num_frames: Any) -> Any:
        """The number of samples in so many frames (an int or an int tensor)."""
        return self.fourier.num_samples(num_frames)

    def compute_output_shape(self, log_mel_shape: Any, *_: Any) -> tuple[Any, ...]:
        """(B, S), from (B, F, M)."""
        return self.griffin_lim.compute_output_shape(log_mel_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self.config
