"""What is said, in letters: names of emoji, spoken by many voices.

mmkeras train emoji_speech --out runs/emoji_speech

Measured on 2 cores, in one run: 78 minutes of CPU time (51 by the clock, with other work beside
it). Character (word) error rates, by `benchmarks/speech_recognition.py`, which chooses the weight
of the language model on `validation`:

| voices held out | names of training (aim: 0.03, 0.08) | names held out too (aim: 0.10) |
|---|---|---|
| seven of eight, language model | 0.008 (0.025) | 0.098 (0.312) |
| the eighth, language model | 0.501 (0.941) | 0.606 (1.068) |
| all eight, language model | 0.084 (0.160) | 0.145 (0.385) |
| all eight, likeliest pieces | 0.144 (0.429) | 0.182 (0.577) |

The eighth, eSpeak NG's `kaukovalta`, has its first formant at 0.4 times the usual frequency, lower
than any voice of training (and than a mouth could make it). In an accent that is held out as well
(`test_accent`) all eight have 0.274 (0.688), 0.351 (0.949) without the language model. More than
one in four of the words of `test` were never said in training: of names that hold one, 0.698 of the
words are wrong. Whole recordings are decoded 137 times as fast as they last, 67 times with the
language model; a stream is heard at 17 times (20 was the aim), and ends with the same text.
"""

import dataclasses
from collections.abc import Mapping

from mmkeras.contracts import Source
from mmkeras.datasets.emoji_speech import ALPHABET, prepare
from mmkeras.decoding import CTCBeams
from mmkeras.encoders import Conformer
from mmkeras.fusions import Late
from mmkeras.layers import GlobalNormalization, Size
from mmkeras.modalities import Audio
from mmkeras.model import MultimodalModel
from mmkeras.sources import TFDS
from mmkeras.tasks import SpeechRecognition
from mmkeras.tokenizers import CharacterTokenizer
from mmkeras.training import Recipe

_SIZE = Size(dim=144, depth=4, num_heads=4, mlp_dim=576)


def sources() -> Mapping[str, Source]:
    """The embedded speech, made on first use."""
    builder = prepare()
    parts = ("train", "validation", "test_voice", "test", "test_accent")
    return {part: TFDS(builder, part) for part in parts}


def model(train: Source) -> MultimodalModel:
    """A Conformer that hears 0.64 s at a time, and what was before: it can listen to a stream."""
    speech = Audio(seconds=4.0, gain_db=6.0, delay_s=0.1, speed=0.1, min_snr_db=20.0)
    encoder = Conformer.for_modality(
        speech,
        _SIZE,
        kernel_size=15,
        num_mels=64,
        dropout=0.05,
        # Letters follow each other fast: a token stands for 32 ms.
        hop_s=0.008,
        # Of the log-mel frames of speech, roughly.
        normalization=GlobalNormalization([-4.0] * 64, [4.0] * 64),
        chunk=20,
        left_chunks=4,
    )
    letters = CharacterTokenizer(("<pad>", "<unk>", *ALPHABET))
    task = SpeechRecognition(letters, field="speech", max_tokens=64, dropout=0.05)
    return MultimodalModel(
        fields={"speech": speech},
        tasks={"text": dataclasses.replace(task, beams=_beams(task, train))},
        encoders={"speech": encoder},
        fusion=Late(_SIZE.dim),
    )


def _beams(task: SpeechRecognition, train: Source) -> CTCBeams:
    """A search that knows what is said in training, each text once."""
    texts = sorted(set(map(bytes, train.column("text", bytes).as_numpy_iterator())))
    language = task.language_model(texts, order=6)
    # Best of a few on the validation samples.
    return CTCBeams(language_model=language, lm_weight=0.7, insertion_bonus=1.2)


recipe = Recipe(
    name="emoji_speech",
    sources=sources,
    model=model,
    epochs=11,
    batch_size=24,
    learning_rate=2e-3,
    pipeline={"buckets": {"speech": [16_000, 20_000, 24_000, 32_000]}},
)
