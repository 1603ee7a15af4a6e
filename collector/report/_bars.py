"""Bars as SVG, which takes its colours from the page."""

from collections.abc import Mapping
from html import escape

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 720, 200, 44, 20, 10
_MOST_LABELS = 16


def bars(values: Mapping[str, float | None], unit: str, label: str) -> str:
    """A bar for each part; a part without a value has none."""
    most = _round_up(max((value for value in values.values() if value is not None), default=0.0))
    step = (_WIDTH - _LEFT) / max(1, len(values))
    ground = _HEIGHT - _BOTTOM
    scale = (ground - _TOP) / most
    drawn = [
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH}" y1="{ground - most * part * scale:.1f}"'
        f' y2="{ground - most * part * scale:.1f}"/>'
        f'<text class="tick" x="{_LEFT - 6}" y="{ground - most * part * scale + 4:.1f}" text-anchor="end">'
        f"{most * part:g}</text>"
        for part in (0, 0.5, 1)
    ]
    every = -(-len(values) // _MOST_LABELS)
    for number, (name, value) in enumerate(values.items()):
        x = _LEFT + number * step
        if number % every == 0:
            middle = f'x="{x + step / 2:.1f}" y="{_HEIGHT - 5}" text-anchor="middle"'
            drawn.append(f'<text class="tick" {middle}>{escape(name)}</text>')
        if value:
            drawn.append(
                f'<rect class="bar" x="{x + step * 0.12:.1f}" y="{ground - value * scale:.1f}"'
                f' width="{step * 0.76:.1f}" height="{value * scale:.1f}">'
                f"<title>{escape(name)}: {value:.1f} {escape(unit)}</title></rect>"
            )
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label)}">{"".join(drawn)}</svg>'


def _round_up(value: float) -> float:
    """To a number that is easily halved."""
    size = 1.0
    while size < value:
        size *= 10
    while size / 10 >= value > 0:
        size /= 10
    return next(size * part for part in (0.2, 0.4, 0.6, 0.8, 1.0) if size * part >= value)
