"""A tiny language model whose state matters: the next scores depend on all tokens before."""

import numpy as np
import pytest
from keras import ops

DIM = 6


class Recurrent:
    """memory = tanh(memory W + E[token]); logits = memory U, and a bias that moves with time."""

    def __init__(self, size: int, sharpness: float = 1.5):
        draw = np.random.default_rng(7)
        self.mix, self.table, self.out, self.drift = (
            draw.normal(size=shape).astype("float32")
            for shape in ((DIM, DIM), (size, DIM), (DIM, size), (size,))
        )
        self.out *= sharpness

    def start(self, batch: int):
        memory = np.linspace(-1, 1, batch * DIM, dtype="float32").reshape(batch, DIM)
        return {"memory": memory, "time": (np.float32(0.0),)}

    def step(self, token_ids, state):
        (time,) = state["time"]
        memory = ops.tanh(
            ops.matmul(state["memory"], self.mix) + ops.take(self.table, token_ids, axis=0)
        )
        logits = ops.matmul(memory, self.out) + 0.1 * time * self.drift
        return logits, {"memory": memory, "time": (time + 1.0,)}

    def log_probability(self, row: int, batch: int, first: int, tokens) -> float:
        """Of one whole sequence, in NumPy and float64."""
        memory = self.start(batch)["memory"][row].astype("float64")
        total = 0.0
        for time, (before, token) in enumerate(zip((first, *tokens), tokens)):
            memory = np.tanh(memory @ self.mix + self.table[before])
            logits = memory @ self.out + 0.1 * time * self.drift
            total += logits[token] - np.log(np.exp(logits).sum())
        return total


@pytest.fixture
def recurrent():
    """The class; a test makes a model of as many tokens as it needs."""
    return Recurrent
