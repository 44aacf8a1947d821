"""`Conformer`: a waveform to tokens, by attention and convolutions."""

from typing import Any, ClassVar, NamedTuple, Self

import keras
from keras import ops

from mmkeras.contracts.encoder import Encoder
from mmkeras.layers.audio_stem import AudioStem
from mmkeras.layers.composite import Composite
from mmkeras.layers.conformer import ConformerContext
from mmkeras.layers.frame_normalization import GlobalNormalization
from mmkeras.layers.masks import AttentionMask
from mmkeras.layers.sizes import Size, size_of
from mmkeras.layers.stack import TransformerStack
from mmkeras.tokens import Tokens


class Stream(NamedTuple):
    """What a `Conformer` remembers of a stream.

    Attributes:
        contexts: of its blocks.
        heard: bool [B, W], which of the W tokens before were there.
    """

    contexts: tuple[ConformerContext, ...]
    heard: Any


@keras.saving.register_keras_serializable(package="mmkeras")
class Conformer(Composite, Encoder):
    """An `AudioStem` and Conformer blocks; with `chunk`, one that can listen while it is spoken.

    With `chunk`, a token sees the tokens of its own chunk and those of `left_chunks` before it: the
    tokens of a chunk are final as soon as it has been heard, whatever comes. The blocks'
    convolutions have to be causal then, and the stem's normalisation must not depend on the whole
    utterance; see `for_modality`.

    Sources: Gulati et al. 2020, "Conformer: Convolution-augmented Transformer for Speech
    Recognition"; chunks as in Zhang et al. 2020, "Unified Streaming and Non-streaming Two-pass
    End-to-end Model for Speech Recognition" (WeNet).

    Args:
        stem: the unbuilt `AudioStem`, of the stack's dim.
        stack: the unbuilt blocks, such as `Size(...).conformer_stack(rotary=True)`.
        dropout: fraction of units dropped in training in front of them.
        chunk: tokens in a chunk; None: every token sees all others.
        left_chunks: chunks before its own that a token sees.

    Raises:
        ValueError: `chunk` is given, and the stem waits for the whole utterance, or a convolution
            looks ahead.

    Example:

    >>> import numpy as np
    >>> size = Size(dim=16, depth=1, num_heads=2, mlp_dim=32)
    >>> stem = AudioStem(16, sample_rate=8000, num_mels=16)
    >>> encoder = Conformer(stem, size.conformer_stack(kernel_size=3, rotary=True))
    >>> waveform = np.zeros((1, 1600), "float32")
    >>> tuple(encoder({"waveform": waveform, "length": np.array([800])}).values.shape)
    (1, 5, 16)
    """

    parts = ("stem", "stack")
    reads = frozenset({"waveform", "length"})
    is_default: ClassVar[bool] = False

    def __init__(
        self,
        stem: AudioStem,
        stack: TransformerStack,
        dropout: float = 0.1,
        chunk: int | None = None,
        left_chunks: int = 4,
        **kwargs: Any,
    ):
        # In half precision Keras would round the waveform before the spectrogram sees it.
        super().__init__(autocast=False, **kwargs)
        if chunk is not None:
            _check_streaming(stem, stack, chunk, left_chunks)
        self.config = {"dropout": dropout, "chunk": chunk, "left_chunks": left_chunks}
        self.dim = stack.dim
        self.stem, self.stack = stem, stack
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    @property
    def step_s(self) -> float:
        """See `Encoder.step_s`."""
        return self.stem.step_s

    def build(self, tensors_shape: dict[str, Any]) -> None:
        self.stem.build(tensors_shape["waveform"], tensors_shape["length"])
        self.stack.build(self.stem.compute_output_shape(tensors_shape["waveform"])[0])

    def call(self, tensors: dict[str, Any], training: bool | None = None) -> Tokens:
        """`waveform` float [B, S] and `length` int [B] (samples) to tokens [B, T, D]."""
        values, mask = self.stem(tensors["waveform"], tensors["length"], training=training)
        values = self.dropout(values, training=training)
        allowed = AttentionMask(keys=mask, dense=self._near(ops.shape(mask)[1]))
        return Tokens(self.stack(values, attention_mask=allowed, training=training), mask)

    def _near(self, count: Any) -> Any:
        """bool [1, 1, T, T]: the chunks that each token sees; None: all of them."""
        chunk, left = self.config["chunk"], self.config["left_chunks"]
        if chunk is None:
            return None
        of = ops.arange(count, dtype="int32") // chunk
        apart = of[:, None] - of[None, :]
        return ops.logical_and(apart >= 0, apart <= left)[None, None]

    @property
    def look_ahead(self) -> int:
        """Samples behind its end that a chunk waits for: the rest of its last frame."""
        spectrogram = self.stem.spectrogram
        return max(spectrogram.frame_length - spectrogram.hop_length, 0)

    def start_stream(self, batch: int = 1) -> Stream:
        """The memory in front of a stream.

        Raises:
            ValueError: the encoder hears no chunks, or they are too short for its convolutions.
        """
        if self.config["chunk"] is None:
            raise ValueError("this Conformer hears whole recordings; make it with chunk=...")
        width = self.config["chunk"] * self.config["left_chunks"]
        contexts = (block.initial_context(batch, width) for block in self.stack.blocks)
        return Stream(tuple(contexts), ops.zeros((batch, width), dtype="bool"))

    def stream(
        self, waveform: Any, length: Any, memory: Stream, first: bool
    ) -> tuple[Tokens, Stream]:
        """The tokens of the chunk that comes next; those of all chunks equal those of `call`.

        Args:
            waveform: float [B, S]: the chunk and the `look_ahead` behind it; if it is not the
                first, with the samples of one token before it.
            length: int [B], its samples; fewer than S where the recording ends.
            memory: what the call before gave, or `start_stream`.
            first: whether it is the first chunk.

        Returns:
            The tokens [B, chunk, D], and the memory of the chunk behind it.
        """
        values, mask = self.stem(waveform, length)
        begin = 0 if first else 1
        end = begin + self.config["chunk"]
        values, mask = values[:, begin:end], mask[:, begin:end]
        contexts = []
        for block, context in zip(self.stack.blocks, memory.contexts, strict=True):
            values, context = block.stream(values, context, memory.heard, mask)
            contexts.append(context)
        if self.stack.norm is not None:
            values = self.stack.norm(values)
        heard = ops.concatenate([memory.heard, mask], axis=1)
        heard = heard[:, heard.shape[1] - memory.heard.shape[1] :]
        return Tokens(values, mask), Stream(tuple(contexts), heard)

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
        kernel_size: int = 15,
        num_mels: int | None = None,
        hop_s: float = 0.01,
        normalization: keras.layers.Layer | None = None,
        augmentation: keras.layers.Layer | None = None,
        **overrides: Any,
    ) -> Self:
        """The encoder of a named size for an `Audio`; see `Encoder.for_modality`.

        Args:
            modality: the `Audio`.
            size: a name, or a `Size`.
            dropout: fraction of units dropped in training.
            kernel_size: see `ConformerConvolution`.
            num_mels: number of mel bands; None: what the size has.
            hop_s: seconds between two frames; a token stands for four.
            normalization, augmentation: see `AudioStem`.
            **overrides: further arguments of the constructor. With `chunk`, convolutions are
                causal.
        """
        cls.check_reads(modality)
        dtype = overrides.get("dtype")
        fitted = {
            "stem": AudioStem.of_size(
                size,
                modality.sample_rate,
                num_mels,
                hop_s=hop_s,
                normalization=normalization,
                augmentation=augmentation,
                name="stem",
                dtype=dtype,
            ),
            "stack": size_of(size).conformer_stack(
                dropout,
                kernel_size,
                rotary=True,
                causal=overrides.get("chunk") is not None,
                name="stack",
                dtype=dtype,
            ),
            "dropout": dropout,
        }
        return cls(**fitted | overrides)


def _check_streaming(stem: AudioStem, stack: TransformerStack, chunk: int, left: int) -> None:
    if chunk < 1 or left < 0:
        raise ValueError(
            f"chunk must be at least 1 and left_chunks at least 0; got {chunk} and {left}."
        )
    if not isinstance(stem.normalization, GlobalNormalization):
        raise ValueError(
            "with chunk, the stem's normalization must not wait for the whole utterance: make it "
            "with a GlobalNormalization."
        )
    ahead = [block.name for block in stack.blocks if not block.convolution.causal]
    if ahead:
        raise ValueError(
            f"with chunk, no convolution may look ahead, but those of {ahead} do; make the stack "
            "with Size(...).conformer_stack(causal=True)."
        )
