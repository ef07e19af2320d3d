"""Figures of a run by matplotlib, as SVG whose colours are the page's, by day and by night."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import attrs
from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from file_dataset.domain.timeline import STAGES, Timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Each stands for a variable of the page's style, which it becomes in the end.
_COLOURS: Final = {
    name: f"#0{n:x}0{n:x}0{n:x}"
    for n, name in enumerate(["ink", "muted", "line", "read", "call", "write", "ok", "bad"], 1)
}
_BINS: Final = 96
_NAMES: Final = {"read": "Download", "call": "Function", "write": "Upload"}
_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


@attrs.frozen
class Drawn:
    """One figure, for wide screens and for narrow ones.

    Args:
        wide: SVG.
        narrow: SVG.
        says: What can be seen, for who cannot see it.
    """

    wide: str
    narrow: str
    says: str


def throughput(timeline: Timeline) -> Drawn:
    """Rows a second over the time, and how many of them failed."""
    rates = timeline.rates(_BINS)
    done = [sum(pair) for pair in zip(rates["done"], rates["skipped"], strict=True)]
    every = [sum(pair) for pair in zip(done, rates["failed"], strict=True)]

    def draw(axes: Sequence[Axes]) -> None:
        (ax,) = axes
        edges = _edges(timeline.seconds, _BINS)
        ax.stairs(done, edges, fill=True, color=_COLOURS["ok"], alpha=0.75)
        ax.stairs(every, edges, baseline=done, fill=True, color=_COLOURS["bad"])
        ax.set_ylim(0, max(every, default=0) * 1.08 or 1)
        ax.yaxis.set_major_locator(MaxNLocator(3))

    says = f"Rows a second over {timeline.seconds:.1f} seconds, at most {max(every):.3g}."
    return _drawn("throughput", draw, says, seconds=timeline.seconds, panels=1, inches=1.9)


def overlap(timeline: Timeline) -> Drawn:
    """How many rows were in each stage over the time."""
    under_way = timeline.under_way(_BINS)

    def draw(axes: Sequence[Axes]) -> None:
        edges = _edges(timeline.seconds, _BINS)
        for ax, stage in zip(axes, STAGES, strict=True):
            ax.stairs(under_way[stage], edges, fill=True, color=_COLOURS[stage], alpha=0.8)
            ax.set_ylim(0, max(1.0, max(under_way[stage]) * 1.1))
            ax.set_title(_NAMES[stage], loc="left", fontsize=9, color=_COLOURS["ink"], pad=3)
            ax.yaxis.set_major_locator(MaxNLocator(2, integer=True))

    says = "How many rows were being downloaded, in the function and being uploaded at each time."
    return _drawn("overlap", draw, says, seconds=timeline.seconds, panels=3, inches=3.3)


def slowest(timeline: Timeline) -> Drawn:
    """When the slowest rows were in each stage; they are numbered as they stand in the table."""
    rows = timeline.slowest

    def draw(axes: Sequence[Axes]) -> None:
        (ax,) = axes
        for place, row in enumerate(rows, 1):
            for stage, (begin, end) in zip(STAGES, row.spans, strict=True):
                bar = [(begin, max(end - begin, timeline.seconds / 400))]
                ax.broken_barh(bar, (place - 0.36, 0.72), color=_COLOURS[stage])
        ax.set_ylim(len(rows) + 0.6, 0.4)
        ax.set_yticks(range(1, len(rows) + 1))

    says = "The slowest rows, one below the other, with the time of each of their stages."
    inches = 0.75 + 0.21 * len(rows)
    return _drawn("slowest", draw, says, seconds=timeline.seconds, panels=1, inches=inches)


def _edges(seconds: float, bins: int) -> list[float]:
    return [seconds * n / bins for n in range(bins + 1)]


def _drawn(
    name: str,
    draw: Callable[[Sequence[Axes]], None],
    says: str,
    *,
    seconds: float,
    panels: int,
    inches: float,
) -> Drawn:
    wide, narrow = (
        _svg(f"{name}-{width}", draw, seconds=seconds, panels=panels, size=(width, inches))
        for width in (9.6, 4.4)
    )
    return Drawn(wide, narrow, says)


def _svg(
    name: str,
    draw: Callable[[Sequence[Axes]], None],
    *,
    seconds: float,
    panels: int,
    size: tuple[float, float],
) -> str:
    # Texts stay texts; and names within one figure are not those of another.
    settings: Mapping[str, object] = {"svg.fonttype": "none", "svg.hashsalt": name}
    with rc_context(settings):  # type: ignore[arg-type]  # its names are a literal of hundreds
        figure = Figure(figsize=size)
        FigureCanvasSVG(figure)
        figure.patch.set_visible(False)
        # Room for texts in inches, which are the same on screens of any width.
        width, height = size
        figure.subplots_adjust(
            left=0.42 / width, right=1 - 0.12 / width, bottom=0.3 / height, top=1 - 0.2 / height,
            hspace=0.42,
        )  # fmt: skip
        axes = figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]
        for ax in axes:
            _style(ax, seconds)
        draw(list(axes))
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata=_METADATA)
    return _of_the_page(written.getvalue())


def _style(ax: Axes, seconds: float) -> None:
    ax.patch.set_visible(False)
    ax.set_xlim(0, seconds)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(_COLOURS["line"])
    ax.grid(axis="y", color=_COLOURS["line"], linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(length=0, labelsize=8.5, labelcolor=_COLOURS["muted"], pad=5)
    unit, name = _unit(seconds)
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 3, 5, 6, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / unit:.4g} {name}"))


def _unit(seconds: float) -> tuple[float, str]:
    if seconds < 1:
        return 0.001, "ms"
    if seconds < 300:
        return 1, "s"
    return (60, "min") if seconds < 3 * 3600 else (3600, "h")


def _of_the_page(svg: str) -> str:
    """An SVG that stands in a page: as wide as there is room, in the page's colours."""
    inside = svg[svg.index("<svg") :]
    head, _, rest = inside.partition(">")
    head = re.sub(r' (width|height)="[^"]*"', "", head)
    for name, colour in _COLOURS.items():
        rest = rest.replace(colour, f"var(--{name})")
    return f"{head}>{rest}"
