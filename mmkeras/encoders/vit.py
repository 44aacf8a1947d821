"""`ViT`: a picture to tokens, one for each patch."""

import math
from typing import Any, Self

import keras
from keras import ops

from mmkeras.contracts.encoder import Encoder
from mmkeras.layers.composite import Composite
from mmkeras.layers.positions import GridPositions
from mmkeras.layers.sizes import Size, size_of
from mmkeras.layers.stack import TransformerStack
from mmkeras.tokens import Grids, Tokens


@keras.saving.register_keras_serializable(package="mmkeras")
class ViT(Composite, Encoder):
    """Vision Transformer: patches, learned positions and a Transformer stack.

    Sources: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words"; with `stem="convolution"`,
    patches are made by 3×3 convolutions of stride 2 (Xiao et al. 2021, "Early Convolutions Help
    Transformers See Better"), which needs much less data to learn from.

    It takes pictures of other sizes too, for which positions are interpolated; `resized` makes a
    ViT of another size of what this one knows.

    Args:
        height, width: size of the picture in pixels; `patch_size` must divide both.
        patch_size: pixels along a patch; a power of two for the convolutional stem.
        stack: the unbuilt Transformer, such as `Size(...).stack()`.
        dropout: fraction of units dropped in training in front of it.
        stem: `"patch"` or `"convolution"`.

    Raises:
        ValueError: the patch size does not fit the picture or the stem, or the stem is unknown.

    Example:

    >>> import numpy as np
    >>> stack = Size(dim=16, depth=1, num_heads=2, mlp_dim=32).stack()
    >>> encoder = ViT(16, 16, patch_size=8, stack=stack)
    >>> pixels = np.zeros((1, 16, 16, 3), "float32")
    >>> tokens = encoder({"pixels": pixels, "present": np.array([True])})
    >>> tuple(tokens.values.shape)
    (1, 4, 16)
    """

    parts = ("stack",)
    reads = frozenset({"pixels", "present"})

    def __init__(
        self,
        height: int,
        width: int,
        patch_size: int,
        stack: TransformerStack,
        dropout: float = 0.1,
        stem: str = "convolution",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if height % patch_size or width % patch_size:
            raise ValueError(
                f"patch_size must divide height and width; got patch_size={patch_size}, "
                f"height={height}, width={width}."
            )
        if stem not in ("patch", "convolution"):
            raise ValueError(f"stem must be 'patch' or 'convolution'; got {stem!r}.")
        halvings = round(math.log2(patch_size))
        if stem == "convolution" and (2**halvings != patch_size or halvings < 1):
            raise ValueError(
                f"a convolutional stem needs a patch_size of 2, 4, 8, ...; got {patch_size}."
            )
        self.config = {
            "height": height,
            "width": width,
            "patch_size": patch_size,
            "dropout": dropout,
            "stem": stem,
        }
        self.dim = stack.dim
        self.stack = stack
        self.grid = (height // patch_size, width // patch_size)
        policy = self.dtype_policy
        if stem == "patch":
            self.stem = [
                keras.layers.Conv2D(self.dim, patch_size, patch_size, name="patches", dtype=policy)
            ]
        else:
            self.stem = [
                layer
                for i in range(halvings)
                for layer in (
                    keras.layers.Conv2D(
                        max(self.dim // 2 ** (halvings - 1 - i), 8),
                        3,
                        2,
                        padding="same",
                        activation="gelu",
                        name=f"stem_{i}",
                        dtype=policy,
                    ),
                    keras.layers.LayerNormalization(
                        epsilon=1e-6, name=f"stem_norm_{i}", dtype=policy
                    ),
                )
            ]
            self.stem.append(keras.layers.Conv2D(self.dim, 1, name="patches", dtype=policy))
        self.positions = GridPositions(self.grid, name="positions", dtype=policy)
        self.dropout = keras.layers.Dropout(dropout, dtype=policy)

    @property
    def grids(self) -> Grids:
        """One grid, of patches."""
        return (self.grid,)

    def build(self, tensors_shape: dict[str, Any]) -> None:
        shape = tensors_shape["pixels"]
        for layer in self.stem:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self.positions.build(shape)
        self.stack.build((shape[0], None, self.dim))

    def call(self, tensors: dict[str, Any], training: bool | None = None) -> Tokens:
        """`pixels` float [B, H, W, C] and `present` bool [B] to tokens [B, patches, D]."""
        values = tensors["pixels"]
        for layer in self.stem:
            values = layer(values)
        values = self.positions(values)
        count = values.shape[1] * values.shape[2]
        values = self.dropout(ops.reshape(values, (-1, count, self.dim)), training=training)
        mask = ops.repeat(tensors["present"][:, None], count, axis=1)
        return Tokens(self.stack(values, training=training), mask)

    def compute_output_shape(self, tensors_shape: dict[str, Any]) -> Tokens:
        batch, height, width, _ = tensors_shape["pixels"]
        patch_size = self.config["patch_size"]
        count = (height // patch_size) * (width // patch_size)
        return Tokens((batch, count, self.dim), (batch, count))

    def resized(self, height: int, width: int, **changes: Any) -> Self:
        """A ViT for pictures of another size, with the weights of this one.

        Args:
            height, width: the new size in pixels.
            changes: `name`, `dtype` or `dropout`, if they shall be others.

        Raises:
            ValueError: this one has no weights yet, or `patch_size` does not divide the new size.
        """
        if not self.built:
            raise ValueError("the encoder has no weights yet; call it on a picture first.")
        made = type(self).from_config(
            self.get_config() | {"height": height, "width": width} | changes
        )
        channels = self.stem[0].kernel.shape[2]
        made.build({"pixels": (None, height, width, channels), "present": (None,)})
        positions = self.positions.resized(made.grid)
        own = self.positions.embeddings.path
        weights = [positions if weight.path == own else weight.value for weight in self.weights]
        made.set_weights([ops.convert_to_numpy(weight) for weight in weights])
        return made

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self.config

    @classmethod
    def for_modality(
        cls, modality: Any, size: str | Size = "small", *, dropout: float = 0.1, **overrides: Any
    ) -> Self:
        """The encoder of a named size for an `Image`; see `Encoder.for_modality`."""
        cls.check_reads(modality)
        height, width, _ = modality.specs()["pixels"].shape
        patch_size = {"tiny": 8, "small": 8, "base": 16}.get(size, 8)
        fitted = {
            "stack": size_of(size).stack(dropout, name="stack", dtype=overrides.get("dtype")),
            "dropout": dropout,
            "height": height,
            "width": width,
            "patch_size": patch_size,
        }
        return cls(**fitted | overrides)
