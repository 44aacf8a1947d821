"""`MaskFolder`: pictures in one folder, and a mask for each of them in another."""

from pathlib import Path

from mmkeras.pictures import pictures_in
from mmkeras.repairs import Repairs
from mmkeras.rows import Rows


class MaskFolder(Rows):
    """A row for each picture with the mask of the same name, but for the ending.

    Hidden files, and those that are no pictures by their endings, are not looked at.

    Args:
        images: the folder of the pictures: JPEG, PNG, GIF or BMP files.
        masks: the folder of the masks, PNG files.
        image: name of the column of the pictures' paths.
        mask: name of the column of the masks' paths.
        on_bad: what becomes of a picture without mask and a mask without picture: `"raise"`, or
            `"repair"`, which leaves them out with one warning.

    Attributes:
        repaired: how many pictures and masks were left out.

    Raises:
        FileNotFoundError: a folder does not exist.
        ValueError: the files are no pairs and `on_bad` is `"raise"`, there is no pair at all, or
            two pictures of a folder differ in their endings alone; the message names the files.

    Example:

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("photos/cat.jpg", "masks/cat.png"):
    ...     (folder / name).parent.mkdir()
    ...     (folder / name).touch()
    >>> source = MaskFolder(folder / "photos", folder / "masks")
    >>> source["mask"][0] == str(folder / "masks/cat.png")
    True
    >>> source, source.locate(0)
    (MaskFolder(photos, 1 rows, columns ['image', 'mask']), 'photos/cat.jpg')
    """

    def __init__(
        self,
        images: str | Path,
        masks: str | Path,
        *,
        image: str = "image",
        mask: str = "mask",
        on_bad: str = "raise",
    ):
        if image == mask:
            raise ValueError(f"image and mask must have different names; both are {image!r}.")
        images, masks = Path(images), Path(masks)
        repairs = Repairs(str(images), on_bad)
        pictures, drawings = pictures_in(images), pictures_in(masks, (".png",))
        pairs = [stem for stem in pictures if stem in drawings]
        if not pairs:
            raise ValueError(
                f"no picture in {images}{_some(pictures)} has the name of a PNG file in "
                f"{masks}{_some(drawings)}; name the folders whose files are pairs."
            )
        for alone, others, fault in (
            (pictures, drawings, f"pictures in {images} have no mask in {masks}"),
            (drawings, pictures, f"masks in {masks} have no picture in {images}"),
        ):
            left = {stem: name for stem, name in alone.items() if stem not in others}
            if left:
                repairs.add("left out", "files", f"{len(left)} {fault}{_some(left)}", len(left))
        self.repaired = repairs.count
        repairs.warn()
        columns = {
            image: [str(images / pictures[stem]) for stem in pairs],
            mask: [str(masks / drawings[stem]) for stem in pairs],
        }
        super().__init__(columns, name=images.name)
        self._files = [pictures[stem] for stem in pairs]

    def locate(self, index: int) -> str:
        """`photos/cat.jpg`: the picture in its folder."""
        return f"{self._name}/{self._files[index]}"


def _some(files: dict[str, str]) -> str:
    """The first few names in brackets."""
    names = list(files.values())
    return f" ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})" if names else ""
