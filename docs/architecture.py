"""Draws docs/architecture.svg: the processes of httpd with this module, and what connects them.

    python3 docs/architecture.py >docs/architecture.svg

A test compares the file with what this prints. The picture has no background and takes its colours from the reader's
scheme, light or dark.
"""

WIDTH, HEIGHT = 940, 510

STYLE = """
  text { font: 14px system-ui, -apple-system, 'DejaVu Sans', sans-serif; fill: #1f2328; }
  .name { font-weight: 600; }
  .small { font-size: 12px; fill: #57606a; }
  .process { fill: #f6f8fa; stroke: #57606a; stroke-width: 1.5; }
  .python { fill: #ddf4ff; stroke: #0969da; }
  .line { stroke: #57606a; stroke-width: 1.5; fill: none; }
  .request { stroke: #cf222e; stroke-width: 2.5; fill: none; }
  .fork { stroke-dasharray: 6 4; }
  .arrow { fill: #57606a; }
  .arrow-request { fill: #cf222e; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .small { fill: #9198a1; }
    .process { fill: #161b22; stroke: #9198a1; }
    .python { fill: #0c2d6b; stroke: #58a6ff; }
    .line { stroke: #9198a1; }
    .request { stroke: #ff7b72; }
    .arrow { fill: #9198a1; }
    .arrow-request { fill: #ff7b72; }
  }
"""


def box(x, y, width, height, name, lines=(), kind="process"):
    """A rectangle with a name and smaller lines below it."""
    yield f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>'
    yield f'<text class="name" x="{x + 12}" y="{y + 24}">{name}</text>'
    for number, line in enumerate(lines):
        yield f'<text class="small" x="{x + 12}" y="{y + 44 + 17 * number}">{line}</text>'


def arrow(points, text="", at=None, kind="line", both=False):
    """A line through points, with a head at its end, or at both ends; `text` stands at `at`."""
    head = "request" if "request" in kind else "line"
    path = "M" + " L".join(f"{x},{y}" for x, y in points)
    start = f' marker-start="url(#{head}-start)"' if both else ""
    yield f'<path class="{kind}" d="{path}"{start} marker-end="url(#{head}-end)"/>'
    if text:
        yield f'<text class="small" x="{at[0]}" y="{at[1]}">{text}</text>'


def heads():
    yield "<defs>"
    for name, style in (("line", "arrow"), ("request", "arrow-request")):
        for end, path in (("end", "M0,0 L10,5 L0,10 z"), ("start", "M10,0 L0,5 L10,10 z")):
            reference = 9 if end == "end" else 1
            yield (
                f'<marker id="{name}-{end}" viewBox="0 0 10 10" refX="{reference}" refY="5" markerUnits="userSpaceOnUse" '
                f'markerWidth="11" markerHeight="11" orient="auto"><path class="{style}" d="{path}"/></marker>'
            )
    yield "</defs>"


def picture():
    yield from heads()
    yield from box(340, 20, 290, 78, "parent of httpd", ["reads the configuration", "never runs Python, has one thread"])
    yield from box(110, 170, 330, 320, "child process of httpd", ["one or more; runs as User of httpd"])
    yield from box(130, 230, 290, 40, "worker thread: has the connection")
    yield from box(130, 304, 290, 62, "embedded mode: Python", ["interpreter of an application group"], "process python")
    yield from box(130, 404, 290, 66, "daemon mode: no Python here", ["sends the request, brings the response back"])
    yield from box(600, 170, 320, 78, "supervisor", ["starts and replaces daemon processes", "never runs Python, has one thread"])
    yield from box(600, 340, 320, 150, "daemon process", ["one or more per group; runs as user="])
    yield from box(620, 404, 280, 66, "worker thread: Python", ["interpreter of an application group"], "process python")

    yield from arrow([(340, 59), (275, 59), (275, 170)], "fork", (240, 120), "line fork")
    yield from arrow([(630, 59), (760, 59), (760, 170)], "fork", (770, 120), "line fork")
    yield from arrow([(690, 248), (690, 340)], "fork", (655, 298), "line fork")
    yield from arrow([(820, 248), (820, 340)], "control messages", (700, 298), both=True)
    yield from arrow([(10, 250), (130, 250)], "client", (35, 240), "request", both=True)
    yield from arrow([(200, 270), (200, 304)], "or", (220, 292), "request", both=True)
    yield from arrow([(130, 262), (120, 262), (120, 437), (130, 437)], kind="request")
    yield from arrow([(420, 437), (620, 437)], "socket of the process", (452, 427), "request", both=True)


def main():
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img">')
    print("<title>The processes of httpd with mod_wsgi, and the way of a request</title>")
    print(f"<style>{STYLE}</style>")
    print("\n".join(picture()))
    print("</svg>")


if __name__ == "__main__":
    main()
