"""Charts as SVG: bars with their spread, and lines over logarithmic axes. They have no background and take their colours from
the reader's scheme, light or dark."""

import math
from xml.sax.saxutils import escape

WIDTH = 900
LABELS = 330
BAR, GAP = 16, 5
PLOT_HEIGHT = 340
# Told apart by those who see no red or no green as well.
COLOURS = ("#0969da", "#d4691e", "#2da079", "#a371b8", "#b8860b", "#6e7781", "#c2497f", "#4f8fc0")

STYLE = """
  text { font: 12px system-ui, -apple-system, 'DejaVu Sans', sans-serif; fill: #1f2328; }
  .title { font-size: 15px; font-weight: 600; }
  .group { font-weight: 600; }
  .small { font-size: 11px; fill: #57606a; }
  .bar { fill: #8c959f; }
  .ours { fill: #0969da; }
  .axis { stroke: #57606a; stroke-width: 1; fill: none; }
  .grid { stroke: #d0d7de; stroke-width: 1; }
  .line { stroke-width: 2; fill: none; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .small { fill: #9198a1; }
    .bar { fill: #6e7681; }
    .ours { fill: #58a6ff; }
    .axis { stroke: #9198a1; }
    .grid { stroke: #30363d; }
  }
"""


def bars(title, groups):
    """`groups` are `(name, [(label, median, lowest, highest)])`; each group has a scale of its own."""
    shapes, y = [text(0, 18, title, "title")], 44
    for name, found in groups:
        shapes.append(text(0, y, name, "group"))
        y += 10
        scale = (WIDTH - LABELS - 90) / max(highest for _, _, _, highest in found)
        for label, middle, low, high in found:
            style = "bar ours" if label.startswith("this module") else "bar"
            end = LABELS + middle * scale
            shapes.append(text(LABELS - 8, y + BAR - 4, label, anchor="end"))
            shapes.append(f'<rect class="{style}" x="{LABELS}" y="{y}" width="{middle * scale:.1f}" height="{BAR}"/>')
            shapes.append(whisker(LABELS + low * scale, LABELS + high * scale, y + BAR / 2))
            shapes.append(text(max(end, LABELS + high * scale) + 6, y + BAR - 4, shown(middle), "small"))
            y += BAR + GAP
        y += 22
    return picture(y, shapes)


def whisker(begin, end, y):
    return f'<path class="axis" d="M{begin:.1f},{y:.1f} H{end:.1f} M{begin:.1f},{y - 3:.1f} v6 M{end:.1f},{y - 3:.1f} v6"/>'


def lines(title, x_name, y_name, series):
    """`series` is `{label: [(x, y)]}`; both axes are logarithmic, so all numbers must be more than 0."""
    points = [(x, max(y, 1e-3)) for found in series.values() for x, y in found]
    across, up = (Axis([point[axis] for point in points], *ends) for axis, ends in enumerate(((60, 560), (PLOT_HEIGHT, 40))))
    shapes = [text(0, 18, title, "title"), text(310, PLOT_HEIGHT + 36, x_name, "small", "middle"), text(0, 34, y_name, "small")]
    for value, at in across.marks:
        shapes.append(f'<path class="grid" d="M{at:.1f},40 V{PLOT_HEIGHT}"/>' + text(at, PLOT_HEIGHT + 16, shown(value), "small", "middle"))
    for value, at in up.marks:
        shapes.append(f'<path class="grid" d="M60,{at:.1f} H560"/>' + text(54, at + 4, shown(value), "small", "end"))
    for number, (label, found) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " L".join(f"{across(x):.1f},{up(max(y, 1e-3)):.1f}" for x, y in found)
        shapes.append(f'<path class="line" stroke="{colour}" d="M{path}"/>')
        shapes += [f'<circle cx="{across(x):.1f}" cy="{up(max(y, 1e-3)):.1f}" r="3" fill="{colour}"/>' for x, y in found]
        shapes.append(f'<rect x="580" y="{44 + 20 * number}" width="12" height="12" fill="{colour}"/>')
        shapes.append(text(598, 54 + 20 * number, label))
    return picture(max(PLOT_HEIGHT + 50, 60 + 20 * len(series)), shapes)


class Axis:
    """Where a number stands between two ends of an axis, and the marks beside it."""

    def __init__(self, values, begin, end):
        self.low, self.high = math.log10(min(values)), math.log10(max(values))
        if self.high - self.low < 0.3:
            self.low, self.high = self.low - 0.15, self.high + 0.15
        self.begin, self.end = begin, end
        found = [digit * 10.0**power for power in range(math.floor(self.low), math.ceil(self.high) + 1) for digit in (1, 2, 5)]
        self.marks = [(value, self(value)) for value in found if self.low <= math.log10(value) <= self.high]

    def __call__(self, value):
        return self.begin + (math.log10(value) - self.low) / (self.high - self.low) * (self.end - self.begin)


def text(x, y, words, style="", anchor="start"):
    named = f' class="{style}"' if style else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def shown(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def picture(height, shapes):
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}">'
    return "\n".join([head, f"<style>{STYLE}</style>", *shapes, "</svg>"]) + "\n"
