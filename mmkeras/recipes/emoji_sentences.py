"""Names of countries, animals, dishes and so on in sentences, from the packages of the demo.

mmkeras train emoji_sentences --out runs/emoji_sentences
"""

import dataclasses
from collections.abc import Mapping

from mmkeras.contracts import Source
from mmkeras.datasets.emoji_sentences import TYPES, prepare
from mmkeras.encoders import TextTransformer
from mmkeras.fusions import Late
from mmkeras.layers import Size
from mmkeras.modalities import Text
from mmkeras.model import MultimodalModel
from mmkeras.sources import TFDS
from mmkeras.tasks import TokenClassification
from mmkeras.training import Recipe

_SIZE = Size(dim=96, depth=2, num_heads=4, mlp_dim=192)


def sources() -> Mapping[str, Source]:
    """Sentences with other names in each part, prepared on first use."""
    builder = prepare()
    return {split: TFDS(builder, split) for split in ("train", "validation", "test")}


def model(train: Source) -> MultimodalModel:
    """A small Transformer whose tags a random field makes legal.

    Training holds each name some 40 times. So that the model learns what stands around names, and
    not the names, their pieces are swapped for others.
    """
    text = Text.adapt(train, "text", vocabulary_size=1_500, max_length=64, lowercase=False)
    text = dataclasses.replace(text, token_dropout=0.0, token_swap=0.3)
    return MultimodalModel(
        fields={"text": text},
        tasks={"entities": TokenClassification(TYPES, field="text", dropout=0.2)},
        encoders={"text": TextTransformer.for_modality(text, _SIZE, dropout=0.2)},
        fusion=Late(_SIZE.dim),
    )


recipe = Recipe(
    name="emoji_sentences",
    sources=sources,
    model=model,
    epochs=6,
    batch_size=32,
    learning_rate=2e-3,
    ema_momentum=0.99,
    cache=True,
)
