"""Five tasks by one model: categories, entities, objects, captions and what is said.

mmkeras train emoji_tasks --out runs/emoji_tasks

A whole run was not measured yet. `benchmarks/multitask.py` does, beside a model for each task that
has as many steps with as many of its samples: 0.95 of what each reaches alone is the aim. An epoch
took more than 20 minutes of CPU time while other work kept the cores busy.
"""

import functools
from collections.abc import Collection
from typing import NamedTuple

import tensorflow as tf

from mmkeras.contracts import Encoder, Modality, Source, Task
from mmkeras.datasets import emoji, emoji_arrangements, emoji_scenes, emoji_sentences, emoji_speech
from mmkeras.encoders import Conformer, TextTransformer, VisionPyramid
from mmkeras.fusions import Late
from mmkeras.layers import Size
from mmkeras.modalities import Audio, Image, Text
from mmkeras.model import MultimodalModel
from mmkeras.openmoji import CATEGORIES
from mmkeras.renaming import renamed
from mmkeras.sources import TFDS, Aliased, Joined, Table
from mmkeras.tasks import (
    Classification,
    ObjectDetection,
    SpeechRecognition,
    TextGeneration,
    TokenClassification,
)
from mmkeras.tokenizers import CharacterTokenizer, WordPiece
from mmkeras.training import Recipe

_SIZE = Size(dim=64, depth=2, num_heads=4, mlp_dim=128)


class Share(NamedTuple):
    """What one task has of the training.

    Attributes:
        fields: what it is asked about.
        times: how often its samples are gone through in an epoch.
        batch_size: of the 96 samples of a step, those that are its own, about.
    """

    fields: tuple[str, ...]
    times: int
    batch_size: int


#: Five tasks, each with data of its own; the encoder of a field is shared by all that read it.
SHARES = {
    "category": Share(("writing", "picture", "sound"), times=1, batch_size=10),
    "entities": Share(("writing",), times=1, batch_size=16),
    "boxes": Share(("picture",), times=2, batch_size=16),
    "caption": Share(("picture",), times=1, batch_size=31),
    "transcript": Share(("sound",), times=2, batch_size=23),
}


def data(part: str, config: str = "full") -> dict[str, Source]:
    """The samples of each task, with columns of the same names; made on first use.

    Args:
        part: `"train"`, `"validation"` or `"test"`.
        config: `"full"`, or `"tiny"` for tests.
    """
    voices = "two_voices" if config == "full" else config
    captioned = emoji_arrangements.TEST if part == "test" else part
    sentences: Source = TFDS(emoji_sentences.prepare(), part)
    if part == "train":
        columns = [sentences.column(name, str.encode) for name in ("text", "entities")]
        rows = tf.data.Dataset.zip(*columns).take(40 if config == "tiny" else -1)
        pairs = ((text.decode(), found.decode()) for text, found in rows.as_numpy_iterator())
        # Of few names in many sentences a model would learn the names.
        invented = renamed(({"text": t, "entities": e} for t, e in pairs), share=0.9)
        sentences = Table(invented)
    drawn = TFDS(emoji.prepare(config=config), part)
    return {
        "category": Aliased(drawn, writing="name", picture="image", sound="speech"),
        "entities": Aliased(sentences, writing="text"),
        "boxes": Aliased(
            TFDS(emoji_scenes.prepare(config=config), part), picture="image", boxes="objects"
        ),
        "caption": Aliased(
            TFDS(emoji_arrangements.prepare(config=config), captioned), picture="image"
        ),
        "transcript": Aliased(
            TFDS(emoji_speech.prepare(config=voices), part), sound="speech", transcript="text"
        ),
    }


def sources(config: str = "full") -> dict[str, Source]:
    """The samples of all tasks in turns; for testing those of each."""
    train, test = data("train", config), data("test", config)
    times = [SHARES[task].times for task in train]
    return {"train": Joined(*train.values(), times=times)} | {
        f"test_{task}": source for task, source in test.items()
    }


def model(train: Source, tasks: Collection[str] = tuple(SHARES)) -> MultimodalModel:
    """An encoder for each field, which all its tasks share, and a head for each task.

    Args:
        train: the training samples.
        tasks: those to learn, by name.
    """
    fields = {
        name: _field(name, train)
        for name in ("writing", "picture", "sound")
        if any(name in SHARES[task].fields for task in tasks)
    }
    return MultimodalModel(
        fields=fields,
        tasks={task: _task(task, train) for task in tasks},
        encoders={name: _encoder(name, field) for name, field in fields.items()},
        fusion=Late(_SIZE.dim),
        loss_weights="learned" if len(tasks) > 1 else None,
    )


def _field(name: str, train: Source) -> Modality:
    match name:
        case "writing":
            return Text.adapt(train, name, 1_500, max_length=64, token_dropout=0, lowercase=False)
        case "picture":
            # Nothing that would swap left and right or cut somebody off: captions tell places.
            return Image(size=80, min_crop=1.0, flip=False, jitter=0.1)
        case _:
            return Audio(seconds=4.0, gain_db=0.0, delay_s=0.1, speed=0.1, min_snr_db=None)


def _encoder(name: str, field: Modality) -> Encoder:
    match name:
        case "writing":
            stack = _SIZE.conformer_stack(0.1, kernel_size=5)
            return TextTransformer.for_modality(field, dropout=0.1, stack=stack)
        case "picture":
            return VisionPyramid.for_modality(field, _SIZE, strides=(8, 16), dropout=0.05)
        case _:
            return Conformer.for_modality(field, _SIZE, kernel_size=9, num_mels=64, dropout=0.05)


def _task(name: str, train: Source) -> Task:
    match name:
        case "category":
            return Classification(CATEGORIES, dropout=0.1)
        case "entities":
            return TokenClassification(emoji_sentences.TYPES, field="writing")
        case "boxes":
            return ObjectDetection(CATEGORIES, field="picture", max_objects=8, box_weight=1.0)
        case "caption":
            texts = train.column(name, str.encode).as_numpy_iterator()
            return TextGeneration(
                WordPiece.learn(filter(None, texts), 2_000),
                max_tokens=16,
                unknown="keep",  # A few pictures, as in the tests, do not show every word.
                dropout=0.05,
                measures=("exact_match", "bleu"),
            )
        case _:
            letters = CharacterTokenizer(("<pad>", "<unk>", *emoji_speech.ALPHABET))
            return SpeechRecognition(letters, field="sound", max_tokens=64)


def alone(task: str, config: str = "full") -> Recipe:
    """The same task by a model of its own: as many steps, with as many of its samples.

    Args:
        task: one of `SHARES`.
        config: of `data`.
    """
    share = SHARES[task]

    def parts() -> dict[str, Source]:
        return {part: data(part, config)[task] for part in ("train", "test")}

    return recipe.replace(
        name=f"emoji_tasks_{task}",
        sources=parts,
        model=functools.partial(model, tasks=(task,)),
        epochs=recipe.epochs * share.times,
        batch_size=share.batch_size,
    )


recipe = Recipe(
    name="emoji_tasks",
    sources=sources,
    model=model,
    epochs=3,
    batch_size=96,
    learning_rate=2e-3,
)
