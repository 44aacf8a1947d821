"""A draw of a source's samples: so many, each once, in their order, with their own places."""

import numpy as np
import pytest

from mmkeras.sources import Sampled, Table

WHOLE = Table([{"text": f"t{i}"} for i in range(50)])


def texts(source):
    return [text.numpy().decode() for text in source.column("text", str.encode)]


def test_a_draw():
    source = Sampled(WHOLE, 20, seed=3)
    drawn = texts(source)
    assert len(source) == len({*drawn}) == 20 and source.columns == ("text",)
    assert drawn == sorted(drawn, key=lambda text: int(text[1:]))
    for index, row in source.rows({"text": str.encode}):
        text = source.load(row)["text"].numpy().decode()
        assert source.locate(int(index)) == f"sample {int(text[1:]) + 1}"
        assert source.cell(int(index), "text") == repr(text)


def test_seeds_and_sizes():
    assert texts(Sampled(WHOLE, 20, 1)) == texts(Sampled(WHOLE, 20, 1))
    assert texts(Sampled(WHOLE, 20, 1)) != texts(Sampled(WHOLE, 20, 2))
    assert texts(Sampled(WHOLE, 90)) == texts(WHOLE)
    # Every sample is as likely as every other.
    hits = np.zeros(50)
    for seed in range(200):
        hits += Sampled(WHOLE, 10, seed)._chosen
    assert hits.min() > 15 and hits.max() < 70
    assert repr(Sampled(WHOLE, 5)).startswith("5 samples of Table(")
    with pytest.raises(ValueError, match="most"):
        Sampled(WHOLE, 0)
