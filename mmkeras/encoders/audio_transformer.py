"""`AudioTransformer`: a waveform to tokens."""

from typing import Any, Self

import keras

from mmkeras.contracts.encoder import Encoder
from mmkeras.layers.audio_stem import AudioStem
from mmkeras.layers.composite import Composite
from mmkeras.layers.positions import SinusoidalPositions
from mmkeras.layers.sizes import Size, size_of
from mmkeras.layers.stack import TransformerStack
from mmkeras.tokens import Tokens


@keras.saving.register_keras_serializable(package="mmkeras")
class AudioTransformer(Composite, Encoder):
    """An `AudioStem` and a Transformer stack whose tokens know how far from the beginning they are.

    Source: the encoder of Radford et al. 2023, "Robust Speech Recognition via Large-Scale Weak
    Supervision" (Whisper).

    Args:
        num_samples: the longest waveform, in samples.
        stem: the unbuilt `AudioStem`, of the stack's dim.
        stack: the unbuilt Transformer, such as `Size(...).stack()`.
        dropout: fraction of units dropped in training in front of it.

    Example:

    >>> import numpy as np
    >>> stack = Size(dim=16, depth=1, num_heads=2, mlp_dim=32).stack()
    >>> encoder = AudioTransformer(1600, AudioStem(16, sample_rate=8000, num_mels=16), stack)
    >>> waveform = np.zeros((1, 1600), "float32")
    >>> tokens = encoder({"waveform": waveform, "length": np.array([800])})
    >>> np.array(tokens.mask).tolist()  # 800 samples: 10 frames of 10 ms, then a quarter of them
    [[True, True, True, False, False]]
    """

    parts = ("stem", "stack")
    reads = frozenset({"waveform", "length"})

    def __init__(
        self,
        num_samples: int,
        stem: AudioStem,
        stack: TransformerStack,
        dropout: float = 0.1,
        **kwargs: Any,
    ):
        # In half precision Keras would round the waveform before the spectrogram sees it.
        super().__init__(autocast=False, **kwargs)
        self.config = {"num_samples": num_samples, "dropout": dropout}
        self.dim = stack.dim
        self.stem, self.stack = stem, stack
        self.positions = SinusoidalPositions(
            stem.num_tokens(num_samples), name="positions", dtype=self.dtype_policy
        )
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    @property
    def step_s(self) -> float:
        """See `Encoder.step_s`."""
        return self.stem.step_s

    def build(self, tensors_shape: dict[str, Any]) -> None:
        self.stem.build(tensors_shape["waveform"], tensors_shape["length"])
        shape, _ = self.stem.compute_output_shape(tensors_shape["waveform"])
        self.positions.build(shape)
        self.stack.build(shape)

    def call(self, tensors: dict[str, Any], training: bool | None = None) -> Tokens:
        """`waveform` float [B, S] and `length` int [B] (samples) to tokens [B, T, D]."""
        values, mask = self.stem(tensors["waveform"], tensors["length"], training=training)
        values = self.dropout(self.positions(values), training=training)
        return Tokens(self.stack(values, attention_mask=mask, training=training), mask)

    def compute_output_shape(self, tensors_shape: dict[str, Any]) -> Tokens:
        return Tokens(*self.stem.compute_output_shape(tensors_shape["waveform"]))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self.config

    @classmethod
    def for_modality(
        cls,
        modality: Any,
        size: str | Size = "small",
        *,
        dropout: float = 0.1,
        num_mels: int | None = None,
        **overrides: Any,
    ) -> Self:
        """The encoder of a named size for an `Audio`; see `Encoder.for_modality`.

        Args:
            modality: the `Audio`.
            size: a name, or a `Size`.
            dropout: fraction of units dropped in training.
            num_mels: number of mel bands; None: what the size has.
            **overrides: further arguments of the constructor.
        """
        cls.check_reads(modality)
        dtype = overrides.get("dtype")
        fitted = {
            "num_samples": modality.specs()["waveform"].shape[0],
            "stem": AudioStem.of_size(
                size, modality.sample_rate, num_mels, name="stem", dtype=dtype
            ),
            "stack": size_of(size).stack(dropout, name="stack", dtype=dtype),
            "dropout": dropout,
        }
        return cls(**fitted | overrides)
