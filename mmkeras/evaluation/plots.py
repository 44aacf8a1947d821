"""The plots of a report's page, each for a light and for a dark screen."""

import dataclasses
import io
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mmkeras.evaluation.calibration import Reliability
from mmkeras.evaluation.estimate import Estimate

#: So wide, in inches, that letters can be read on a phone, where it fills the screen.
_WIDTH = 4.0
#: More classes than this are not written into the heat map, and so many not even named.
_WRITTEN, _NAMED = 12, 40
_LONGEST = 22


@dataclasses.dataclass(frozen=True)
class Plot:
    """A picture of numbers.

    Attributes:
        title: what it shows, also for those who do not see it.
        light: PNG for a light screen.
        dark: PNG for a dark one.
    """

    title: str
    light: bytes
    dark: bytes


@dataclasses.dataclass(frozen=True)
class _Theme:
    """The colours of one screen."""

    ground: str
    ink: str
    faint: str
    accent: str
    heat: str
    lines: tuple[str, ...]


# The lines are those of Okabe & Ito 2008, told apart by the colour-blind too; black is left out.
_LIGHT = _Theme(
    "#ffffff", "#1b1f24", "#c3c9d0", "#0a5fb4", "Blues",
    ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#a87900", "#3a8fc4", "#7a7a7a", "#8c510a"),
)  # fmt: skip
_DARK = _Theme(
    "#171a1f", "#e6e9ed", "#4a5159", "#6cb6ff", "cividis",
    ("#56b4e9", "#ff9149", "#2fd3a5", "#f0a6cf", "#f0e442", "#9ecae1", "#b5b5b5", "#d8a763"),
)  # fmt: skip
_MARKERS = "osD^vPX*"


def whiskers(
    title: str,
    groups: Mapping[str, Estimate],
    whole: Estimate | None = None,
    min_count: int = 0,
) -> Plot:
    """A dot with its interval for each group, and the whole behind them.

    Args:
        title: the measure's name.
        groups: an estimate of each; what is undefined has no dot.
        whole: of all samples: a line, and its interval a band.
        min_count: groups of fewer samples have hollow dots.

    Raises:
        ImportError: matplotlib is not installed.

    Example:

    >>> groups = {"anna": Estimate(0.9, 0.8, 0.95, 0.04, 60), "ben": Estimate(None, note="none")}
    >>> whiskers("accuracy", groups).light[:4]
    b'\\x89PNG'
    """

    def draw(figure: Any, theme: _Theme) -> None:
        axes = figure.subplots()
        if whole is not None and whole.value is not None:
            axes.axvline(whole.value, color=theme.ink, linestyle="--", linewidth=1)
            if whole.low is not None and whole.high is not None:
                axes.axvspan(whole.low, whole.high, color=theme.faint, alpha=0.45, linewidth=0)
        for place, estimate in enumerate(groups.values()):
            if estimate.value is None:
                axes.text(0.02, place, "undefined", transform=axes.get_yaxis_transform(),
                          color=theme.ink, style="italic", fontsize=8, va="center")  # fmt: skip
                continue
            hollow = estimate.count < min_count
            if estimate.low is not None and estimate.high is not None:
                axes.plot([estimate.low, estimate.high], [place, place], color=theme.accent)
            axes.plot(estimate.value, place, "o", color=theme.accent, markersize=6,
                      markerfacecolor=theme.ground if hollow else theme.accent)  # fmt: skip
        names = [f"{_short(group)} ({value.count})" for group, value in groups.items()]
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.grid(axis="x", color=theme.faint, linewidth=0.6)
        axes.set_title(_short(title, 44))

    return _plot(title, draw, 0.95 + 0.25 * len(groups))


