"""Rare and emerging names in tweets, learned from nothing: what 3,394 tweets teach.

MMKERAS_DATA=... mmkeras train wnut17 --out runs/wnut17

The folder holds `wnut17/wnut17train.conll` and the other files of the shared task (Derczynski et
al. 2017): a token, a tab, and its tag in each line.

Measured on 2 cores that other work kept busy, in one run of a few minutes: F1 of entities 0.075 on
test. Its names are new by design, and without pretraining the tweets teach little of them.
"""

from collections.abc import Mapping

from mmkeras.contracts import Source
from mmkeras.encoders import WordTransformer
from mmkeras.files import public_file
from mmkeras.fusions import Late
from mmkeras.layers import Size
from mmkeras.modalities import Words
from mmkeras.model import MultimodalModel
from mmkeras.sources import CoNLL
from mmkeras.tasks import TokenClassification
from mmkeras.tokenizers import HashedNgrams
from mmkeras.training import Recipe

_SIZE = Size(dim=96, depth=1, num_heads=4, mlp_dim=192)
_DROPOUT = 0.3


def sources() -> Mapping[str, Source]:
    """The parts that the shared task gave out."""
    files = {
        "train": "wnut17train.conll",
        "validation": "emerging.dev.conll",
        "test": "emerging.test.annotated",
    }
    origin = "WNUT 2017 (Derczynski et al. 2017)"
    return {part: CoNLL(public_file(f"wnut17/{name}", origin)) for part, name in files.items()}


def model(train: Source) -> MultimodalModel:
    """Words by their parts; most of them are hidden while training, with so few texts."""
    text = Words(
        HashedNgrams(32_766, shortest=2, longest=5),
        max_length=48,
        max_parts=40,
        word_dropout=0.2,
        part_dropout=0.4,
    )
    stack = _SIZE.conformer_stack(_DROPOUT, kernel_size=5)
    encoder = WordTransformer.for_modality(text, dropout=_DROPOUT, stack=stack)
    return MultimodalModel(
        fields={"text": text},
        tasks={"entities": TokenClassification.adapt(train, "entities", dropout=_DROPOUT)},
        encoders={"text": encoder},
        fusion=Late(_SIZE.dim),
    )


recipe = Recipe(
    name="wnut17",
    sources=sources,
    model=model,
    epochs=12,
    batch_size=32,
    learning_rate=2e-3,
    ema_momentum=0.99,
    cache=True,
)
