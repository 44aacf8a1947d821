"""What is done to waveforms before a model hears them, in core TensorFlow operations."""

from mmkeras.sound.resampling import resample
from mmkeras.sound.reverberation import reverberate, room_response
from mmkeras.sound.silence import loud_part, trim_silence

__all__ = ["loud_part", "resample", "reverberate", "room_response", "trim_silence"]
