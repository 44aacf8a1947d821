"""`baselines` find what is there to find, and nothing where there is nothing."""

import numpy as np

import mmkeras as mm
from mmkeras.evaluation import baselines


def _table(seed: int, size: int) -> mm.sources.Table:
    chance = np.random.default_rng(seed)
    rows = []
    for i in range(size):
        kind = i % 2
        time = np.arange(1600) / 8000
        rows.append(
            {
                "note": ("warm day", "cold night")[kind],
                "photo": chance.integers(0, 256, (8, 8, 3), "uint8"),
                "sound": np.sin(2 * np.pi * (300, 1500)[kind] * time).astype("float32"),
                "kind": ("a", "b")[kind],
            }
        )
    return mm.sources.Table(rows)


def test_signal_is_found_and_noise_is_not():
    fields = {
        "note": mm.Text.tiny(),
        "photo": mm.Image.tiny(),
        "sound": mm.Audio(sample_rate=8000, seconds=0.2),
    }
    scores = baselines(fields, "kind", ("a", "b"), _table(0, 60), _table(1, 60))
    assert scores[("note",)] == scores[("sound",)] == 1.0
    assert 0.2 < scores[("photo",)] < 0.8
    assert scores[("note", "photo", "sound")] == 1.0
    assert scores[()] == 0.5
