"""Questions about a few emoji in rows: what is where, where is what, how often, of which category.

mmkeras train emoji_captions --out runs/emoji_captions
mmkeras train emoji_questions --out runs/emoji_questions

A whole run was not measured yet (0.90 of the answers right is the aim). The same model, given the
outputs of the picture's encoder as they are without augmentation, was stopped after 1,500 of 4,000
steps (706 s of CPU time) and had then learned to look where a question says: of the test's answers
0.659 were right (what 0.972, where 0.416, how often 0.396, which category 0.852), and still more
with every 250 steps. The answer to "what" was guessed up to step 500, and found in 0.832 at 1,000.

Who answers each question as it was answered most often in training, without the picture, is right
for 0.110 of `test`: what 0.004, where 0.088, how often 0.264, which category 0.084.
"""

import functools
from collections.abc import Mapping
from pathlib import Path

from mmkeras.contracts import Encoder, Modality, Source
from mmkeras.datasets.emoji_arrangements import TEST, TESTS, prepare
from mmkeras.encoders import TextTransformer
from mmkeras.fusions import CrossAttention
from mmkeras.layers import Size
from mmkeras.modalities import Text
from mmkeras.model import MultimodalModel
from mmkeras.sources import TFDS
from mmkeras.tasks import TextGeneration
from mmkeras.tokenizers import WordPiece
from mmkeras.training import Recipe, trained

_SIZE = Size(dim=64, depth=2, num_heads=4, mlp_dim=128)


def sources(config: str = "full") -> Mapping[str, Source]:
    """The embedded arrangements, made on first use; for testing also each kind of question."""
    builder = prepare(config=config)
    parts = ("train", "validation", *TESTS.values())
    return {part: TFDS(builder, part) for part in parts} | {"test": TFDS(builder, TEST)}


def model(
    train: Source,
    captions: str | Path = "runs/emoji_captions/model.keras",
    sees: bool = True,
) -> MultimodalModel:
    """The cells of the picture look at the words of the question, and these at them.

    The encoder of pictures is that of a model which learned to write captions, and stays as it is.
    An answer names one emoji at the most, and a caption all of them: it is learned much sooner from
    captions which is which.

    Args:
        train: the training samples.
        captions: the model that `emoji_captions` made.
        sees: False leaves the picture out.

    Raises:
        FileNotFoundError: there is no such model; the message tells how it is made.
    """
    question = Text.adapt(train, "question", 2_000, max_length=14, token_dropout=0.0)
    answers = train.column("answer", str.encode).as_numpy_iterator()
    fields: dict[str, Modality] = {"question": question}
    encoders: dict[str, Encoder] = {
        "question": TextTransformer.for_modality(question, _SIZE, dropout=0.0)
    }
    if sees:
        writer = trained(captions, "emoji_captions")
        fields["image"], encoders["image"] = writer.fields["image"], writer.encoders["image"]
        encoders["image"].trainable = False
    return MultimodalModel(
        fields=fields,
        tasks={
            # A few pictures, as in the tests, do not show every word: then it has pieces, or none.
            "answer": TextGeneration(
                WordPiece.learn(answers, 2_000), max_tokens=16, unknown="keep", dropout=0.0
            )
        },
        encoders=encoders,
        fusion=CrossAttention(_SIZE.block(), depth=2),
    )


recipe = Recipe(
    name="emoji_questions",
    sources=sources,
    model=model,
    epochs=16,
    batch_size=64,
    learning_rate=1e-3,
    cache=True,
)
#: The same without the picture: what questions alone give away.
blind = recipe.replace(name="emoji_questions_blind", model=functools.partial(model, sees=False))
