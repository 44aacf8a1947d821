"""Persons, places and organisations in sentences of the English Wikipedia, learned from nothing.

MMKERAS_DATA=... mmkeras train wikiann --out runs/wikiann

The folder holds `wikiann_en/train`, `dev` and `test` as Rahimi et al. 2019 give them out: a token
and a tag in each line.

Measured on 2 cores that other work kept busy, in one run: 949 s of CPU time (1,176 s by the clock);
strict F1 of entities over whole sentences 0.707 on test (precision 0.707, recall 0.708), 0.716 on
dev. With WordPiece instead of words by their parts, else alike, it was 0.681 and 0.689.
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

_SIZE = Size(dim=128, depth=2, num_heads=4, mlp_dim=256)
_DROPOUT = 0.3


def sources() -> Mapping[str, Source]:
    """The parts that WikiANN comes in."""
    origin = "WikiANN (Pan et al. 2017; Rahimi et al. 2019)"
    return {
        part: CoNLL(public_file(f"wikiann_en/{name}", origin), token_prefix="en:")
        for part, name in (("train", "train"), ("validation", "dev"), ("test", "test"))
    }


def model(train: Source) -> MultimodalModel:
    """Words by their parts, since few names of the test stand in training; Conformer blocks.

    What stands right beside a word tells most, and there are few texts.
    """
    text = Words(
        HashedNgrams(32_766, shortest=2, longest=5),
        max_length=48,
        max_parts=40,
        word_dropout=0.1,
        part_dropout=0.3,
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
    name="wikiann",
    sources=sources,
    model=model,
    epochs=8,
    batch_size=64,
    learning_rate=2e-3,
    ema_momentum=0.998,
    cache=True,
    pipeline={"buckets": {"text": [8, 12, 18]}},
)
