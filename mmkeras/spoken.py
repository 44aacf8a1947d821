"""Utterances of eSpeak NG as WAV files, as datasets keep them."""

from collections.abc import Iterator, Sequence

import numpy as np

from mmkeras import espeak
from mmkeras.sound import wav

SAMPLE_RATE = 16_000
#: Accents that eSpeak NG speaks English in.
ACCENTS = ("en-us", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan")
_TRAINING = (
    "f1 f2 f3 m1 m2 m3 m4 m7 m8 Alex Andy Annie Diogo Gene Jacky Lee Mario Michael adam anika "
    "aunty belinda caleb david ed edward grandma ian iven john marcelo max michel norbert paul rob "
    "steph travis victor zac"
)
#: Nobody speaks in two splits, and nobody sounds as somebody of another split: some of eSpeak's
#: speakers differ in name alone.
SPEAKERS = {
    "train": tuple(_TRAINING.split()),
    "validation": ("m5", "Alicia", "antonio", "shelby"),
    "test": ("f4", "f5", "m6", "Andrea", "Mike", "kaukovalta", "linda", "quincy"),
}
#: Before and after what is said; eSpeak starts and ends at once.
_SILENCE_S = 0.06


def spoken(utterances: Sequence[espeak.Utterance]) -> Iterator[bytes]:
    """Each utterance between silences: a WAV file, 16 bits, mono, 16 kHz.

    Args:
        utterances: what is said by whom.

    Raises:
        ImportError: eSpeak NG is not installed; the message names the extra.

    Example:

    >>> speech = next(spoken([espeak.Utterance("cat")]))
    >>> speech[:4], 10_000 < len(speech) < 64_000
    (b'RIFF', True)
    """
    for speech in espeak.speak_all(utterances, SAMPLE_RATE):
        padded = np.pad(speech, round(_SILENCE_S * SAMPLE_RATE))
        yield wav.encode(padded.astype("<i2"), SAMPLE_RATE)
