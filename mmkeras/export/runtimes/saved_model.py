"""Runs the signatures of a SavedModel; imports TensorFlow and nothing of mmkeras.

Called as `python saved_model.py MODEL INPUTS OUTPUTS`. INPUTS and OUTPUTS are pickles of
`{signature: {name: array}}`; OUTPUTS holds the median latency of one call too, in milliseconds.
"""

import pickle
import statistics
import sys
import time
from pathlib import Path

import tensorflow as tf

if __name__ == "__main__":
    model_path, inputs_path, outputs_path = sys.argv[1:]
    batches = pickle.loads(Path(inputs_path).read_bytes())
    model = tf.saved_model.load(model_path)
    answers, times = {}, []
    for name, batch in batches.items():
        tensors = {key: tf.constant(value) for key, value in batch.items()}
        one = {key: value[:1] for key, value in tensors.items()}
        call = model.signatures[name]
        answers[name] = {key: value.numpy() for key, value in call(**tensors).items()}
        call(**one)
        for _ in range(20):
            start = time.perf_counter()
            call(**one)
            times.append(1000 * (time.perf_counter() - start))
    foreign = sorted({"mmkeras", "tensorflow_text"} & set(sys.modules))
    result = {"outputs": answers, "latency_ms": statistics.median(times), "foreign": foreign}
    Path(outputs_path).write_bytes(pickle.dumps(result))
