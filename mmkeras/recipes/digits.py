"""Which digit a handwritten one of 8 by 8 pixels is: scikit-learn's own, in a minute.

mmkeras train digits --out runs/digits

Measured on 2 cores that other work kept busy, in one run: 68 s of CPU time; 0.994 on test.
"""

from collections.abc import Mapping

import numpy as np

from mmkeras.contracts import Source
from mmkeras.encoders import ViT
from mmkeras.fusions import Late
from mmkeras.layers import Size
from mmkeras.modalities import Image
from mmkeras.model import MultimodalModel
from mmkeras.sources import Table
from mmkeras.tasks import Classification
from mmkeras.training import Recipe

CLASSES = tuple("0123456789")
_SIZE = Size(dim=64, depth=3, num_heads=4, mlp_dim=128)


def sources() -> Mapping[str, Source]:
    """Four fifths to train on, one to test.

    Raises:
        ImportError: scikit-learn, which holds the digits, is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            'the digits come with scikit-learn; install it with pip install "mmkeras[demo]".'
        ) from error
    pictures, digits = load_digits(return_X_y=True)
    levels = np.uint8(np.round(pictures.reshape(-1, 8, 8) / 16 * 255))
    rows = [{"image": i, "digit": str(d)} for i, d in zip(levels, digits, strict=True)]
    train, test = Table(rows).split(test=0.2, seed=0)
    return {"train": train, "test": test}


def model(train: Source) -> MultimodalModel:
    """A ViT whose patches convolutions make; digits are moved and turned a little, not mirrored."""
    del train
    image = Image(
        size=16, channels=1, background=(0, 0, 0), min_crop=0.7, zoom_out=1.3, flip=False,
        rotation_deg=10.0, jitter=0.0,
    )  # fmt: skip
    stack = _SIZE.stack(0.1, stochastic_depth=0.1)
    return MultimodalModel(
        fields={"image": image},
        tasks={"digit": Classification(CLASSES, label_smoothing=0.1)},
        encoders={"image": ViT.for_modality(image, stack=stack, patch_size=4)},
        fusion=Late(_SIZE.dim),
    )


recipe = Recipe(
    name="digits",
    sources=sources,
    model=model,
    epochs=30,
    batch_size=64,
    learning_rate=2e-3,
    ema_momentum=0.98,
    cache=True,
)
