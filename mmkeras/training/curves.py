"""Training curves as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path


def save_curves(history: Mapping[str, Sequence[float]], path: str | Path) -> Path:
    """Draws every metric over the epochs, training and validation in one panel, and saves a PNG.

    Args:
        history: `{metric: value of each epoch}` as `fit` gives it; `val_` marks validation.
        path: of the picture.

    Returns:
        The path.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            'drawing needs matplotlib; install it with pip install "mmkeras[demo]".'
        ) from error
    metrics = [name for name in history if not name.startswith("val_")]
    figure = Figure(figsize=(5 * len(metrics), 3.6), layout="constrained")
    axes = figure.subplots(1, len(metrics), squeeze=False)[0]
    for panel, metric in zip(axes, metrics):
        for name, label in ((metric, "training"), (f"val_{metric}", "validation")):
            if name in history:
                epochs = range(1, len(history[name]) + 1)
                panel.plot(epochs, history[name], marker="o", markersize=3, label=label)
        panel.set_title(metric.replace("_", " "))
        panel.set_xlabel("epoch")
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.grid(alpha=0.3)
        panel.legend()
    figure.savefig(path, dpi=120)
    return Path(path)
