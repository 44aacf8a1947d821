"""Speech from text by eSpeak NG, a rule-based synthesizer that comes as a wheel.

The library is called through `ctypes`, in its own process-wide state: one utterance at a time.
Source of the constants and signatures: `speak_lib.h` of eSpeak NG 1.52.
"""

import ctypes
import threading

import numpy as np

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: the callback gets the samples before `Synth` returns.
_CHARS_UTF8 = 1
_RATE, _PITCH, _RANGE = 1, 3, 4  # espeak_PARAMETER

_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class _Engine:
    """The loaded library; made once, because eSpeak holds its state for the whole process."""

    def __init__(self) -> None:
        try:
            import espeakng_loader
        except ImportError as error:
            raise ImportError(
                'speech needs eSpeak NG; install it with pip install "mmkeras[demo]".'
            ) from error
        self.library = ctypes.CDLL(espeakng_loader.get_library_path())
        self.library.espeak_Synth.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.c_void_p,
            ctypes.c_void_p,
        ]
        path = espeakng_loader.get_data_path().encode()
        self.sample_rate = self.library.espeak_Initialize(_SYNCHRONOUS, 0, path, 0)
        if self.sample_rate <= 0:
            raise OSError(f"eSpeak NG could not start with its data in {path.decode()}.")
        self.chunks: list[np.ndarray] = []
        # Kept on self: the library holds a bare pointer to it.
        self.callback = _CALLBACK(self._collect)
        self.library.espeak_SetSynthCallback(self.callback)

    def _collect(self, samples: "ctypes._Pointer", count: int, _events: int) -> int:
        if samples and count > 0:
            self.chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0


_lock = threading.Lock()
_engine: _Engine | None = None


def speak(
    text: str,
    voice: str = "en-us",
    rate_wpm: int = 175,
    pitch: int = 50,
    sample_rate: int = 16_000,
) -> np.ndarray:
    """Speaks a text.

    Args:
        text: what to say.
        voice: language and variant, such as `"en-us"` or `"en-us+f2"`.
        rate_wpm: words a minute, 80 to 450.
        pitch: 0 to 100; 50 is the voice's own.
        sample_rate: samples a second of the result.

    Returns:
        int16 [S].

    Raises:
        ImportError: eSpeak NG is not installed; the message names the extra.
        ValueError: there is no such voice, or a number is out of its range.

    Example:

    >>> speech = speak("red apple")
    >>> speech.dtype.name, 0.3 < len(speech) / 16_000 < 2
    ('int16', True)
    """
    if not 80 <= rate_wpm <= 450:
        raise ValueError(f"rate_wpm must be 80 to 450; got {rate_wpm}.")
    if not 0 <= pitch <= 100:
        raise ValueError(f"pitch must be 0 to 100; got {pitch}.")
    global _engine
    with _lock:
        _engine = _engine or _Engine()
        library = _engine.library
        if library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"eSpeak NG has no voice {voice!r}; try 'en-us' or 'en-us+f2'.")
        library.espeak_SetParameter(_RATE, rate_wpm, 0)
        library.espeak_SetParameter(_PITCH, pitch, 0)
        library.espeak_SetParameter(_RANGE, 50, 0)
        _engine.chunks.clear()
        data = text.encode() + b"\0"
        library.espeak_Synth(data, len(data), 0, 0, 0, _CHARS_UTF8, None, None)
        chunks, native_rate = list(_engine.chunks), _engine.sample_rate
    speech = np.concatenate(chunks) if chunks else np.zeros(0, np.int16)
    return speech if sample_rate == native_rate else _resampled(speech, native_rate, sample_rate)


def _resampled(speech: np.ndarray, source_rate: int, target_rate: int) -> np.ndarray:
    from scipy.signal import resample_poly

    common = np.gcd(source_rate, target_rate)
    if not len(speech):
        return speech
    changed = resample_poly(
        speech.astype("float32"), target_rate // common, source_rate // common
    )
    return np.clip(np.round(changed), -32768, 32767).astype(np.int16)
