"""`MaskedImageModel`: hidden parts of pictures are guessed; an encoder learns without labels."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import keras
import tensorflow as tf
from keras import ops

from mmkeras.contracts.task import NO_LAYOUTS, NO_ORIGINS, Tensors
from mmkeras.contracts.unlabelled import UnlabelledTask
from mmkeras.layers.grids import maps, needed_grids
from mmkeras.modalities.image import Image
from mmkeras.tokens import Layout, Tokens


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True)
class MaskedImageModel(UnlabelledTask):
    """A large share of a picture's patches is hidden, and guessed from the others.

    It needs no labels: pretrain an encoder on one's own pictures, and then give it to a model with
    labels. What is hidden is drawn anew in every epoch.

    Sources: He et al. 2022, "Masked Autoencoders Are Scalable Vision Learners": the large share,
    and patches of mean 0 and variance 1 as what is to be guessed; Xie et al. 2022, "SimMIM": hidden
    patches go through the encoder, blank, and one projection guesses them, so that every encoder
    with a grid can be pretrained, one of convolutions too, and is used as it is afterwards. (He et
    al. leave hidden patches out, which only a plain ViT can.)

    Outputs: `patches`, float [B, H, W, P], the guess for the P levels of every patch, whose mean
    and scale are taken off.

    Args:
        height, width, channels: of the pixels; `of` takes them from an `Image`.
        patch_size: pixels along a patch: along a cell of the encoder's finest grid.
        field: the picture.
        share: of the patches, hidden.

    Raises:
        ValueError: `patch_size` does not divide the picture, or the share hides none or all.

    Example:

    >>> task = MaskedImageModel.of(Image(size=32), field="photo", patch_size=8)
    >>> task.target(tf.constant("")).shape
    TensorShape([4, 4, 193])
    """

    reads: ClassVar[frozenset[str]] = frozenset({"moved"})

    height: int
    width: int
    channels: int = 3
    patch_size: int = 8
    field: str = "image"
    share: float = 0.6

    def __post_init__(self) -> None:
        """Checks the numbers."""
        if self.patch_size < 1:
            raise ValueError(f"patch_size must be at least 1, such as 8; got {self.patch_size}.")
        if self.height % self.patch_size or self.width % self.patch_size:
            raise ValueError(
                f"patch_size must divide height and width; got patch_size={self.patch_size}, "
                f"height={self.height}, width={self.width}."
            )
        if not 0 < self._hidden < self._grid[0] * self._grid[1]:
            raise ValueError(
                f"share must hide some of {self._grid[0] * self._grid[1]} patches and show some, "
                f"such as 0.6; got {self.share}."
            )

    @classmethod
    def of(
        cls, image: Image, field: str = "image", patch_size: int = 8, share: float = 0.6
    ) -> Self:
        """The task for an `Image`."""
        return cls(image.height, image.width, image.channels, patch_size, field, share)

    @property
    def points_into(self) -> tuple[str, ...]:
        """The picture: its patches are hidden."""
        return (self.field,)

    @property
    def _grid(self) -> tuple[int, int]:
        return self.height // self.patch_size, self.width // self.patch_size

    @property
    def _hidden(self) -> int:
        return round(self.share * self._grid[0] * self._grid[1])

    def target(self, raw: tf.Tensor, origins: Tensors = NO_ORIGINS) -> tf.Tensor:
        """float32 [H, W, P + 1], all 0: `prepare` tells what is hidden."""
        del raw, origins
        return tf.zeros([*self._grid, self.channels * self.patch_size**2 + 1])

    def prepare(
        self, inputs: Tensors, target: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Tensors, tf.Tensor]:
        """Blanks patches; the target is what was there, and last whether a patch was hidden."""
        del target
        image = inputs[self.field]
        patches = tf.nn.space_to_depth(image["pixels"][None], self.patch_size)[0]
        draws = tf.random.stateless_uniform(self._grid, seed)
        most = tf.sort(tf.reshape(draws, [-1]))[self._hidden - 1]
        hidden = tf.cast(draws <= most, tf.float32)[..., None]
        shown = tf.nn.depth_to_space((patches * (1 - hidden))[None], self.patch_size)[0]
        mean, variance = tf.nn.moments(patches, axes=[-1], keepdims=True)
        # Flat patches are not blown up.
        standard = (patches - mean) * tf.math.rsqrt(variance + 1e-2)
        changed = {**image, "pixels": tf.ensure_shape(shown, image["pixels"].shape)}
        return {**inputs, self.field: changed}, tf.concat([standard, hidden], axis=-1)

    def head(self, name: str, layouts: Mapping[str, Layout] = NO_LAYOUTS) -> keras.layers.Layer:
        """A guess for each cell of the finest grid.

        Raises:
            ValueError: the field has no grid, or its finest one has other cells than patches.
        """
        finest = needed_grids(layouts, self.field, "MaskedImageModel")[0]
        if tuple(finest) != self._grid:
            raise ValueError(
                f"the patches of field {self.field!r} are a grid of {self._grid}, but the finest "
                f"of its encoder is {tuple(finest)}; set patch_size to the pixels along a cell."
            )
        levels = self.channels * self.patch_size**2
        return MaskedImageModelHead(self.field, self._grid, levels, name=name)

    def loss(self, target: Any, outputs: dict[str, Any]) -> Any:
        """The mean squared error of the hidden patches of each picture."""
        hidden = target[..., -1]
        errors = ops.mean(ops.square(outputs["patches"] - target[..., :-1]), axis=-1)
        return ops.sum(errors * hidden, axis=(1, 2)) / ops.maximum(ops.sum(hidden, axis=(1, 2)), 1)

    def metrics(self) -> dict[str, list[keras.metrics.Metric]]:
        """None beside the loss, which guessing the mean of each patch makes 1."""
        return {}

    def decode(
        self, outputs: dict[str, tf.Tensor], origins: Tensors = NO_ORIGINS
    ) -> dict[str, tf.Tensor]:
        """`patches`, float [B, H, W, P]."""
        del origins
        return {"patches": outputs["patches"]}

    @classmethod
    def tiny(cls) -> Self:
        """The task for a tiny `Image`."""
        return cls.of(Image.tiny(), share=0.5)


@keras.saving.register_keras_serializable(package="mmkeras")
class MaskedImageModelHead(keras.layers.Layer):
    """`{field: Tokens}` to `patches`, float32 [B, H, W, P].

    Args:
        field: the picture.
        grid: (H, W), the finest of its encoder.
        levels: P.
    """

    def __init__(self, field: str, grid: tuple[int, int], levels: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.field = field
        self.grid = (int(grid[0]), int(grid[1]))
        self.levels = levels
        policy = self.dtype_policy
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, name="norm", dtype=policy)
        self.projection = keras.layers.Dense(levels, name="projection", dtype=policy)

    def build(self, tokens_shape: Mapping[str, Tokens]) -> None:
        width = tokens_shape[self.field].values[-1]
        self.norm.build((None, None, width))
        self.projection.build((None, None, width))

    def call(self, tokens: Mapping[str, Tokens], training: bool | None = None) -> dict[str, Any]:
        values, mask = tokens[self.field]
        count = self.grid[0] * self.grid[1]
        guess = ops.cast(self.projection(self.norm(values[:, :count])), "float32")
        (made,) = maps(ops.where(mask[:, :count, None], guess, 0.0), [self.grid])
        return {"patches": made}

    def compute_output_spec(
        self, tokens: Mapping[str, Tokens], training: bool | None = None
    ) -> Any:
        shape = (tokens[self.field].mask.shape[0], *self.grid, self.levels)
        return {"patches": keras.KerasTensor(shape, dtype="float32")}

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "field": self.field,
            "grid": self.grid,
            "levels": self.levels,
        }
