"""Decoding: how a model's scores become sequences of tokens or tags, all in graph."""

from mmkeras.decoding.beam import Beams, beam_search, length_divisor
from mmkeras.decoding.crf_marginals import crf_marginals
from mmkeras.decoding.ctc_align import Alignment, ctc_align
from mmkeras.decoding.ctc_beam import CTCBeams, LanguageModel, ctc_beam
from mmkeras.decoding.ctc_greedy import CTCSequences, ctc_greedy
from mmkeras.decoding.greedy import Greedy, greedy_search
from mmkeras.decoding.ngram_model import NGramModel
from mmkeras.decoding.sampling import Sampling, draw, keep_top_k, keep_top_p, sample
from mmkeras.decoding.speller import Speller, rescored
from mmkeras.decoding.steering import against_repetition, ending_behind
from mmkeras.decoding.viterbi import viterbi
from mmkeras.layers.autoregression import ForwardSearch, Search, Sequences, Step

__all__ = [
    "Alignment",
    "Beams",
    "CTCBeams",
    "CTCSequences",
    "ForwardSearch",
    "Greedy",
    "LanguageModel",
    "NGramModel",
    "Sampling",
    "Search",
    "Sequences",
    "Speller",
    "Step",
    "against_repetition",
    "beam_search",
    "crf_marginals",
    "ctc_align",
    "ctc_beam",
    "ctc_greedy",
    "draw",
    "ending_behind",
    "greedy_search",
    "keep_top_k",
    "keep_top_p",
    "length_divisor",
    "rescored",
    "sample",
    "viterbi",
]
