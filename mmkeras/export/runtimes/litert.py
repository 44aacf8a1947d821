"""Runs the signature of a LiteRT model, sample by sample; imports ai-edge-litert and NumPy alone.

Called as `python litert.py MODEL INPUTS OUTPUTS`. INPUTS and OUTPUTS are pickles of
`{signature: {name: array}}`; OUTPUTS holds the median latency of one call too, in milliseconds.
"""

import pickle
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

if __name__ == "__main__":
    model_path, inputs_path, outputs_path = sys.argv[1:]
    batches = pickle.loads(Path(inputs_path).read_bytes())
    interpreter = Interpreter(model_path)
    answers, times = {}, []
    for name, batch in batches.items():
        call = interpreter.get_signature_runner(name)
        rows = []
        for i in range(len(next(iter(batch.values())))):
            start = time.perf_counter()
            rows.append(call(**{key: value[i : i + 1] for key, value in batch.items()}))
            times.append(1000 * (time.perf_counter() - start))
        answers[name] = {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}
    foreign = sorted({"tensorflow", "keras", "mmkeras"} & set(sys.modules))
    result = {"outputs": answers, "latency_ms": statistics.median(times), "foreign": foreign}
    Path(outputs_path).write_bytes(pickle.dumps(result))
