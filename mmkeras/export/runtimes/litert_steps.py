"""Writes texts with a file of `litert_steps`, piece by piece; ai-edge-litert and NumPy alone.

    writer = Writer("captions.tflite")
    for piece in writer.write({"photo_pixels": pixels, "photo_present": present}):
        print(piece.text)

Called as `python litert_steps.py MODEL INPUTS OUTPUTS`, it writes about every sample of INPUTS,
pickled `{"encode": {name: array}}`; OUTPUTS holds the median latency of one piece too, in
milliseconds.
"""

import json
import pickle
import statistics
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ai_edge_litert.interpreter import Interpreter


class Piece(NamedTuple):
    """A piece of a text, when it was chosen.

    Attributes:
        token_id: its id, the last one being that of the end, unless the text became full before.
        text: all that is written so far, without half of a character at its end.
    """

    token_id: int
    text: str


def most_probable(logits: np.ndarray) -> int:
    """The greedy choice; of equals, the lowest id.

    Args:
        logits: float32 [K], the lowest float for what cannot be written.
    """
    return int(np.argmax(logits))


class Writer:
    """Writes texts about samples.

    Args:
        path: a file that `mmkeras.export.litert_steps` wrote.
        num_threads: of the interpreter.
    """

    def __init__(self, path: str | Path, num_threads: int = 1):
        with zipfile.ZipFile(path) as archive:
            self.facts = json.loads(archive.read("text.json"))
        interpreter = Interpreter(str(path), num_threads=num_threads)
        self._encode = interpreter.get_signature_runner("encode")
        self._step = interpreter.get_signature_runner("step")
        self._pieces = [piece.encode("latin-1") for piece in self.facts["pieces"]]

    def write(
        self,
        tensors: Mapping[str, np.ndarray],
        choose: Callable[[np.ndarray], int] = most_probable,
    ) -> Iterator[Piece]:
        """The pieces of a text, each as soon as it is chosen; leave the loop to end earlier.

        Args:
            tensors: of one sample, by name, each with a leading 1.
            choose: from the logits of the next piece, float32 [K], to its id: greedy, drawn at a
                temperature, or whatever else.
        """
        state: dict[str, Any] = dict(self._encode(**tensors))
        last, made = self.facts["end"], []
        while len(made) < self.facts["max_tokens"]:
            changed = self._step(token_ids=np.array([last], "int32"), **state)
            last = choose(changed.pop("logits")[0])
            state |= changed
            made.append(last)
            is_last = last == self.facts["end"] or len(made) == self.facts["max_tokens"]
            text = self.text(made)
            yield Piece(last, text if is_last else text.rstrip("\ufffd").rstrip())
            if is_last:
                return

    def text(self, token_ids: list[int]) -> str:
        """What pieces spell, up to the first of the task's stops.

        Args:
            token_ids: in their order.
        """
        spelled = b"".join(self._pieces[token] for token in token_ids)
        text = spelled.decode("utf-8", "replace")
        ends = [text.find(stop) for stop in self.facts["stop"] if stop in text]
        return text[: min(ends, default=len(text))].strip(" \t\n\r\f\v")


def _greedy(writer: Writer, tensors: Mapping[str, np.ndarray]) -> tuple[dict[str, Any], list]:
    """The greedy text about a sample, as the model gives it, and the milliseconds of each piece."""
    gains: list[float] = []

    def choose(logits: np.ndarray) -> int:
        best = most_probable(logits)
        gains.append(-np.log(np.sum(np.exp(logits.astype("float64") - logits[best]))))
        return best

    ids = np.zeros(writer.facts["max_tokens"], "int32")
    text, times, start = "", [], time.perf_counter()
    for place, piece in enumerate(writer.write(tensors, choose)):
        ids[place], text = piece
        times.append(1000 * (time.perf_counter() - start))
        start = time.perf_counter()
    return {"token_ids": ids, "score": np.float32(sum(gains)), "text": text.encode()}, times


if __name__ == "__main__":
    model_path, inputs_path, outputs_path = sys.argv[1:]
    batch = pickle.loads(Path(inputs_path).read_bytes())["encode"]
    reader = Writer(model_path)
    rows, latencies = [], []
    for i in range(len(next(iter(batch.values())))):
        row, spent = _greedy(reader, {key: value[i : i + 1] for key, value in batch.items()})
        rows.append(row)
        latencies += spent
    answers = {name: np.array([row[name] for row in rows]) for name in ("token_ids", "score")}
    answers["text"] = np.array([row["text"] for row in rows], object)
    result = {
        "outputs": {"encode": answers},
        "latency_ms": statistics.median(latencies),
        "foreign": sorted({"tensorflow", "keras", "mmkeras"} & set(sys.modules)),
    }
    Path(outputs_path).write_bytes(pickle.dumps(result))
