"""Persons, places and organisations in sentences of the English Wikipedia, learned from nothing.

MMKERAS_DATA=... mmkeras train wikiann --out runs/wikiann

The folder holds `wikiann_en/train`, `dev` and `test` as Rahimi et al. 2019 give them out: a token
and a tag in each line.
"""

from collections.abc import Mapping

from mmkeras.contracts import Source
from mmkeras.encoders import TextTransformer
from mmkeras.files import public_file
from mmkeras.fusions import Late
from mmkeras.layers import (
    ConformerBlock,
    ConformerConvolution,
    FeedForward,
    MultiHeadAttention,
    TransformerStack,
)
from mmkeras.modalities import Text
from mmkeras.model import MultimodalModel
from mmkeras.sources import CoNLL
from mmkeras.tasks import TokenClassification
from mmkeras.training import Recipe

_DIM, _DEPTH, _DROPOUT = 128, 3, 0.2


def sources() -> Mapping[str, Source]:
    """The parts that WikiANN comes in."""
    origin = "WikiANN (Pan et al. 2017; Rahimi et al. 2019)"
    return {
        part: CoNLL(public_file(f"wikiann_en/{name}", origin), token_prefix="en:")
        for part, name in (("train", "train"), ("validation", "dev"), ("test", "test"))
    }


def model(train: Source) -> MultimodalModel:
    """Conformer blocks: what stands right beside a word tells most, and there are few texts."""
    text = Text.adapt(
        train, "text", vocabulary_size=5_000, max_length=64, token_dropout=0.2, lowercase=False
    )
    blocks = [
        ConformerBlock(
            FeedForward(_DIM, 2 * _DIM, _DROPOUT, activation="silu"),
            MultiHeadAttention(_DIM, num_heads=4, dropout=_DROPOUT),
            ConformerConvolution(_DIM, kernel_size=5, dropout=_DROPOUT),
        )
        for _ in range(_DEPTH)
    ]
    encoder = TextTransformer(
        text.vocabulary_size, text.max_length, TransformerStack(_DIM, blocks), dropout=_DROPOUT
    )
    return MultimodalModel(
        fields={"text": text},
        tasks={"entities": TokenClassification.adapt(train, "entities", dropout=_DROPOUT)},
        encoders={"text": encoder},
        fusion=Late(_DIM),
    )


recipe = Recipe(
    name="wikiann",
    sources=sources,
    model=model,
    epochs=15,
    batch_size=64,
    learning_rate=2e-3,
    ema_momentum=0.998,
    cache=True,
    pipeline={"buckets": {"text": [12, 18, 28]}},
)
