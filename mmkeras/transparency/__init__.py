"""Transparency: which fields, and what of them, an answer rests on."""

from mmkeras.transparency.attribution import Attribution
from mmkeras.transparency.contributions import Contributions, contributions
from mmkeras.transparency.integrated_gradients import integrated_gradients
from mmkeras.transparency.relevance import relevance
from mmkeras.transparency.rollout import rollout
from mmkeras.transparency.shapley import shapley_values

__all__ = [
    "Attribution",
    "Contributions",
    "contributions",
    "integrated_gradients",
    "relevance",
    "rollout",
    "shapley_values",
]
