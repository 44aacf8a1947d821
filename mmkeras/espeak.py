"""Speech and pronunciation of text by eSpeak NG, a rule-based synthesizer that comes as a wheel.

The library is called through `ctypes`. It keeps its state for the whole process, and what it said
before changes what it says next by a few samples; so every call here loads it afresh, which makes
`speak` a function of its arguments alone.

Source of the constants and signatures: `speak_lib.h` of eSpeak NG 1.52.
"""

import contextlib
import ctypes
import dataclasses
import functools
import math
import re
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

try:
    from _ctypes import dlclose
except ImportError:  # Windows
    from _ctypes import FreeLibrary as dlclose  # noqa: N813

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: the callback gets the samples before `Synth` returns.
_DONT_EXIT = 0x8000  # espeakINITIALIZE_DONT_EXIT: a failure is returned and does not end Python.
_CHARS_UTF8 = 1
_IPA = 2  # phoneme_mode of espeak_TextToPhonemes
_RATE, _PITCH, _RANGE = 1, 3, 4  # espeak_PARAMETER

_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)

#: The library's state is the process's: one utterance at a time.
_lock = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Utterance:
    """What is said, and how.

    Args:
        text: what to say.
        voice: a language or accent of eSpeak NG, such as `"en-us"` or `"en-gb-scotland"`, and
            after a `+` a speaker, such as `"en-us+f2"`.
        rate_wpm: words a minute, 80 to 450.
        pitch: 0 to 100; 50 is the voice's own.

    Raises:
        ValueError: a number is out of its range.
    """

    text: str
    voice: str = "en-us"
    rate_wpm: int = 175
    pitch: int = 50

    def __post_init__(self) -> None:
        if not 80 <= self.rate_wpm <= 450:
            raise ValueError(f"rate_wpm must be 80 to 450; got {self.rate_wpm}.")
        if not 0 <= self.pitch <= 100:
            raise ValueError(f"pitch must be 0 to 100; got {self.pitch}.")


def speak(
    text: str,
    voice: str = "en-us",
    rate_wpm: int = 175,
    pitch: int = 50,
    sample_rate: int = 16_000,
) -> np.ndarray:
    """Speaks a text; equal arguments give equal samples. May be called from any thread.

    Args:
        text: what to say.
        voice: see `Utterance`.
        rate_wpm: words a minute, 80 to 450.
        pitch: 0 to 100; 50 is the voice's own.
        sample_rate: samples a second of the result, in hertz.

    Returns:
        int16 [S]; silence for a text without anything to say.

    Raises:
        ImportError: eSpeak NG is not installed; the message names the extra.
        ValueError: there is no such voice, or a number is out of its range.

    Example:

    >>> speech = speak("red apple")
    >>> speech.dtype.name, 0.3 < len(speech) / 16_000 < 2
    ('int16', True)
    """
    return speak_all([Utterance(text, voice, rate_wpm, pitch)], sample_rate)[0]


def speak_all(utterances: Iterable[Utterance], sample_rate: int = 16_000) -> list[np.ndarray]:
    """Speaks one after the other; equal lists give equal samples. Faster than as many `speak`.

    Args:
        utterances: what to say.
        sample_rate: samples a second of the results, in hertz.

    Returns:
        int16 [S] for each utterance.

    Raises:
        ImportError: eSpeak NG is not installed; the message names the extra.
        ValueError: there is no such voice, or the sample rate is not positive.
    """
    if sample_rate <= 0:
        raise ValueError(f"sample_rate must be positive, in hertz; got {sample_rate}.")
    chunks: list[np.ndarray] = []

    def collect(samples: "ctypes._Pointer", count: int, _events: int | None) -> int:
        if samples and count > 0:
            chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    callback = _CALLBACK(collect)  # Held by a name: the library keeps a bare pointer to it.
    spoken = []
    with _started() as (library, data, native_rate):
        # The breath in a voice is random, by default from the clock.
        library.espeak_ng_SetRandSeed(ctypes.c_long(0))
        library.espeak_SetSynthCallback(callback)
        for utterance in utterances:
            _choose(library, data, utterance.voice)
            library.espeak_SetParameter(_RATE, utterance.rate_wpm, 0)
            library.espeak_SetParameter(_PITCH, utterance.pitch, 0)
            library.espeak_SetParameter(_RANGE, 50, 0)
            text = utterance.text.encode() + b"\0"
            chunks.clear()
            library.espeak_Synth(text, len(text), 0, 0, 0, _CHARS_UTF8, None, None)
            spoken.append(np.concatenate([*chunks, np.zeros(0, np.int16)]))
    return [_resampled(speech, native_rate, sample_rate) for speech in spoken]


