"""Utterances of eSpeak NG as WAV files, as datasets keep them."""

import io
import wave
from collections.abc import Iterator, Sequence

import numpy as np

from mmkeras import espeak

SAMPLE_RATE = 16_000
#: Before and after what is said; eSpeak starts and ends at once.
_SILENCE_S = 0.06


def spoken(utterances: Sequence[espeak.Utterance]) -> Iterator[bytes]:
    """Each utterance between silences: a WAV file, 16 bits, mono, 16 kHz.

    Args:
        utterances: what is said by whom.

    Raises:
        ImportError: eSpeak NG is not installed; the message names the extra.

    Example:

    >>> wav = next(spoken([espeak.Utterance("cat")]))
    >>> wav[:4], 16_000 < len(wav) < 64_000
    (b'RIFF', True)
    """
    for speech in espeak.speak_all(utterances, SAMPLE_RATE):
        padded = np.pad(speech, round(_SILENCE_S * SAMPLE_RATE))
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes(padded.astype("<i2").tobytes())
        yield buffer.getvalue()
