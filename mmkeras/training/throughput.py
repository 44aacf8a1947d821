"""`Throughput`: how many samples a second training takes, and how much memory."""

import resource
import sys
import time
from typing import Any

import keras
import tensorflow as tf


class Throughput(keras.callbacks.Callback):
    """Adds `samples_per_s`, `memory_gib` and, on a GPU, `gpu_memory_gib` to the logs of an epoch.

    Samples are counted by the loss, which is their mean: a last batch that is smaller counts as
    what it is, and a call of several steps (`steps_per_execution`) as all of them. Time goes from
    the beginning of the epoch to the end of its last step: the waiting for data is in it, and what
    callbacks do between steps; validation is not, nor what they do when the epoch ends. The first
    call of a run, which compiles, does not count. Memory is the most that the process, or
    TensorFlow on its first GPU, has held so far.

    Example:

    >>> import numpy as np
    >>> model = keras.Sequential([keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> history = model.fit(np.ones((8, 2)), np.ones(8), batch_size=2, verbose=0,
    ...                     callbacks=[Throughput()]).history
    >>> history["samples_per_s"][0] > 0, history["memory_gib"][0] > 0
    (True, True)
    """

    def on_train_begin(self, logs: Any = None) -> None:
        """What comes first compiles."""
        self.compiled = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """The clock starts."""
        self.before = self.seen = 0.0
        self.start = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """The clock is read."""
        model: Any = self.model
        # Keras has the mean of the loss in front; validation begins it anew.
        self.seen = float(model.metrics[0].count)
        self.end = time.perf_counter()
        if not self.compiled:
            self.compiled, self.before, self.start = True, self.seen, self.end

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Adds to the logs; no rate where the first call was the only one."""
        if logs is None:
            return
        if self.seen > self.before:
            logs["samples_per_s"] = (self.seen - self.before) / (self.end - self.start)
        # Kilobytes on Linux, bytes on macOS.
        unit = 1 if sys.platform == "darwin" else 2**10
        logs["memory_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
        if tf.config.list_logical_devices("GPU"):
            used = tf.config.experimental.get_memory_info("GPU:0")["peak"]
            logs["gpu_memory_gib"] = used / 2**30
