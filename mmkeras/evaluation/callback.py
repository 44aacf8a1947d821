"""`Evaluation`: in training, every few epochs, what a report would say."""

from typing import Any

import keras

from mmkeras.contracts import Source
from mmkeras.evaluation.gaps import largest_difference
from mmkeras.evaluation.report import evaluate
from mmkeras.evaluation.slices import Slices


class Evaluation(keras.callbacks.Callback):
    """Adds the measures of a report to the logs of an epoch, for all callbacks behind it.

    What `fit` measures by itself is told the true text so far and sees one batch at a time. Here
    captions are written, boxes are found and recordings are transcribed as they would be in use,
    so that Keras' own `EarlyStopping(monitor="report_caption_exact_match", mode="max")`,
    `ModelCheckpoint` and `CSVLogger` go by that. Between two evaluations the last values stand.

    Args:
        source: held-out samples.
        every: epochs between two evaluations.
        slices: see `evaluate`; of each slice and measure the largest difference between two groups
            is added, as `report_{measure}_gap_{slice}`.
        batch_size: samples in one forward pass.

    Example:

    >>> import mmkeras as mm
    >>> rows = mm.sources.Table([{"text": "dog", "stars": 1}, {"text": "cat", "stars": 2}])
    >>> model = mm.MultimodalModel({"text": mm.Text.tiny()}, {"stars": mm.Regression()},
    ...                            size="tiny")
    >>> model.compile("adam")
    >>> history = model.fit(model.pipeline(rows, batch_size=2), verbose=0, shuffle=False,
    ...                     callbacks=[Evaluation(rows)]).history
    >>> sorted(name for name in history if name.startswith("report"))
    ['report_stars_loss', 'report_stars_mae', 'report_stars_rmse']
    """

    def __init__(self, source: Source, every: int = 1, slices: Slices = (), batch_size: int = 64):
        super().__init__()
        if every < 1:
            raise ValueError(f"every must be at least 1; got {every}.")
        self.source = source
        self.every = every
        self.slices = slices
        self.batch_size = batch_size
        self.last: dict[str, float] = {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Evaluates, if it is time to, and adds to the logs."""
        if (epoch + 1) % self.every == 0:
            model: Any = self.model
            report = evaluate(model, self.source, self.slices, self.batch_size, times=0)
            values = {name: found.value for name, found in report.measures.items()}
            for name, groups in report.slices.items():
                for measure in report.measures:
                    by_group = {g: found[measure].value for g, found in groups.items()
                                if measure in found}  # fmt: skip
                    gap = largest_difference(by_group)
                    values[f"{measure}_gap_{name}"] = gap[0] if gap else None
            self.last = {f"report_{name}": v for name, v in values.items() if v is not None}
        if logs is not None:
            logs.update(self.last)
