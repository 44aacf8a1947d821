"""`VisionPyramid`: a picture to tokens of several resolutions."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import keras
from keras import ops

from mmkeras.contracts.encoder import Encoder
from mmkeras.layers.composite import Composite
from mmkeras.layers.grids import tokens_of
from mmkeras.layers.positions import LearnedPositions
from mmkeras.layers.sizes import Size, size_of
from mmkeras.layers.stack import TransformerStack
from mmkeras.tokens import Grids, Tokens


@keras.saving.register_keras_serializable(package="mmkeras")
class VisionPyramid(Composite, Encoder):
    """Residual convolutions, a Transformer over the coarsest grid, and what it knows for the finer.

    Each stage halves the grid. The tokens of the last one become aware of each other; then each
    finer grid adds what the coarser one knows to what it sees itself. The tokens are the cells of
    all grids from the first of `strides` on, finest first. It learns from hundreds of pictures,
    which a ViT does not, and has cells for small objects and for large ones.

    Sources: He et al. 2016, "Deep Residual Learning", with batch normalisation; Lin et al. 2017,
    "Feature Pyramid Networks for Object Detection"; a Transformer over the last stage as in
    Srinivas et al. 2021, "Bottleneck Transformers".

    Args:
        height, width: size of the picture in pixels; the last of `strides` must divide both.
        strides: pixels along a cell of each grid: powers of two, each twice the one before.
        stack: the unbuilt Transformer, such as `Size(...).stack()`; its dim is that of the tokens.
        blocks: residual blocks of each stage.
        dropout: fraction of units dropped in training in front of the Transformer.

    Raises:
        ValueError: the strides are no such numbers, or do not fit the picture.

    Example:

    >>> import numpy as np
    >>> stack = Size(dim=16, depth=1, num_heads=2, mlp_dim=32).stack()
    >>> encoder = VisionPyramid(16, 16, strides=(4, 8), stack=stack)
    >>> pixels = np.zeros((1, 16, 16, 3), "float32")
    >>> tokens = encoder({"pixels": pixels, "present": np.array([True])})
    >>> tuple(tokens.values.shape), encoder.grids
    ((1, 20, 16), ((4, 4), (2, 2)))
    """

    parts = ("stack",)
    reads = frozenset({"pixels", "present"})
    is_default: ClassVar[bool] = False

    def __init__(
        self,
        height: int,
        width: int,
        strides: Sequence[int],
        stack: TransformerStack,
        blocks: int = 1,
        dropout: float = 0.1,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        strides = tuple(int(stride) for stride in strides)
        halvings = [round(math.log2(max(stride, 1))) for stride in strides]
        first = halvings[0] if halvings else 0
        if first < 1 or strides != tuple(2 ** (first + i) for i in range(len(strides))):
            raise ValueError(
                "strides must be powers of two from 2 up, each twice the one before, such as "
                f"(8, 16, 32); got {strides}."
            )
        if height % strides[-1] or width % strides[-1]:
            raise ValueError(
                f"the last of strides={strides} must divide height and width; got height={height}, "
                f"width={width}."
            )
        self.config = {
            "height": height,
            "width": width,
            "strides": strides,
            "blocks": blocks,
            "dropout": dropout,
        }
        self.dim = stack.dim
        self.stack = stack
        policy = self.dtype_policy
        # As wide as the tokens where these begin, and half as wide with each halving before that.
        widths = [max(self.dim // 2 ** max(first - 1 - i, 0), 8) for i in range(halvings[-1])]
        self.stages = [
            _Stage(width, blocks if i else 0, name=f"stage_{i}", dtype=policy)
            for i, width in enumerate(widths)
        ]
        self.positions = LearnedPositions(math.prod(self.grids[-1]), name="positions", dtype=policy)
        self.dropout = keras.layers.Dropout(dropout, dtype=policy)

        def convolution(size: int, name: str) -> keras.layers.Layer:
            return keras.layers.Conv2D(self.dim, size, padding="same", name=name, dtype=policy)

        self.lateral = [convolution(1, f"lateral_{i}") for i in range(len(strides) - 1)]
        self.smoothing = [convolution(3, f"smoothing_{i}") for i in range(len(strides) - 1)]
        self.up = keras.layers.UpSampling2D(2, dtype=policy)

    @property
    def grids(self) -> Grids:
        """A grid for each stride, finest first."""
        config = self.config
        return tuple((config["height"] // s, config["width"] // s) for s in config["strides"])

    def build(self, tensors_shape: dict[str, Any]) -> None:
        shape = tensors_shape["pixels"]
        seen = []
        for stage in self.stages:
            stage.build(shape)
            shape = stage.compute_output_shape(shape)
            seen.append(shape)
        self.positions.build((shape[0], math.prod(self.grids[-1]), self.dim))
        self.stack.build((shape[0], math.prod(self.grids[-1]), self.dim))
        finer = seen[-len(self.grids) : -1]
        for lateral, smoothing, shape in zip(self.lateral, self.smoothing, finer):
            lateral.build(shape)
            smoothing.build((*shape[:3], self.dim))

    def call(self, tensors: dict[str, Any], training: bool | None = None) -> Tokens:
        """`pixels` float [B, H, W, C] and `present` bool [B] to tokens [B, cells, D]."""
        values = tensors["pixels"]
        seen = []
        for stage in self.stages:
            values = stage(values, tensors["present"], training=training)
            seen.append(values)
        rows, columns = self.grids[-1]
        coarsest = ops.reshape(values, (-1, rows * columns, self.dim))
        coarsest = self.dropout(self.positions(coarsest), training=training)
        known = self.stack(coarsest, training=training)
        known = ops.reshape(known, (-1, rows, columns, self.dim))
        maps = [known]
        finer = seen[-len(self.grids) : -1]
        for lateral, smoothing, own in reversed([*zip(self.lateral, self.smoothing, finer)]):
            known = lateral(own) + self.up(known)
            maps.insert(0, smoothing(known))
        values = tokens_of(maps)
        mask = ops.repeat(tensors["present"][:, None], values.shape[1], axis=1)
        return Tokens(values, mask)

    def compute_output_shape(self, tensors_shape: dict[str, Any]) -> Tokens:
        batch = tensors_shape["pixels"][0]
        count = sum(rows * columns for rows, columns in self.grids)
        return Tokens((batch, count, self.dim), (batch, count))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self.config

    @classmethod
    def for_modality(
        cls, modality: Any, size: str | Size = "small", *, dropout: float = 0.1, **overrides: Any
    ) -> Self:
        """The encoder of a named size for an `Image`; see `Encoder.for_modality`.

        Its strides are 8, 16 and 32 where these fit the picture, else fewer or smaller ones.
        """
        cls.check_reads(modality)
        height, width, _ = modality.specs()["pixels"].shape
        choices = ((8, 16, 32), (8, 16), (4, 8), (2, 4), (2,))
        fits = [
            c
            for c in choices
            if not (height % c[-1] or width % c[-1]) and min(height, width) > c[-1]
        ]
        fitted = {
            "stack": size_of(size).stack(dropout, name="stack", dtype=overrides.get("dtype")),
            "dropout": dropout,
            "height": height,
            "width": width,
            "strides": fits[0] if fits else choices[-1],
        }
        return cls(**fitted | overrides)


@keras.saving.register_keras_serializable(package="mmkeras")
class _Stage(keras.layers.Layer):
    """A convolution of stride 2, and residual blocks of two convolutions each."""

    def __init__(self, width: int, blocks: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.width = width
        self.blocks = [
            [self._convolution(f"block_{i}_{j}") for j in range(2)] for i in range(blocks)
        ]
        self.down = self._convolution("down", strides=2)

    def _convolution(self, name: str, strides: int = 1) -> list[keras.layers.Layer]:
        policy = self.dtype_policy
        return [
            keras.layers.Conv2D(
                self.width, 3, strides, padding="same", use_bias=False, name=name, dtype=policy
            ),
            keras.layers.BatchNormalization(momentum=0.95, name=f"{name}_norm", dtype=policy),
        ]

    def build(self, values_shape: Any, present_shape: Any = None) -> None:
        shape = values_shape
        for pair in (self.down, *(pair for block in self.blocks for pair in block)):
            for layer in pair:
                layer.build(shape)
                shape = layer.compute_output_shape(shape)

    def call(self, values: Any, present: Any, training: bool | None = None) -> Any:
        """`present`, bool [B], keeps absent pictures out of what normalisation measures."""

        def applied(pair: list[keras.layers.Layer], values: Any) -> Any:
            made = pair[0](values)
            mask = ops.broadcast_to(present[:, None, None], ops.shape(made)[:3])
            return pair[1](made, training=training, mask=mask)

        values = ops.relu(applied(self.down, values))
        for first, second in self.blocks:
            inner = applied(second, ops.relu(applied(first, values)))
            values = ops.relu(values + inner)
        return values

    def compute_output_shape(self, values_shape: Any, present_shape: Any = None) -> Any:
        return self.down[0].compute_output_shape(values_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"width": self.width, "blocks": len(self.blocks)}
