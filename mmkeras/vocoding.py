"""A trained vocoder speaks for a model that says texts."""

import dataclasses
from typing import Any

import keras

from mmkeras.contracts.task import task_of
from mmkeras.encoders import LogMelFrames
from mmkeras.model import MultimodalModel
from mmkeras.tasks import SpeechSynthesis, Vocoding


def with_vocoder(model: MultimodalModel, trained: MultimodalModel) -> MultimodalModel:
    """A copy of a model, in which a vocoder that was trained by itself makes the waveforms.

    What the model says is the same, sounds as the vocoder makes it, and is saved and exported with
    it. The vocoder should have learned from such voices.

    Args:
        model: has a task `SpeechSynthesis`.
        trained: has a task `Vocoding` of the same frames.

    Returns:
        The new model, not compiled.

    Raises:
        ValueError: a model has no such task, or several, or their frames differ.

    Example:

    >>> from mmkeras import SpeechSynthesis, Text, Vocoding
    >>> from mmkeras.encoders import LogMelFrames
    >>> from mmkeras.fusions import Late
    >>> from mmkeras.layers import VocoderSize
    >>> from mmkeras.modalities import Audio
    >>> frames = {"num_mels": 8, "frame_s": 0.02, "hop_s": 0.01}
    >>> speech = SpeechSynthesis(Audio.tiny(), depth=1, **frames)
    >>> model = MultimodalModel({"text": Text.tiny()}, {"speech": speech}, size="tiny")
    >>> sound = Vocoding(Audio.tiny(), vocoder=VocoderSize(dim=8, depth=1), **frames)
    >>> vocoder = MultimodalModel(
    ...     {"speech": Audio.tiny()},
    ...     {"sound": sound},
    ...     encoders={"speech": LogMelFrames(**sound.spectrogram)},
    ...     fusion=Late(8),
    ... )
    >>> with_vocoder(model, vocoder).tasks["speech"].vocoder.dim
    8
    """
    name, source = task_of(SpeechSynthesis, model.tasks), task_of(Vocoding, trained.tasks)
    speech, sound = model.tasks[name], trained.tasks[source]
    if speech.spectrogram != sound.spectrogram:
        raise ValueError(
            f"the vocoder learned to make waveforms of the frames {sound.spectrogram}, and task "
            f"{name!r} makes the frames {speech.spectrogram}; train a Vocoding with these."
        )
    frames = trained.encoders[sound.field]
    heard = isinstance(frames, LogMelFrames) and frames.spectrogram.config.items() >= (
        sound.spectrogram.items()
    )
    if not heard or trained.get_layer(source).projection is not None:
        raise ValueError(
            "the vocoder did not learn from log-mel frames as they are; train it with "
            f"encoders={{{sound.field!r}: LogMelFrames(**task.spectrogram)}} and the fusion "
            f"Late({sound.num_mels})."
        )
    config = model.get_config()
    changed = dataclasses.replace(speech, vocoder=sound.vocoder)
    config["tasks"][name] = keras.saving.serialize_keras_object(changed)
    speaking = type(model).from_config(config)
    for old, new in zip(_others(model, name), _others(speaking, name), strict=True):
        new.assign(old)
    _vocoder(speaking, name).set_weights(_vocoder(trained, source).get_weights())
    return speaking


def _vocoder(model: MultimodalModel, task: str) -> Any:
    """That of a task's head; None where it has none."""
    return model.get_layer(task).vocoder


def _others(model: MultimodalModel, task: str) -> list[Any]:
    """All weights but those of a task's vocoder."""
    vocoder = _vocoder(model, task)
    own = {id(weight) for weight in (vocoder.weights if vocoder is not None else ())}
    return [weight for weight in model.weights if id(weight) not in own]
