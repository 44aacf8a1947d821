"""Names of countries, animals, dishes and so on in sentences, from the packages of the demo.

mmkeras train emoji_sentences --out runs/emoji_sentences

Measured on 2 cores that other work kept busy, in one run: 558 s of CPU time (636 s by the clock).
F1 of entities whose names no training sentence holds: 0.955 on test, 0.912 on validation; in
sentences whose frames no training sentence has either (`test_templates`) 0.715. With two epochs it
was 0.949 on test; with names invented for each type apart, so that their spelling gave the type
away, 0.56; with swapped pieces instead, in a plain Transformer, 0.52.
"""

from collections.abc import Mapping

from mmkeras.contracts import Source
from mmkeras.datasets.emoji_sentences import TYPES, prepare
from mmkeras.encoders import TextTransformer
from mmkeras.fusions import Late
from mmkeras.layers import Size
from mmkeras.modalities import Text
from mmkeras.model import MultimodalModel
from mmkeras.renaming import renamed
from mmkeras.sources import TFDS, Table
from mmkeras.tasks import TokenClassification
from mmkeras.training import Recipe

_SIZE = Size(dim=96, depth=2, num_heads=4, mlp_dim=192)
_DROPOUT = 0.2


def sources() -> Mapping[str, Source]:
    """Sentences with other names in each part, prepared on first use.

    Training holds each name some 40 times. So that a model learns what stands around names, and not
    the names, it gets every sentence three times, and most names are invented ones.
    """
    builder = prepare()
    rows = [
        {key: value.decode() for key, value in row.items()}
        for row in builder.as_dataset("train").as_numpy_iterator()
    ]
    train = [row for seed in range(3) for row in renamed(rows, share=0.9, seed=seed)]
    parts = {split: TFDS(builder, split) for split in ("validation", "test", "test_templates")}
    return {"train": Table(train), **parts}


def model(train: Source) -> MultimodalModel:
    """Conformer blocks, as what stands right beside a name tells most, and a random field."""
    text = Text.adapt(
        train, "text", vocabulary_size=1_500, max_length=64, token_dropout=0.0, lowercase=False
    )
    stack = _SIZE.conformer_stack(_DROPOUT, kernel_size=5)
    encoder = TextTransformer.for_modality(text, dropout=_DROPOUT, stack=stack)
    return MultimodalModel(
        fields={"text": text},
        tasks={"entities": TokenClassification(TYPES, field="text", dropout=_DROPOUT)},
        encoders={"text": encoder},
        fusion=Late(_SIZE.dim),
    )


recipe = Recipe(
    name="emoji_sentences",
    sources=sources,
    model=model,
    epochs=3,
    batch_size=32,
    learning_rate=2e-3,
    ema_momentum=0.99,
    cache=True,
)
