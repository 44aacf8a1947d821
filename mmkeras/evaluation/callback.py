"""`Evaluation`: in training, every few epochs, what a report would say."""

from typing import Any

import keras

from mmkeras.contracts import Source
from mmkeras.evaluation.report import evaluate
from mmkeras.evaluation.slices import Slices


class Evaluation(keras.callbacks.Callback):
    """Adds the measures of a report to the logs of an epoch, for all callbacks behind it.

    What `fit` measures by itself is told the true text so far and sees one batch at a time. Here
    captions are written, boxes are found and recordings are transcribed as they would be in use,
    so that Keras' own `EarlyStopping(monitor="report_caption_exact_match", mode="max")`,
    `ModelCheckpoint` and `CSVLogger` go by that. Between two evaluations the last values stand, and
    count as no improvement: let the `patience` of `EarlyStopping` be a few times `every`.

    Args:
        source: held-out samples.
        every: so many epochs from one evaluation to the next; the first epoch and the last have one
            in any case.
        slices: see `evaluate`; of each slice and measure the largest difference between two groups
            is added, as `report_{measure}_gap_{slice}`.
        batch_size: samples in one forward pass.
        min_count: groups of fewer samples have no part in these differences.

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

    def __init__(
        self,
        source: Source,
        every: int = 1,
        slices: Slices = (),
        batch_size: int = 64,
        min_count: int = 30,
    ):
        super().__init__()
        if every < 1:
            raise ValueError(f"every must be at least 1; got {every}.")
        self.source = source
        self.every = every
        self.slices = slices
        self.batch_size = batch_size
        self.min_count = min_count
        self.last: dict[str, float] = {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Evaluates, if it is time to, and adds to the logs."""
        epochs = (self.params or {}).get("epochs")
        if epoch % self.every == 0 or epoch + 1 == epochs:
            model: Any = self.model
            report = evaluate(
                model,
                self.source,
                self.slices,
                self.batch_size,
                times=0,
                min_count=self.min_count,
            )
            self.last = {f"report_{name}": value for name, value in report.numbers().items()}
        if logs is not None:
            logs.update(self.last)
