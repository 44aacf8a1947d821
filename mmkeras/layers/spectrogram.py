"""Waveform to log-mel spectrogram, inside the model, so that an exported model takes a waveform."""

from typing import Any

import keras
import numpy as np
from keras import ops

from mmkeras.layers.lengths import up_to


def mel_filters(num_mels: int, fft_length: int, sample_rate: int, low_hz: float) -> np.ndarray:
    """Triangles over hertz, their corners equally spaced on the HTK mel scale.

    mel = 2595 log10(1 + hz / 700), as by `librosa.filters.mel(htk=True, norm=None)`.

    Args:
        num_mels: number of filters.
        fft_length: length of the Fourier transform, in samples.
        sample_rate: samples a second.
        low_hz: lower edge of the first filter; the last one ends at half the sample rate.

    Returns:
        float32 [fft_length // 2 + 1, num_mels]; each filter peaks at 1.

    Example:

    >>> mel_filters(num_mels=8, fft_length=64, sample_rate=8000, low_hz=0.0).shape
    (33, 8)
    """
    to_mel = lambda hz: 2595.0 * np.log10(1.0 + np.asarray(hz) / 700.0)  # noqa: E731
    edges = np.linspace(to_mel(low_hz), to_mel(sample_rate / 2), num_mels + 2)
    edges = 700.0 * (10.0 ** (edges / 2595.0) - 1.0)
    bins = np.linspace(0, sample_rate / 2, fft_length // 2 + 1)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(0.0, np.minimum(rising, falling)).astype("float32")


class LogMelSpectrogram(keras.layers.Layer):
    """ln(mel energies) of a waveform, one frame every `hop_length` samples.

    Frame t sees samples [t · hop_length, t · hop_length + frame_length), Hann-windowed; nothing is
    padded in front, so that a frame depends on its own samples alone and a mask over samples turns
    into an exact mask over frames. Energies below 1e-6 are raised to that. Equal to the logarithm
    of `librosa.feature.melspectrogram(n_fft=F, win_length=frame_length, center=False, power=2,
    htk=True, norm=None)`, F being the next power of two, of a waveform with (F - frame_length) / 2
    zeros on each side.

    Args:
        sample_rate: samples a second.
        frame_length: samples in a frame.
        hop_length: samples between the beginnings of two frames.
        num_mels: number of mel bands M.
        low_hz: lower edge of the first band.

    Example:

    >>> import numpy as np
    >>> layer = LogMelSpectrogram(sample_rate=8000, frame_length=200, hop_length=80, num_mels=16)
    >>> tuple(layer(np.zeros((1, 840), "float32")).shape)
    (1, 9, 16)
    """

    def __init__(
        self,
        sample_rate: int,
        frame_length: int,
        hop_length: int,
        num_mels: int,
        low_hz: float = 20.0,
        **kwargs: Any,
    ):
        # The logarithm of an energy does not survive half precision.
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.config = {
            "sample_rate": sample_rate,
            "frame_length": frame_length,
            "hop_length": hop_length,
            "num_mels": num_mels,
            "low_hz": low_hz,
        }
        self.frame_length = frame_length
        self.hop_length = hop_length
        self.fft_length = 2 ** int(np.ceil(np.log2(frame_length)))
        self.filters = mel_filters(num_mels, self.fft_length, sample_rate, low_hz)
        # Keras' own window of odd length is another one on each backend.
        angles = 2 * np.pi * np.arange(frame_length) / frame_length
        self.window = (0.5 - 0.5 * np.cos(angles)).astype("float32")

    def call(self, waveform: Any) -> Any:
        """float [B, S], in [-1, 1], to float32 [B, T, M] with T = `num_frames(S)`."""
        # Keras centres the window in `fft_length` samples; with zeros around the waveform it stands
        # at the beginning of its hop again.
        spare = self.fft_length - self.frame_length
        waveform = ops.pad(waveform, [[0, 0], [spare // 2, spare - spare // 2]])
        real, imaginary = ops.stft(
            waveform,
            sequence_length=self.frame_length,
            sequence_stride=self.hop_length,
            fft_length=self.fft_length,
            window=self.window,
            center=False,
        )
        energy = ops.square(real) + ops.square(imaginary)
        return ops.log(ops.maximum(ops.matmul(energy, self.filters), 1e-6))

    def of_recordings(self, waveform: Any, length: Any) -> tuple[Any, Any]:
        """Frames that begin at every hop of a recording, the last of which see silence behind it.

        Args:
            waveform: float [B, S].
            length: int [B], the samples that are no padding; the rest changes nothing.

        Returns:
            float32 [B, F, M] and bool [B, F], True = a frame of the recording; F is S / hop_length,
            rounded up.
        """
        length = ops.cast(length, "int32")
        waveform = ops.cast(waveform, "float32")
        samples = ops.shape(waveform)[1]
        waveform = ops.where(up_to(length, samples), waveform, 0.0)
        # Room for one more frame, so that a frame begins at every hop, however short the waveform.
        waveform = ops.pad(waveform, [[0, 0], [0, self.frame_length]])
        frames = self(waveform)[:, : -(-samples // self.hop_length)]
        return frames, up_to(-(-length // self.hop_length), ops.shape(frames)[1])

    def num_frames(self, num_samples: Any) -> Any:
        """The number of whole frames in so many samples (an int or an int tensor)."""
        frames = (num_samples - self.frame_length) // self.hop_length + 1
        return max(frames, 0) if isinstance(frames, int) else ops.maximum(frames, 0)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self.config