def heat_map(title: str, matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> Plot:
    """A confusion matrix: true classes in rows, answers in columns, coloured by shares of the rows.

    Raises:
        ImportError: matplotlib is not installed.

    Example:

    >>> heat_map("animal", [[3, 1], [0, 4]], ["cat", "dog"]).title
    'animal'
    """
    counts = np.array(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = len(classes)

    def draw(figure: Any, theme: _Theme) -> None:
        axes = figure.subplots()
        picture = axes.imshow(shares, cmap=theme.heat, vmin=0, vmax=1)
        axes.set_xlabel("answer")
        axes.set_ylabel("true class")
        axes.set_title(_short(title, 44))
        if size <= _NAMED:
            letters = max(4.0, min(8.0, 130 / size))
            names = [_short(name, 18) for name in classes]
            axes.set_xticks(range(size), names, rotation=90, fontsize=letters)
            axes.set_yticks(range(size), names, fontsize=letters)
        if size <= _WRITTEN:
            for row, column in np.argwhere(counts > 0):
                red, green, blue, _ = picture.cmap(shares[row, column])
                bright = 0.299 * red + 0.587 * green + 0.114 * blue > 0.55
                axes.text(column, row, str(counts[row, column]), ha="center", va="center",
                          fontsize=7, color="black" if bright else "white")  # fmt: skip

    return _plot(title, draw, 4.4)


def reliability_curve(title: str, curve: Reliability) -> Plot:
    """How often answers are right, by how sure the model was; below, how many there are of each.

    Raises:
        ImportError: matplotlib is not installed.

    Example:

    >>> reliability_curve("animal", Reliability((0.9,), (0.5,), (10,), 0.4)).title
    'animal'
    """

    def draw(figure: Any, theme: _Theme) -> None:
        upper, lower = figure.subplots(2, sharex=True, height_ratios=[3, 1])
        upper.plot([0, 1], [0, 1], color=theme.ink, linestyle="--", linewidth=1)
        upper.plot(curve.confidence, curve.accuracy, color=theme.accent, marker="o", markersize=5)
        upper.set_ylim(-0.03, 1.03)
        upper.set_ylabel("right")
        upper.set_title(f"{_short(title, 30)}: calibration error {curve.ece:.3f}")
        lower.bar(curve.confidence, curve.count, width=0.04, color=theme.accent)
        lower.set_ylabel("answers")
        lower.set_xlabel("probability of the answer")
        lower.set_xlim(-0.03, 1.03)
        for axes in (upper, lower):
            axes.grid(color=theme.faint, linewidth=0.6)

    return _plot(title, draw, 3.8)


def curves(title: str, lines: Mapping[str, Mapping[float, Estimate]]) -> Plot:
    """A measure over the severity of each corruption, with intervals.

    Args:
        title: the measure's name.
        lines: `{corruption: {severity: estimate}}`; what is undefined has no point.

    Raises:
        ImportError: matplotlib is not installed.

    Example:

    >>> blur = {0.0: Estimate(0.9), 1.0: Estimate(0.4)}
    >>> curves("accuracy", {"blur of photo": blur}).title
    'accuracy'
    """
    rows = math.ceil(len(lines) / 2)

    def draw(figure: Any, theme: _Theme) -> None:
        axes = figure.subplots()
        for number, (name, points) in enumerate(lines.items()):
            known = [(s, e) for s, e in points.items() if e.value is not None]
            values = [e.value for _, e in known]
            below, above = (
                [0.0 if edge is None else max(sign * (edge - e.value), 0.0) for edge, e in edges]
                for sign, edges in (
                    (-1, [(e.low, e) for _, e in known]),
                    (1, [(e.high, e) for _, e in known]),
                )
            )
            # Side by side, so that no interval hides another.
            aside = 0.012 * (number - (len(lines) - 1) / 2)
            axes.errorbar(
                [s + aside for s, _ in known], values, [below, above], label=_short(name),
                color=theme.lines[number % len(theme.lines)], markersize=4.5,
                marker=_MARKERS[number % len(_MARKERS)], linewidth=1.4, elinewidth=0.8,
            )  # fmt: skip
        axes.set_xlabel("severity")
        axes.set_title(_short(title, 44))
        axes.grid(color=theme.faint, linewidth=0.6)
        figure.legend(loc="outside lower center", ncols=2, fontsize=8, frameon=False)

    return _plot(title, draw, 3.0 + 0.2 * rows)


def bars(title: str, values: Mapping[str, float]) -> Plot:
    """A bar for each value, to the left where it is negative.

    Raises:
        ImportError: matplotlib is not installed.

    Example:

    >>> bars("animal", {"photo": 0.4, "text": -0.1}).title
    'animal'
    """

    def draw(figure: Any, theme: _Theme) -> None:
        axes = figure.subplots()
        axes.barh(range(len(values)), list(values.values()), color=theme.accent, height=0.6)
        axes.set_yticks(range(len(values)), [_short(name) for name in values])
        axes.set_ylim(len(values) - 0.4, -0.6)
        axes.axvline(0, color=theme.ink, linewidth=1)
        axes.grid(axis="x", color=theme.faint, linewidth=0.6)
        axes.set_title(_short(title, 44))

    return _plot(title, draw, 0.95 + 0.3 * len(values))


def _plot(title: str, draw: Callable[[Any, _Theme], None], height: float) -> Plot:
    """Draws once for each screen."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            'a report needs matplotlib; install it with pip install "mmkeras[report]".'
        ) from error
    made = []
    for theme in (_LIGHT, _DARK):
        inked = ("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor")
        settings = dict.fromkeys(inked, theme.ink) | {
            "figure.facecolor": theme.ground,
            "axes.facecolor": theme.ground,
            "font.size": 9.0,
            "axes.titlesize": 10.0,
            "axes.axisbelow": True,
            # A user's "$" begins no formula.
            "text.parse_math": False,
        }
        content = io.BytesIO()
        with matplotlib.rc_context(settings), warnings.catch_warnings():
            # The font has no Chinese, for example; the table beside the plot has every letter.
            warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
            figure = Figure(figsize=(_WIDTH, height), layout="constrained")
            draw(figure, theme)
            figure.savefig(content, format="png", dpi=180)
        made.append(content.getvalue())
    return Plot(title, *made)


def _short(text: str, longest: int = _LONGEST) -> str:
    """One line of at most so many letters."""
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"