def phonemes(text: str, voice: str = "en-us") -> str:
    """How a text is pronounced, in the International Phonetic Alphabet.

    Args:
        text: what would be said; numbers and abbreviations are read out.
        voice: see `Utterance`; a speaker changes nothing.

    Returns:
        IPA with its marks of stress, ˈ and ˌ, and of length, ː; a space between words, a comma and
        a space where punctuation lets the voice pause; empty for a text without anything to say.

    Raises:
        ImportError: eSpeak NG is not installed; the message names the extra.
        ValueError: there is no such voice.

    Example:

    >>> phonemes("red apple, old key")
    'ɹˈɛd ˈæpəl, ˈoʊld kˈiː'
    """
    return phonemes_all([text], voice)[0]


def phonemes_all(texts: Iterable[str], voice: str = "en-us") -> list[str]:
    """What `phonemes` gives, of each text; faster than as many calls.

    Args:
        texts: what would be said.
        voice: see `Utterance`.

    Returns:
        IPA of each text.

    Raises:
        ImportError: eSpeak NG is not installed; the message names the extra.
        ValueError: there is no such voice.
    """
    found = []
    with _started() as (library, data, _):
        _choose(library, data, voice)
        for text in texts:
            buffer = ctypes.create_string_buffer(text.replace("\0", " ").encode())
            rest = ctypes.c_void_p(ctypes.addressof(buffer))
            clauses = []
            while rest.value:
                clause = library.espeak_TextToPhonemes(ctypes.byref(rest), _CHARS_UTF8, _IPA)
                # Words of another language stand between marks such as (en) and (de).
                clauses.append(re.sub(r"\([a-z][\w-]*\)", "", clause.decode()).strip())
            found.append(", ".join(filter(None, clauses)))
    return found


@contextlib.contextmanager
def _started() -> Iterator[tuple[ctypes.CDLL, Path, int]]:
    """The library, fresh and for the caller alone, the directory of its voices and its rate."""
    library_path, data = _installed()
    with _lock, _loaded(library_path) as library:
        native_rate = library.espeak_Initialize(_SYNCHRONOUS, 0, str(data).encode(), _DONT_EXIT)
        if native_rate <= 0:
            raise OSError(f"eSpeak NG could not start with its data in {data}.")
        try:
            yield library, data, native_rate
        finally:
            library.espeak_Terminate()


def _choose(library: ctypes.CDLL, data: Path, voice: str) -> None:
    """Sets the voice."""
    accent, plus, speaker = voice.partition("+")
    # eSpeak itself would speak on with the accent's own speaker.
    if plus and speaker not in _speakers(data):
        raise ValueError(
            f"eSpeak NG has no speaker {speaker!r} (voice {voice!r}); it has "
            f"{', '.join(_speakers(data))}."
        )
    if not accent or library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise ValueError(
            f"eSpeak NG has no language or accent {accent!r} (voice {voice!r}); English ones are "
            "en-us, en, en-gb-scotland, en-gb-x-rp, en-gb-x-gbclan, en-gb-x-gbcwmd and en-029."
        )


def _installed() -> tuple[str, Path]:
    """The path of the shared library and the directory of its voices."""
    try:
        import espeakng_loader
    except ImportError as error:
        raise ImportError(
            'speech needs eSpeak NG (espeakng-loader); install it with pip install "mmkeras[demo]".'
        ) from error
    return espeakng_loader.get_library_path(), Path(espeakng_loader.get_data_path())


@functools.cache
def _speakers(data: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in (data / "voices" / "!v").iterdir()))


@contextlib.contextmanager
def _loaded(path: str) -> Iterator[ctypes.CDLL]:
    library = ctypes.CDLL(path)
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    library.espeak_TextToPhonemes.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    try:
        yield library
    finally:
        dlclose(library._handle)


def _resampled(speech: np.ndarray, source_rate: int, target_rate: int) -> np.ndarray:
    if source_rate == target_rate or not len(speech):
        return speech
    from scipy.signal import resample_poly

    divisor = math.gcd(source_rate, target_rate)
    up, down = target_rate // divisor, source_rate // divisor
    changed = resample_poly(speech.astype(np.float32), up, down, window=_low_pass(max(up, down)))
    return np.clip(np.round(changed), -32768, 32767).astype(np.int16)


@functools.cache
def _low_pass(factor: int) -> np.ndarray:
    """The filter that `resample_poly` designs by default, made once: it takes longer than to use.

    Float32 [20 * factor + 1].
    """
    from scipy.signal import firwin

    return firwin(20 * factor + 1, 1 / factor, window=("kaiser", 5.0)).astype(np.float32)
