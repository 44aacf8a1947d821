"""Which of nine categories a thing belongs to, by its name in any of 14 languages: one model.

mmkeras train emoji_names --out runs/emoji_names
"""

from collections.abc import Mapping

from mmkeras.contracts import Source
from mmkeras.datasets.emoji import prepare
from mmkeras.encoders import TextTransformer
from mmkeras.fusions import Late
from mmkeras.layers import Size
from mmkeras.modalities import Text
from mmkeras.model import MultimodalModel
from mmkeras.openmoji import CATEGORIES
from mmkeras.sources import TFDS
from mmkeras.tasks import Classification
from mmkeras.tokenizers import HashedNgrams
from mmkeras.training import Recipe

_SIZE = Size(dim=128, depth=0, num_heads=4, mlp_dim=256)


def sources() -> Mapping[str, Source]:
    """Names, each with its language; no emoji of the test is named in training in any of them."""
    builder = prepare(config="names")
    return {split: TFDS(builder, split) for split in ("train", "validation", "test")}


def model(train: Source) -> MultimodalModel:
    """The n-grams of the words, whose hashes know no alphabet."""
    del train
    text = Text(HashedNgrams(32_766, shortest=1, longest=5), max_length=120, token_dropout=0.4)
    return MultimodalModel(
        fields={"name": text},
        tasks={"category": Classification(CATEGORIES, label_smoothing=0.1, dropout=0.3)},
        encoders={"name": TextTransformer.for_modality(text, _SIZE, dropout=0.3)},
        fusion=Late(_SIZE.dim),
    )


recipe = Recipe(
    name="emoji_names",
    sources=sources,
    model=model,
    epochs=8,
    batch_size=64,
    learning_rate=2e-3,
    ema_momentum=0.99,
    cache=True,
)
