"""`Image`: an encoded picture becomes pixels."""

import dataclasses
import numbers
from typing import Any, ClassVar, Self

import keras
import numpy as np
import tensorflow as tf

from mmkeras.contracts.modality import Modality, TensorSpec
from mmkeras.contracts.refusal import readable, refuse
from mmkeras.rand_augment import rand_augment

#: The EXIF data of a JPEG stands in its first segments, of 64 KiB at most each.
_EXIF_WINDOW = 1 << 17
#: What says that a colour of a GIF is transparent stands before its first frame.
_GIF_WINDOW = 1 << 16


@keras.saving.register_keras_serializable(package="mmkeras")
@dataclasses.dataclass(frozen=True, kw_only=True)
class Image(Modality):
    """Pictures: JPEG, PNG, GIF or BMP bytes become normalised pixels of one size.

    A JPEG is turned upright by its EXIF orientation. Of an animated GIF the first frame is read.
    Transparent parts of a PNG or a GIF show `background`; a BMP is taken as opaque. Grey and
    palette pictures become coloured, 16-bit channels lose their lower half.

    Args:
        size: pixels of the side, or (height, width).
        channels: 3 for red, green, blue; 1 for grey.
        fit: how a picture of another shape comes to `size`: `"pad"` shows all of it with
            `background` at two sides, `"crop"` shows its middle, `"stretch"` distorts it.
        background: the colour behind transparent and beside padded pictures: red, green, blue in
            [0, 255].
        mean: what is taken off the levels in [0, 1], for all channels or one for each.
        std: what they are divided by then.
        max_pixels: the most pixels an encoded picture may declare; a larger one is refused before
            it is decoded.
        min_crop: `augment` shows a random part of at least this share of the area, in (0, 1].
        zoom_out: `augment` shows up to so many times the area, with `background` around the
            picture; at least 1.
        flip: `augment` swaps left and right in every second picture. Not for writing.
        rotation_deg: `augment` turns by at most this angle, in degrees.
        jitter: `augment` changes brightness, contrast and saturation by at most this share.
        rand_ops: how many changes of `mmkeras.rand_augment` `augment` makes besides, such as 2; for
            coloured pictures.
        rand_strength: the most that each of them does, in [0, 1].
        erase: the chance that `augment` hides a rectangle of 2 to 20 % of the area (Zhong et al.,
            "Random Erasing Data Augmentation", 2017).

    Raises:
        ValueError: an argument is out of its range.

    Example:

    >>> image = Image(size=4, mean=0.0, std=1.0)
    >>> white = image.encode(np.full((2, 2, 3), 255, "uint8"))
    >>> tensors = image.preprocess(tf.constant(white))
    >>> tensors["pixels"].shape, float(tf.reduce_min(tensors["pixels"]))
    (TensorShape([4, 4, 3]), 1.0)
    """

    is_file: ClassVar[bool] = True

    size: int | tuple[int, int] = 128
    channels: int = 3
    fit: str = "pad"
    background: tuple[int, int, int] = (255, 255, 255)
    mean: float | tuple[float, ...] = 0.5
    std: float | tuple[float, ...] = 0.5
    max_pixels: int = 64_000_000
    min_crop: float = 0.5
    zoom_out: float = 1.0
    flip: bool = True
    rotation_deg: float = 0.0
    jitter: float = 0.2
    rand_ops: int = 0
    rand_strength: float = 0.5
    erase: float = 0.0

    def __post_init__(self) -> None:
        """Checks the arguments."""
        levels = {1, self.channels}
        checks = {
            "size": (
                np.shape(self.size) in {(), (2,)}
                and all(isinstance(n, numbers.Integral) and n >= 1 for n in self._sides),
                "a number of pixels from 1 up, or (height, width)",
            ),
            "channels": (self.channels in {1, 3}, "3 for colour or 1 for grey"),
            "fit": (self.fit in {"pad", "crop", "stretch"}, '"pad", "crop" or "stretch"'),
            "background": (
                np.shape(self.background) == (3,)
                and all(0 <= level <= 255 for level in self.background),
                "(red, green, blue) in [0, 255], such as (255, 255, 255)",
            ),
            "mean": (np.size(self.mean) in levels, "one number, or one for each channel"),
            "std": (
                np.size(self.std) in levels and np.all(np.asarray(self.std) > 0),
                "one number above 0, or one for each channel",
            ),
            "max_pixels": (self.max_pixels >= 1, "at least 1, such as 64_000_000"),
            "min_crop": (0 < self.min_crop <= 1, "in (0, 1], such as 0.5; 1 crops nothing"),
            "zoom_out": (self.zoom_out >= 1, "at least 1, such as 2.0; 1 adds nothing"),
            "rotation_deg": (0 <= self.rotation_deg <= 180, "in [0, 180], such as 10"),
            "jitter": (0 <= self.jitter < 1, "in [0, 1), such as 0.2"),
            "rand_ops": (
                isinstance(self.rand_ops, numbers.Integral)
                and self.rand_ops >= 0
                and (self.rand_ops == 0 or self.channels == 3),
                "at least 0, and 0 for grey pictures",
            ),
            "rand_strength": (0 <= self.rand_strength <= 1, "in [0, 1], such as 0.5"),
            "erase": (0 <= self.erase <= 1, "a chance in [0, 1], such as 0.25"),
        }
        for name, (valid, right) in checks.items():
            if not valid:
                raise ValueError(f"Image: {name} is {getattr(self, name)!r}; it has to be {right}.")

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return self._sides[0]

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return self._sides[1]

    def encode(self, value: Any) -> bytes:
        """Turns what a person hands in into an encoded picture.

        Args:
            value: None (absent), the bytes of a JPEG, PNG, GIF or BMP, or a NumPy array [H, W] or
                [H, W, 1 | 3 | 4], uint8 or float in [0, 1]; a fourth channel is opacity.

        Returns:
            The bytes as they are, or a PNG; `b""` for an absent picture.

        Raises:
            TypeError: the value is none of these.
            ValueError: the array has another shape, type or range.
        """
        if value is None:
            return b""
        if isinstance(value, bytes):
            return value
        if not isinstance(value, np.ndarray):
            raise TypeError(
                f"Image: {value!r:.80} is of type {type(value).__name__}; hand in the bytes of a "
                "JPEG, PNG, GIF or BMP, a NumPy array [H, W, C], or None where it is absent."
            )
        array = value[..., None] if value.ndim == 2 else value
        if array.ndim != 3 or array.shape[-1] not in {1, 3, 4} or 0 in array.shape:
            raise ValueError(
                f"Image: the array has shape {value.shape}; it has to be [H, W] or [H, W, C] with "
                "1, 3 or 4 channels last, and not empty."
            )
        if np.issubdtype(array.dtype, np.floating):
            if not (array.min() >= 0 and array.max() <= 1):
                raise ValueError(
                    f"Image: the float array holds {array.min()} to {array.max()}; levels have to "
                    "be in [0, 1], or uint8 in [0, 255]."
                )
            array = np.round(array * 255).astype("uint8")
        if array.dtype != np.uint8:
            raise ValueError(
                f"Image: the array is of dtype {value.dtype}; it has to be uint8 in [0, 255] or "
                "float in [0, 1]."
            )
        return tf.io.encode_png(array).numpy()

    def specs(self) -> dict[str, TensorSpec]:
        """`pixels`: float32 [H, W, C]; `present`: bool []."""
        return {
            "pixels": TensorSpec((self.height, self.width, self.channels), "float32"),
            "present": TensorSpec((), "bool"),
        }

    def origins(self) -> dict[str, TensorSpec]:
        """Where in the encoded picture, turned upright, the pixels come from.

        `size`: int32 [2], its height and width. `view`: float32 [4], what of it is to be seen, (x1,
        y1, x2, y2) in its pixels; beyond it where `fit` pads. `moved`: float32 [2, 3], the affine
        map from places (x, y, 1) in augmented pixels to places before augmentation, in shares of
        width and height.
        """
        return {
            "size": TensorSpec((2,), "int32"),
            "view": TensorSpec((4,), "float32"),
            "moved": TensorSpec((2, 3), "float32"),
        }

    def preprocess(self, raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """One encoded picture (string []) to `pixels` (float32 [H, W, C]) and `present` (bool []).

        Raises:
            tf.errors.InvalidArgumentError: the bytes are no JPEG, PNG, GIF or BMP, are cut off, or
                declare more than `max_pixels`.
        """
        made = self.located(raw)
        return {name: made[name] for name in self.specs()}

    def located(self, raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """One picture's tensors, origins among them."""
        present = tf.strings.length(raw) > 0
        picture = _decode(raw, self.background, self.max_pixels)
        levels, view = self._fit(picture)
        if self.channels == 1:
            levels = tf.image.rgb_to_grayscale(levels)
        # A factor of 0 leaves nothing of an absent picture; `tf.where` takes four times as long.
        shown = tf.cast(present, tf.float32)
        std, mean = tf.constant(self.std), tf.constant(self.mean)
        pixels = levels * (shown / (255 * std)) - shown * (mean / std)
        return {
            "pixels": tf.ensure_shape(pixels, self.specs()["pixels"].shape),
            "present": present,
            "size": tf.shape(picture)[:2],
            "view": tf.ensure_shape(view, [4]),
            "moved": tf.eye(2, 3),
        }

    def absent(self) -> dict[str, np.ndarray]:
        """All pixels 0, not present."""
        return {
            "pixels": np.zeros(self.specs()["pixels"].shape, "float32"),
            "present": np.zeros((), "bool"),
        }

    def augment(self, tensors: dict[str, tf.Tensor], seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Crops, flips, turns, recolours and partly hides one picture; see the fields of `Image`.

        Labels that hold positions follow by what `moved` tells of it.

        Args:
            tensors: `pixels` and `present` of one sample, and its origins where they were made.
            seed: int32 [2].
        """
        pixels = tensors["pixels"]
        chance = tf.unstack(tf.random.stateless_uniform([14], seed))
        part = self._draw_part(*chance[:4])
        mirrored = (chance[4] < 0.5) & self.flip
        turn = np.pi / 180 * self.rotation_deg * (2 * chance[5] - 1)
        move = self._as_move(*part, mirrored, turn)

        def changed() -> tf.Tensor:
            if self._crops_only:
                result = self._cropped(pixels, *part, mirrored)
            else:
                result = self._resampled(pixels, move)
            result = self._recolour(result, *chance[6:9]) if self.jitter else result
            if self.rand_ops:
                own = tf.random.experimental.stateless_fold_in(seed, 1)
                levels = tf.clip_by_value(self._denormalise(result), 0.0, 1.0)
                levels = rand_augment(levels, self.rand_ops, self.rand_strength, own)
                result = self._normalise(levels)
            return self._hide(result, *chance[9:]) if self.erase else result

        made = {"pixels": tf.cond(tensors["present"], changed, lambda: pixels)}
        if "moved" in tensors:
            made["moved"] = tensors["moved"] @ self._as_shares(move)
        return tensors | made

    def picture(self, raw: bytes) -> np.ndarray:
        """An encoded picture as a person sees it: upright, of its own size, uint8 [h, w, 3].

        Raises:
            tf.errors.InvalidArgumentError: see `preprocess`.
        """
        return self.upright(tf.constant(raw)).numpy()

    def upright(self, raw: tf.Tensor) -> tf.Tensor:
        """`picture` in graph: string [] to uint8 [h, w, 3]."""
        return _decode(raw, self.background, self.max_pixels)

    @classmethod
    def tiny(cls) -> Self:
        """Pictures of 16 by 16 pixels."""
        return cls(size=16)

    def samples(self) -> list[bytes]:
        """A PNG with a transparent corner, a wide JPEG and a grey PNG."""
        y, x = np.mgrid[:24, :32].astype("float32")
        red, green, blue = x / 31, y / 23, (x + y) / 54
        colours = np.stack([red, green, blue], axis=-1)
        opacity = (x + y > 12).astype("float32")[..., None]
        jpeg = tf.io.encode_jpeg(np.uint8(255 * (1 - colours[:12])), quality=95).numpy()
        grey = np.uint8(127 * (1 + np.sin(x * y / 40)))
        return [self.encode(np.concatenate([colours, opacity], -1)), jpeg, self.encode(grey)]

    @property
    def _sides(self) -> tuple[int, ...]:
        return self.size if isinstance(self.size, tuple) else (self.size, self.size)

    def _fit(self, picture: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """uint8 [h, w, 3] to float32 [H, W, 3] in [0, 255], and the view; see `origins`."""
        goal = tf.constant([self.height, self.width])
        shape = tf.shape(picture)[:2]
        if self.fit == "stretch":
            view = tf.concat([[0, 0], shape[::-1]], axis=0)
            return _resized(picture, goal), tf.cast(view, tf.float32)
        scales = goal / shape
        if self.fit == "crop":
            kept = _rounded(tf.cast(goal, tf.float64) / tf.reduce_max(scales), shape)
            top, left = tf.unstack((shape - kept) // 2)
            view = tf.stack([left, top, left + kept[1], top + kept[0]])
            picture = picture[top : top + kept[0], left : left + kept[1]]
            return _resized(picture, goal), tf.cast(view, tf.float32)
        kept = _rounded(tf.cast(shape, tf.float64) * tf.reduce_min(scales), goal)
        background = tf.constant(self.background, tf.float32)
        picture = _resized(picture, kept) - background
        before = (goal - kept) // 2
        margins = tf.concat([tf.stack([before, goal - kept - before], 1), [[0, 0]]], 0)
        # In float64, so that what is padded evenly is told evenly.
        edges = tf.cast(tf.stack([-before, goal - before]) * shape, tf.float64)
        edges = edges / tf.cast(kept, tf.float64)
        view = tf.reshape(edges[:, ::-1], [4])
        return tf.pad(picture, margins) + background, tf.cast(view, tf.float32)

    def _normalise(self, levels: tf.Tensor) -> tf.Tensor:
        return (levels - tf.constant(self.mean)) / tf.constant(self.std)

    def _denormalise(self, pixels: tf.Tensor) -> tf.Tensor:
        return pixels * tf.constant(self.std) + tf.constant(self.mean)

    @property
    def _crops_only(self) -> bool:
        """Whether augmented pixels come from an upright part within the picture."""
        return self.rotation_deg == 0 and self.zoom_out == 1

    def _draw_part(self, *chance: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The corner (x, y) and sides (width, height) of a random part, float32 [2] in pixels."""
        area = self.min_crop + (self.zoom_out - self.min_crop) * chance[0]
        # From 3:4 to 4:3 of the picture's own shape, where an area so large leaves room for it.
        room = tf.where(area <= 1, -tf.math.log(area), tf.math.log(4 / 3))
        widest = tf.minimum(tf.math.log(4 / 3), room)
        aspect = tf.exp(widest * (2 * chance[1] - 1))
        whole = tf.constant([self.width, self.height], tf.float32)
        sides = whole * tf.sqrt(tf.stack([area * aspect, area / aspect]))
        if self._crops_only:
            sides = tf.minimum(tf.math.ceil(sides), whole)
        corner = (whole - sides) * tf.stack(chance[2:4])
        return tf.round(corner) if self._crops_only else corner, sides

    def _as_move(
        self, corner: tf.Tensor, sides: tf.Tensor, mirrored: tf.Tensor, turn: tf.Tensor
    ) -> tf.Tensor:
        """Where a pixel of the part, mirrored, then turned about its middle, comes from.

        float32 [2, 3], an affine map from (x, y, 1) to (x, y).
        """
        whole = tf.constant([self.width, self.height], tf.float32)
        wide, high = tf.unstack(sides / whole)
        wide = tf.where(mirrored, -wide, wide)
        cosine, sine = tf.cos(turn), tf.sin(turn)
        matrix = tf.stack([[cosine * wide, -sine * high], [sine * wide, cosine * high]])
        offset = corner + (sides - 1) / 2 - tf.linalg.matvec(matrix, (whole - 1) / 2)
        return tf.concat([matrix, offset[:, None]], axis=1)

    def _as_shares(self, move: tf.Tensor) -> tf.Tensor:
        """float32 [3, 3]: a map between pixels as one between shares of width and height."""
        side = tf.constant([self.width, self.height], tf.float32)
        matrix = move[:, :2] * side[None] / side[:, None]
        # The middle of pixel 0 is at half a pixel.
        offset = (move[:, 2] + 0.5 - 0.5 * tf.reduce_sum(move[:, :2], axis=1)) / side
        return tf.concat([tf.concat([matrix, offset[:, None]], 1), [[0.0, 0.0, 1.0]]], 0)

    def _cropped(
        self, pixels: tf.Tensor, corner: tf.Tensor, sides: tf.Tensor, mirrored: tf.Tensor
    ) -> tf.Tensor:
        """A part of whole pixels, enlarged; beyond the middle of its outermost, these go on."""
        x, y, width, height = tf.unstack(tf.cast(tf.concat([corner, sides], 0), tf.int32))
        part = pixels[y : y + height, x : x + width]
        part = tf.cond(mirrored, lambda: tf.reverse(part, [1]), lambda: part)
        return tf.image.resize(part, [self.height, self.width])

    def _resampled(self, pixels: tf.Tensor, move: tf.Tensor) -> tf.Tensor:
        """The picture with the background around it, where pixels come from elsewhere."""
        background = tf.constant(self.background, tf.float32)[None, None] / 255
        if self.channels == 1:
            background = tf.image.rgb_to_grayscale(background)
        background = self._normalise(background)
        moved = tf.raw_ops.ImageProjectiveTransformV3(
            images=(pixels - background)[None],
            transforms=tf.concat([tf.reshape(move, [1, 6]), [[0.0, 0.0]]], axis=1),
            output_shape=[self.height, self.width],
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="CONSTANT",
        )
        return moved[0] + background

    def _recolour(self, pixels: tf.Tensor, *chance: tf.Tensor) -> tf.Tensor:
        """Brightness, contrast and saturation: one affine map of a pixel's channels, clipped."""
        brightness, contrast, saturation = (1 + self.jitter * (2 * c - 1) for c in chance)

        def saturated(levels: tf.Tensor) -> tf.Tensor:
            grey = tf.image.rgb_to_grayscale(levels) if self.channels == 3 else levels
            return grey + (levels - grey) * saturation

        flat = tf.reshape(pixels, [-1, self.channels])
        mean = self._denormalise(tf.reduce_mean(flat, axis=0, keepdims=True))
        middle = tf.reduce_mean(saturated(mean))
        # What becomes of 0 and of 1 in each channel tells the map.
        levels = saturated(self._denormalise(tf.eye(self.channels + 1, self.channels)))
        known = self._normalise((middle + (levels - middle) * contrast) * brightness)
        shift, matrix = known[-1:], known[:-1] - known[-1:]
        changed = tf.clip_by_value(
            flat @ matrix + shift, self._normalise(0.0), self._normalise(1.0)
        )
        return tf.reshape(changed, tf.shape(pixels))

    def _hide(self, pixels: tf.Tensor, *chance: tf.Tensor) -> tf.Tensor:
        area = 0.02 + 0.18 * chance[0]
        aspect = tf.exp(tf.math.log(3.0) * (2 * chance[1] - 1))
        wide, high = tf.sqrt(area * aspect), tf.sqrt(area / aspect)
        y = (tf.range(self.height, dtype=tf.float32) + 0.5) / self.height - chance[2] * (1 - high)
        x = (tf.range(self.width, dtype=tf.float32) + 0.5) / self.width - chance[3] * (1 - wide)
        inside = ((y >= 0) & (y < high))[:, None] & ((x >= 0) & (x < wide))[None, :]
        return tf.where((inside & (chance[4] < self.erase))[..., None], 0.0, pixels)


def _resized(picture: tf.Tensor, goal: tf.Tensor) -> tf.Tensor:
    """[h, w, 3] to float32 [H, W, 3] for a goal (H, W), by a triangle as wide as what it covers.

    The same as `tf.image.resize(picture, goal, antialias=True)` in half its time: that mixes rows
    by vectors but columns number by number, so here the picture is turned to have rows mixed only.
    """
    for rows in tf.unstack(goal):
        height, width, _ = tf.unstack(tf.shape(picture))
        scale = tf.cast(rows, tf.float32) / tf.cast(height, tf.float32)
        mixed = tf.raw_ops.ScaleAndTranslate(
            images=tf.reshape(picture, [1, height, 1, width * 3]),
            size=[rows, 1],
            scale=[scale, 1.0],
            translation=[0.0, 0.0],
            kernel_type="triangle",
            antialias=True,
        )
        picture = tf.transpose(tf.reshape(mixed, [rows, width, 3]), [1, 0, 2])
    return picture


def _rounded(side: tf.Tensor, most: tf.Tensor) -> tf.Tensor:
    """float64 [2] to whole pixels, at least 1 and at most `most` (int32 [2])."""
    return tf.clip_by_value(tf.cast(tf.round(side), tf.int32), 1, most)


def _decode(raw: tf.Tensor, background: tuple[int, int, int], max_pixels: int) -> tf.Tensor:
    """string [] to uint8 [h, w, 3] of any size; the empty string to one black pixel."""
    head = tf.cast(tf.io.decode_raw(raw, tf.uint8, fixed_length=64), tf.int32)

    def starts_with(magic: bytes) -> tf.Tensor:
        return tf.reduce_all(head[: len(magic)] == list(magic))

    def jpeg() -> tf.Tensor:
        shape = tf.io.extract_jpeg_shape(raw)
        with _at_most(max_pixels, shape[0], shape[1]):
            picture = tf.io.decode_jpeg(raw, channels=3, dct_method="INTEGER_ACCURATE")
        return _upright(picture, _orientation(raw))

    def png() -> tf.Tensor:
        with _at_most(max_pixels, _number(head[20:24][::-1]), _number(head[16:20][::-1])):
            picture = tf.io.decode_png(raw, channels=4)
        # Where a PNG has no opacity, TensorFlow fills in the highest level of its bit depth, which
        # is not 255 below 8 bits.
        filler = tf.cast(tf.bitwise.left_shift(1, tf.minimum(head[24], 8)) - 1, tf.uint8)
        opaque = tf.reduce_all(picture[..., 3] == filler)
        return tf.cond(
            opaque, lambda: picture[..., :3], lambda: _over_background(picture, background)
        )

    def gif() -> tf.Tensor:
        with _at_most(max_pixels, _number(head[8:10]), _number(head[6:8])):
            opaque = _gif_over_background(raw, background)
            return tf.io.decode_image(opaque, channels=3, expand_animations=False)

    def bmp() -> tf.Tensor:
        with _at_most(max_pixels, tf.abs(_number(head[22:26])), _number(head[18:22])):
            return tf.cond(
                _number(head[28:30]) == 8,
                lambda: _bmp_with_palette(raw, head),
                lambda: tf.io.decode_image(raw, channels=3, expand_animations=False),
            )

    def absent() -> tf.Tensor:
        return tf.zeros([1, 1, 3], tf.uint8)

    def unknown() -> tf.Tensor:
        with refuse(
            tf.strings.length(raw) > 0,
            "Image: these {} bytes are no JPEG, PNG, GIF or BMP: they begin with {}; save the "
            "picture in one of these formats, or leave it out where it is absent.",
            tf.strings.length(raw),
            readable(tf.strings.substr(raw, 0, 12)),
        ):
            return absent()

    readers = {b"\xff\xd8\xff": jpeg, b"\x89PNG\r\n\x1a\n": png, b"GIF8": gif, b"BM": bmp}
    known = tf.stack([tf.strings.length(raw) == 0, *map(starts_with, readers), True])
    kind = tf.argmax(tf.cast(known, tf.int32), output_type=tf.int32)
    picture = tf.switch_case(kind, [absent, *readers.values(), unknown])
    return tf.ensure_shape(picture, [None, None, 3])


def _over_background(picture: tf.Tensor, background: tuple[int, int, int]) -> tf.Tensor:
    """uint8 [h, w, 4] to uint8 [h, w, 3]: transparent parts show the background."""
    opacity = tf.cast(picture[..., 3:], tf.float32) / 255
    colours = tf.cast(picture[..., :3], tf.float32)
    behind = tf.constant(background, tf.float32)
    return tf.cast(tf.round(behind + (colours - behind) * opacity), tf.uint8)


def _gif_over_background(raw: tf.Tensor, background: tuple[int, int, int]) -> tf.Tensor:
    """A GIF (string []) whose first frame is opaque: its transparent colour is the background.

    TensorFlow shows transparent parts in black. See "Graphics Interchange Format, version 89a"
    (1990), sections 18 to 24.
    """
    head = tf.cast(tf.io.decode_raw(raw, tf.uint8, fixed_length=_GIF_WINDOW), tf.int32)

    def goes_on(position: tf.Tensor, control: tf.Tensor, inside: tf.Tensor) -> tf.Tensor:
        del control
        return (position < _GIF_WINDOW - 256) & (inside | (head[position] == ord("!")))

    def step(position: tf.Tensor, control: tf.Tensor, inside: tf.Tensor) -> list[tf.Tensor]:
        # An extension is its two-byte name and blocks, each begun by its length; one of 0 ends it.
        is_control = ~inside & (head[position + 1] == 0xF9)
        length = tf.where(inside, head[position] + 1, 2)
        return [position + length, tf.where(is_control, position, control), length > 1]

    def table_size(flags: tf.Tensor) -> tf.Tensor:
        return tf.where(flags >= 128, tf.bitwise.left_shift(6, flags % 8), 0)

    image, control, _ = tf.while_loop(
        goes_on,
        step,
        [13 + table_size(head[10]), tf.constant(-1), tf.constant(False)],
        maximum_iterations=1_000,
    )
    flags = head[tf.maximum(control, 0) + 3]
    table = tf.where(head[image + 9] >= 128, image + 10, 13)
    colour = table + 3 * head[tf.maximum(control, 0) + 6]
    found = (control >= 0) & (flags % 2 == 1) & (head[image] == ord(","))

    return tf.cond(
        found & (colour + 3 < tf.strings.length(raw)),
        lambda: _replaced(_replaced(raw, control + 3, b"\0"), colour, bytes(background)),
        lambda: raw,
    )


def _replaced(raw: tf.Tensor, start: tf.Tensor, new: bytes) -> tf.Tensor:
    """A byte string (string []) with other bytes from `start` (int32 []) on."""
    behind = tf.strings.substr(raw, start + len(new), tf.int32.max)
    return tf.strings.join([tf.strings.substr(raw, 0, start), new, behind])


def _bmp_with_palette(raw: tf.Tensor, head: tf.Tensor) -> tf.Tensor:
    """TensorFlow gives the palette's indices as if they were levels of grey."""
    indices = tf.io.decode_bmp(raw)[..., 0]
    start = tf.minimum(14 + _number(head[14:18]), tf.strings.length(raw))
    palette = tf.io.decode_raw(
        tf.strings.substr(raw, start, 4 * 256), tf.uint8, fixed_length=4 * 256
    )
    return tf.gather(tf.reshape(palette, [256, 4])[:, 2::-1], tf.cast(indices, tf.int32))


def _orientation(raw: tf.Tensor) -> tf.Tensor:
    """The EXIF orientation of a JPEG, 1 to 8 (int32 []); 1, upright, where none is stated.

    See CIPA DC-008 (Exif 2.32), 4.6.4 A, and TIFF 6.0, section 2. What is malformed is ignored, as
    viewers do.
    """
    head = tf.cast(tf.io.decode_raw(raw, tf.uint8, fixed_length=_EXIF_WINDOW), tf.int32)

    def big(position: tf.Tensor) -> tf.Tensor:
        return head[position] * 256 + head[position + 1]

    def is_exif(position: tf.Tensor) -> tf.Tensor:
        return (big(position) == 0xFFE1) & tf.reduce_all(
            head[position + 4 : position + 10] == list(b"Exif\0\0")
        )

    def goes_on(position: tf.Tensor) -> tf.Tensor:
        is_other = (head[position] == 0xFF) & (head[position + 1] // 16 == 0xE)
        return (position < _EXIF_WINDOW // 2) & is_other & ~is_exif(position)

    (segment,) = tf.while_loop(goes_on, lambda position: [position + 2 + big(position + 2)], [2])

    def entry() -> tf.Tensor:
        tiff = segment + 10
        little = head[tiff] == ord("I")
        order = tf.where(little, [0, 1, 2, 3], [3, 2, 1, 0])
        directory = tiff + _number(tf.gather(head[tiff + 4 : tiff + 8], order))
        directory = tf.clip_by_value(directory, 0, _EXIF_WINDOW - 2)
        two = tf.where(little, [0, 1], [1, 0])
        count = _number(tf.gather(head[directory : directory + 2], two))
        count = tf.minimum(count, (_EXIF_WINDOW - 2 - directory) // 12)
        entries = tf.reshape(head[directory + 2 : directory + 2 + 12 * count], [-1, 12])
        tags = tf.linalg.matvec(tf.gather(entries[:, :2], two, axis=1), [1, 256])
        values = tf.linalg.matvec(tf.gather(entries[:, 8:10], two, axis=1), [1, 256])
        found = tf.reduce_max(tf.where(tags == 0x0112, values, 0))
        return tf.where((found >= 1) & (found <= 8), found, 1)

    return tf.cond(is_exif(segment), entry, lambda: tf.constant(1))


def _upright(picture: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Undoes an EXIF orientation (int32 []) of a picture [h, w, 3]."""

    def turn() -> tf.Tensor:
        upright = tf.cond(
            orientation >= 5, lambda: tf.transpose(picture, [1, 0, 2]), lambda: picture
        )
        flipped = [tf.reduce_any(orientation == list(o)) for o in ((3, 4, 7, 8), (2, 3, 6, 7))]
        steps = tf.where(tf.stack(flipped), -1, 1)
        return upright[:: steps[0], :: steps[1]]

    return tf.cond(orientation == 1, lambda: picture, turn)


def _number(little_endian: tf.Tensor) -> tf.Tensor:
    """Bytes, lowest first (int32 [2] or [4]), to int32 []; from 2^31 up, the largest int32."""
    weights = tf.constant([1 << 8 * i for i in range(4)], tf.int64)
    number = tf.reduce_sum(tf.cast(little_endian, tf.int64) * weights[: tf.size(little_endian)])
    return tf.cast(tf.minimum(number, tf.int32.max), tf.int32)


def _at_most(max_pixels: int, height: tf.Tensor, width: tf.Tensor) -> Any:
    """A context in which operations run only if a picture of this size may be decoded."""
    pixels = tf.cast(height, tf.int64) * tf.cast(width, tf.int64)
    return refuse(
        (pixels < 1) | (pixels > max_pixels),
        f"Image: the picture declares {{}} rows of {{}} pixels; from 1 to {max_pixels} pixels are "
        "allowed; make it smaller, or raise max_pixels.",
        height,
        width,
    )
