"""FLAC, OGG, MP3 and other recordings become WAV files, in Python, by `soundfile`."""

import io

import numpy as np
import tensorflow as tf

from mmkeras.sound import wav

#: By how much a decoded recording may be shorter than it says: what encoders leave out at its end.
_FORGIVEN_S = 0.1


def to_wav(content: bytes, seconds: float | None = None) -> bytes:
    """A recording of any format that libsndfile reads as a WAV file of 32-bit floats.

    Needs the extra `audio` (soundfile). FLAC, OGG (Vorbis, Opus), MP3, AIFF, AU, CAF and W64 are
    among the formats.

    Args:
        content: the bytes of the file.
        seconds: no more than the first so many are decoded; None decodes all.

    Raises:
        ImportError: soundfile is not installed.
        ValueError: it cannot read the file, or the file is cut off.

    Example:

    >>> wav.decode(tf.constant(to_wav(wav.encode(np.zeros(5, "int16"), 8000))))[0].shape
    TensorShape([5])
    """
    begin = f"they begin with {content[:12]!r}"
    try:
        import soundfile
    # OSError: there is no library for this machine in it.
    except (ImportError, OSError) as error:
        raise ImportError(
            f"these {len(content)} bytes are no WAV file: {begin}. FLAC, OGG, MP3 and others are "
            'read by soundfile; install it with pip install "mmkeras[audio]", or convert the '
            "recording, such as with ffmpeg -i recording.mp3 recording.wav."
        ) from error
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            most = file.frames if seconds is None else int(np.ceil(seconds * file.samplerate))
            declared, rate = min(file.frames, most), file.samplerate
            frames = file.read(declared, dtype="float32")
    except soundfile.SoundFileError as error:
        # The message begins with the address of the bytes.
        reason = str(error).split(">: ")[-1].rstrip(".")
        raise ValueError(
            f"these {len(content)} bytes are no recording that soundfile reads ({reason}): "
            f"{begin}; get the whole file, convert it, such as with ffmpeg -i recording.m4a "
            "recording.wav, or leave it out where it is absent."
        ) from error
    if len(frames) < declared - _FORGIVEN_S * rate:
        raise ValueError(
            f"the file declares {declared / rate:g} s of sound and holds {len(frames) / rate:g} s: "
            "it is cut off, or its header lies; get the whole file."
        )
    return wav.encode(frames, rate)


def all_to_wav(contents: tf.Tensor, seconds: float | None = None) -> tf.Tensor:
    """Recordings in a graph that runs in Python; WAV files and absent recordings stay as they are.

    Python is called where there is a file of another format, and only then.

    Args:
        contents: string [B], the bytes of the files.
        seconds: see `to_wav`.

    Returns:
        string [B].

    Raises:
        tf.errors.InvalidArgumentError: see `to_wav`, soundfile that is not installed among it.
    """
    name = tf.strings.substr(contents, 0, 4)
    foreign = tf.reduce_all(name[:, None] != tf.constant(["", "RIFF", "RF64"]), axis=1)

    def convert(contents: np.ndarray, foreign: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        converted = contents.astype(object)
        try:
            for i in np.flatnonzero(foreign):
                converted[i] = to_wav(contents[i], seconds)
        except (ImportError, ValueError) as error:
            return contents, np.array(str(error).encode(), object)
        return converted, np.array(b"", object)

    def in_python() -> tf.Tensor:
        # An error that is raised in Python would come with TensorFlow's inner workings.
        convert_plainly = tf.autograph.experimental.do_not_convert(convert)
        inputs, outputs = [contents, foreign], [tf.string, tf.string]
        converted, reason = tf.numpy_function(convert_plainly, inputs, outputs, stateful=False)
        reason = tf.ensure_shape(reason, [])
        with tf.control_dependencies([tf.debugging.Assert(reason == "", [reason])]):
            return tf.ensure_shape(converted, contents.shape)

    return tf.cond(tf.reduce_any(foreign), in_python, lambda: contents)
