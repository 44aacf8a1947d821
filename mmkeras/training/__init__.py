"""Training: a recipe says what, `train` does it, `tune` looks for a better recipe."""

from mmkeras.training.curves import save_curves
from mmkeras.training.distillation import Teacher, distil
from mmkeras.training.examples import save_examples
from mmkeras.training.goal import Goal
from mmkeras.training.learning_rates import LearningRates, learning_rates
from mmkeras.training.panel import Panel
from mmkeras.training.pruning import MagnitudePruning, sparsity
from mmkeras.training.recipe import Recipe
from mmkeras.training.run import Run, train
from mmkeras.training.search_space import Choice, Range, SearchSpace, parse_search
from mmkeras.training.smaller import pruned, resized, taught
from mmkeras.training.throughput import Throughput
from mmkeras.training.trained import trained
from mmkeras.training.trials import Trial
from mmkeras.training.tune import Tuned, tune

__all__ = [
    "Choice",
    "Goal",
    "LearningRates",
    "MagnitudePruning",
    "Panel",
    "Range",
    "Recipe",
    "Run",
    "SearchSpace",
    "Teacher",
    "Throughput",
    "Trial",
    "Tuned",
    "distil",
    "learning_rates",
    "parse_search",
    "pruned",
    "resized",
    "save_curves",
    "save_examples",
    "sparsity",
    "taught",
    "train",
    "trained",
    "tune",
]
