"""Names of emoji are said, in the voices of a woman and a man.

mmkeras train emoji_voices --out runs/emoji_voices

Measured on 2 cores that other work kept busy, in one run: 29 minutes of CPU time. Of 384 names
that are held out, by `benchmarks/speech_synthesis.py`: mel-cepstral distortion 5.5 dB from
eSpeak NG's own rendering, pitch off by 173 cents (root mean square), durations 0.90 of eSpeak's.
`pocketsphinx`, which knows nothing of either and may hear these names alone, has a word error rate
of 0.452 on them and of 0.071 on eSpeak NG, both with a little noise (0.15 apart at the most was the
aim). Without, it has 0.431 and 0.331: pauses of eSpeak NG are without any sound, which confuses it.
28 times real time by the clock (20 was the aim).
"""

import dataclasses
from collections.abc import Mapping

from mmkeras.contracts import Source
from mmkeras.datasets.emoji_speech import ALPHABET, VOICES, prepare
from mmkeras.encoders import TextTransformer
from mmkeras.fusions import Late
from mmkeras.layers import Size
from mmkeras.modalities import Audio, Text
from mmkeras.model import MultimodalModel
from mmkeras.sources import TFDS
from mmkeras.tasks import SpeechSynthesis
from mmkeras.tokenizers import CharacterTokenizer, WordPiece
from mmkeras.training import Recipe

_SIZE = Size(dim=128, depth=2, num_heads=4, mlp_dim=256)


def sources() -> Mapping[str, Source]:
    """The embedded speech of two voices, made on first use."""
    builder = prepare(config="two_voices")
    return {part: TFDS(builder, part) for part in ("train", "validation", "test")}


def model(train: Source) -> MultimodalModel:
    """Letters see their neighbours, which decide how they are said, and the voice's name."""
    del train
    letters = CharacterTokenizer(("<pad>", "<unk>", *ALPHABET))
    fields = {
        "text": Text(letters, max_length=48, token_dropout=0.0, layout="none"),
        "voice": Text(_names(VOICES["two_voices"]), max_length=8, token_dropout=0.0),
    }
    encoders = {
        "text": TextTransformer.for_modality(
            fields["text"],
            _SIZE,
            stack=_SIZE.conformer_stack(0.1, kernel_size=7, rotary=True, name="stack"),
        ),
        "voice": TextTransformer.for_modality(
            fields["voice"], dataclasses.replace(_SIZE, depth=0), dropout=0.0
        ),
    }
    return MultimodalModel(
        fields=fields,
        tasks={"speech": SpeechSynthesis(Audio(seconds=3.0), field="text", depth=3)},
        encoders=encoders,
        fusion=Late(_SIZE.dim),
    )


def _names(voices: tuple[str, ...]) -> WordPiece:
    """A tokenizer that knows the voices by the pieces of their names."""
    return WordPiece.learn([voice for voice in voices for _ in range(2)], vocabulary_size=40)


recipe = Recipe(
    name="emoji_voices",
    sources=sources,
    model=model,
    epochs=9,
    batch_size=24,
    learning_rate=1.5e-3,
    pipeline={"buckets": {"text": [9, 12, 15, 19]}},
)
