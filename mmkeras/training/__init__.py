"""Training: a recipe says what, `train` does it with Keras' own `fit` and callbacks."""

from mmkeras.training.curves import save_curves
from mmkeras.training.distillation import Teacher, distil
from mmkeras.training.examples import save_examples
from mmkeras.training.learning_rates import LearningRates, learning_rates
from mmkeras.training.panel import Panel
from mmkeras.training.pruning import MagnitudePruning, sparsity
from mmkeras.training.recipe import Recipe
from mmkeras.training.run import Run, train
from mmkeras.training.throughput import Throughput
from mmkeras.training.trained import trained

__all__ = [
    "LearningRates",
    "MagnitudePruning",
    "Panel",
    "Recipe",
    "Run",
    "Teacher",
    "Throughput",
    "distil",
    "learning_rates",
    "save_curves",
    "save_examples",
    "sparsity",
    "train",
    "trained",
]
