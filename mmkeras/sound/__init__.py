"""What is done to waveforms before a model hears them, in core TensorFlow operations."""

from mmkeras.sound.resampling import resample

__all__ = ["resample"]
