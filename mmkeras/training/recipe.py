"""`Recipe`: one experiment, as a value."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Self

import keras

from mmkeras.contracts import Mix, Source
from mmkeras.model import MultimodalModel


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a training run needs to know; a file in `recipes/` makes one.

    Attributes:
        name: of the experiment.
        sources: gives the samples, `{"train": ..., "validation": ..., "test": ...}`; `validation`
            and `test` may be missing. A function, so that a recipe can be read without its data.
        model: makes the model from the training samples.
        epochs: passes over the training samples.
        batch_size: samples in a step.
        learning_rate: the highest; it rises over the first tenth of the steps and falls to zero
            along a cosine.
        weight_decay: of AdamW.
        ema_momentum: momentum of the moving average of the weights that the finished model gets
            (Polyak & Juditsky 1992); None keeps the last step's.
        augment: whether training samples are changed at random.
        mix: makes one training sample of several; see `mmkeras.mixes`.
        cache: whether preprocessed samples are kept in memory.
        jit_compile: whether XLA compiles the steps, or `"auto"`.
        mixed_precision: whether layers compute in half precision (`mixed_float16` on a GPU,
            `mixed_bfloat16` elsewhere).
        gradient_accumulation_steps: steps whose gradients are averaged before one update.
        seed: of weights, shuffling and augmentation.
        pipeline: further options of `mmkeras.pipeline`, such as `{"on_error": "skip"}`.
    """

    name: str
    sources: Callable[[], Mapping[str, Source]]
    model: Callable[[Source], MultimodalModel]
    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    ema_momentum: float | None = None
    augment: bool = True
    mix: Mix | None = None
    cache: bool = False
    jit_compile: bool | str = "auto"
    mixed_precision: bool = False
    gradient_accumulation_steps: int | None = None
    seed: int = 0
    pipeline: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def optimizer(self, num_samples: int) -> keras.optimizers.Optimizer:
        """AdamW with warm-up and cosine decay over the whole run."""
        updates = -(-num_samples // self.batch_size) * self.epochs
        updates = max(updates // (self.gradient_accumulation_steps or 1), 1)
        warmup = updates // 10
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else self.learning_rate,
            decay_steps=updates - warmup,
            warmup_target=self.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
        return keras.optimizers.AdamW(
            schedule,
            weight_decay=self.weight_decay,
            use_ema=self.ema_momentum is not None,
            ema_momentum=self.ema_momentum or 0.0,
            gradient_accumulation_steps=self.gradient_accumulation_steps,
        )

    def replace(self, **changes: Any) -> Self:
        """A copy with other values.

        Raises:
            ValueError: there is no value of that name; the message lists those that there are.
        """
        known = [field.name for field in dataclasses.fields(self)]
        unknown = sorted(set(changes) - set(known))
        if unknown:
            raise ValueError(f"a recipe has no {unknown}; it has {known}.")
        return dataclasses.replace(self, **changes)
