"""Decoding: how a model's next-token scores become sequences, all in graph."""

from mmkeras.decoding.beam import beam_search, length_penalty
from mmkeras.decoding.greedy import greedy_search
from mmkeras.decoding.sampling import draw, keep_top_k, keep_top_p, sample
from mmkeras.layers.autoregression import Sequences, Step

__all__ = [
    "Sequences",
    "Step",
    "beam_search",
    "draw",
    "greedy_search",
    "keep_top_k",
    "keep_top_p",
    "length_penalty",
    "sample",
]
