"""Which of nine categories an emoji belongs to: from its drawing, its name and its spoken name.

mmkeras train emoji --out runs/emoji
"""

import dataclasses
from collections.abc import Mapping

from mmkeras.contracts import Source
from mmkeras.datasets.emoji import prepare
from mmkeras.encoders import AudioTransformer, TextTransformer, ViT
from mmkeras.fusions import Late
from mmkeras.layers import Size
from mmkeras.modalities import Audio, Image, Text
from mmkeras.model import MultimodalModel
from mmkeras.openmoji import CATEGORIES
from mmkeras.sources import TFDS
from mmkeras.tasks import Classification
from mmkeras.tokenizers import HashedNgrams
from mmkeras.training import Recipe

_SIZE = Size(dim=96, depth=2, num_heads=4, mlp_dim=192)


def sources() -> Mapping[str, Source]:
    """The embedded dataset, prepared on first use."""
    builder = prepare()
    return {split: TFDS(builder, split) for split in ("train", "validation", "test")}


def model(train: Source) -> MultimodalModel:
    """Three small encoders whose votes are summed, each vote trained by itself too.

    Without that, the field that is quickest learned leaves the others nothing to learn. Names are
    the n-grams of their words, since few words stand in both training and test; case is kept,
    because a capital tells a country from a dish.
    """
    fields = {
        "name": Text.adapt(
            train,
            "name",
            vocabulary_size=4_096,
            max_length=80,
            token_dropout=0.4,
            tokenizer=HashedNgrams,
        ),
        "image": Image(size=48, min_crop=0.85, jitter=0.1),
        "speech": Audio(seconds=1.75, gain_db=0.0, delay_s=0.0, speed=0.0, min_snr_db=None),
    }
    return MultimodalModel(
        fields=fields,
        tasks={
            "category": Classification(CATEGORIES, label_smoothing=0.1, dropout=0.3, vote_loss=1.0)
        },
        encoders={
            "name": TextTransformer.for_modality(
                fields["name"], dataclasses.replace(_SIZE, depth=0), dropout=0.3
            ),
            "image": ViT.for_modality(fields["image"], _SIZE),
            "speech": AudioTransformer.for_modality(fields["speech"], _SIZE, num_mels=40),
        },
        fusion=Late(_SIZE.dim),
        modality_dropout=0.4,
    )


recipe = Recipe(
    name="emoji",
    sources=sources,
    model=model,
    epochs=5,
    batch_size=32,
    learning_rate=1.5e-3,
    ema_momentum=0.99,
    cache=True,
)
