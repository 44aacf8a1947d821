"""`Throughput`: how many samples a second training takes, and how much memory."""

import resource
import sys
import time
from typing import Any

import keras
import tensorflow as tf


class Throughput(keras.callbacks.Callback):
    """Adds `samples_per_s`, `memory_gib` and, on a GPU, `gpu_memory_gib` to the logs of an epoch.

    Time is that of training steps alone, the waiting for data among it, without validation and
    other callbacks. The first step of a run, which compiles, does not count. Memory is the most
    that the process, or TensorFlow on its first GPU, has held so far.

    Args:
        batch_size: samples in a step.

    Example:

    >>> import numpy as np
    >>> model = keras.Sequential([keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> history = model.fit(np.ones((8, 2)), np.ones(8), batch_size=2, verbose=0,
    ...                     callbacks=[Throughput(2)]).history
    >>> history["samples_per_s"][0] > 0, history["memory_gib"][0] > 0
    (True, True)
    """

    def __init__(self, batch_size: int):
        super().__init__()
        self.batch_size = batch_size
        self.compiled = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """The clock starts."""
        self.steps = 0
        self.start = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """The clock is read."""
        if not self.compiled:
            self.compiled = True
            self.start = time.perf_counter()
            return
        self.steps += 1
        self.seconds = time.perf_counter() - self.start

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Adds to the logs; no rate where no step but the first was taken."""
        if logs is None:
            return
        if self.steps:
            logs["samples_per_s"] = self.steps * self.batch_size / self.seconds
        # Kilobytes on Linux, bytes on macOS.
        unit = 1 if sys.platform == "darwin" else 2**10
        logs["memory_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
        if tf.config.list_logical_devices("GPU"):
            used = tf.config.experimental.get_memory_info("GPU:0")["peak"]
            logs["gpu_memory_gib"] = used / 2**30
