"""Cells and platelets in pictures of blood, found by what 205 pictures teach.

MMKERAS_DATA=... mmkeras train bccd --out runs/bccd

The folder holds `bccd/` with `Annotations`, `ImageSets` and `JPEGImages` as the BCCD dataset
(Shenggan, MIT licence) gives them out.

Measured on 2 cores that other work kept busy, in one run: 28 minutes by the clock; on the 72
pictures of test mAP50 0.861, mAP 0.532, mAP75 0.568 (AP of white cells 0.701, red cells 0.569,
platelets 0.326).
"""

from collections.abc import Mapping

from mmkeras.contracts import Source
from mmkeras.encoders import VisionPyramid
from mmkeras.files import public_file
from mmkeras.fusions import Late
from mmkeras.layers import Size
from mmkeras.modalities import Image
from mmkeras.model import MultimodalModel
from mmkeras.sources import PascalVOC
from mmkeras.tasks import ObjectDetection
from mmkeras.training import Recipe

CLASSES = ("Platelets", "RBC", "WBC")
_SIZE = Size(dim=96, depth=1, num_heads=4, mlp_dim=192)


def sources() -> Mapping[str, Source]:
    """The parts that the dataset comes in; two of its boxes are single points and left out."""
    folder = public_file("bccd/ImageSets/Main/train.txt", "BCCD (Shenggan)").parents[2]
    return {
        part: PascalVOC(folder, name, classes=CLASSES, on_bad="repair")
        for part, name in (("train", "train"), ("validation", "val"), ("test", "test"))
    }


def model(train: Source) -> MultimodalModel:
    """A pyramid; a thing looks the same mirrored, larger, smaller and in another light."""
    del train
    image = Image(size=(192, 256), min_crop=0.4, zoom_out=1.3, jitter=0.2)
    encoder = VisionPyramid.for_modality(image, _SIZE)
    return MultimodalModel(
        fields={"image": image},
        tasks={"objects": ObjectDetection(CLASSES, max_objects=40)},
        encoders={"image": encoder},
        fusion=Late(_SIZE.dim),
    )


recipe = Recipe(
    name="bccd",
    sources=sources,
    model=model,
    epochs=100,
    batch_size=16,
    learning_rate=2e-3,
    cache=True,
)
