"""Draws `architecture.png` from the package's own imports and docstrings.

python -m benchmarks.architecture [--check]

The order of the parts is that of `tests/support/architecture.py`; what a part holds is the first
line of its docstring. The drawing is kept as `docs/pictures/architecture.svg` and rendered by
Chromium. With `--check` nothing is written: the exit code says whether the drawing is current.
"""

from __future__ import annotations

import argparse
import ast
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from tests.support.architecture import LAYERS, PACKAGE, nearest, uses
from tests.support.paths import ROOT

SVG = ROOT / "docs" / "pictures" / "architecture.svg"
PNG = ROOT / "architecture.png"
SCALE = 2
COLOURS = 128

# A group begins at the part named and goes on to the next one here.
GROUPS = {
    "cli": ("Interface", "#2f6f5e", "#edf5f2"),
    "surveillance": ("Live analysis and research", "#7a4b8a", "#f5eff7"),
    "ingest": ("Market data", "#2b5f9e", "#edf3fa"),
    "strategy": ("Models and venues", "#9a5b1f", "#faf3ea"),
    "config": ("Foundation", "#55606e", "#f0f2f4"),
}


class Station(NamedTuple):
    """A step on a trade's way: its name, the module, and what happens there."""

    title: str
    module: str
    told: tuple[str, ...]


# How a trade travels. What two do at a time stands side by side; a text is what passes to the next.
PATH: tuple[tuple[Station, ...] | str, ...] = (
    (Station("Exchange", "", ("eight venues by websocket, CoinGecko by REST",)),),
    "websocket frames",
    (
        Station(
            "Connection",
            "tandem/ingest/connection.py",
            ("one supervised thread per socket: reads,", "stamps the time of receipt, reconnects"),
        ),
    ),
    "message, time of receipt",
    (
        Station(
            "Parser",
            "tandem/venues/",
            ("pure: parse(raw) returns trades and quotes,", "or raises MessageError"),
        ),
    ),
    "trades, quotes, funding",
    (
        Station(
            "Recorder",
            "tandem/ingest/recorder.py",
            (
                "drops duplicates, turns jumps of the trade",
                "id into gaps, refuses trades dated ahead",
            ),
        ),
    ),
    "fresh trades and gaps",
    (
        Station("Hot buffer", "tandem/storage/hot_buffer.py", ("in memory, first;", "bounded")),
        Station(
            "Database", "tandem/storage/store.py", ("SQLite, one writer;", "backfill fills gaps")
        ),
    ),
    "new, every 20 to 50 ms",
    (
        Station(
            "Pairs", "tandem/pairs/tracker.py", ("bars, hedge, spread,", "z, signal, paper P&L")
        ),
        Station(
            "Surveillance",
            "tandem/surveillance/monitor.py",
            ("z-scores, Isolation", "Forest, liquidity"),
        ),
    ),
    "snapshots and readings",
    (
        Station(
            "Live page", "tandem/ui/live/page.py", ("status, signal, cost;", "chart keeps its zoom")
        ),
        Station("Alerts", "tandem/alerts/service.py", ("rules, outbox, then", "every channel")),
    ),
)

INK, SOFT, RULE = "#1d2530", "#5d6875", "#d3d9e0"
LEFT, ROOM_WIDTH, ROOM_HEIGHT, ROOM_GAP = 40, 500, 47, 7
GROUP_HEAD, GROUP_GAP = 27, 13
TOP = 112
LANE_FIRST, LANE_STEP = 36, 14
BAND_LEFT, BAND_WIDTH = 716, 350
WIDTH = BAND_LEFT + BAND_WIDTH + 40


class Room(NamedTuple):
    """A part as it is drawn: where it stands, and in which colour."""

    part: str
    top: float
    colour: str

    @property
    def arrival(self) -> float:
        """Height at which arrows arrive."""
        return self.top + 12

    def departure(self, number: int) -> float:
        """Height at which an arrow leaves."""
        return self.top + 23 + 8.5 * number


def sources(part: str) -> list[Path]:
    """Return the files of a part: a folder of the package, or one module."""
    folder = PACKAGE / part
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def summary(part: str) -> str:
    """Return the first line of a part's docstring."""
    folder = PACKAGE / part
    file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    told = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return told.partition("\n")[0].removesuffix(".").replace("`", "")


def size(part: str) -> str:
    """Return the lines of a part, rounded so that the picture seldom changes."""
    lines = sum(path.read_text(encoding="utf-8").count("\n") for path in sources(part))
    return f"{round(lines, -2):,} lines" if lines >= 100 else "under 100 lines"


def parts() -> list[str]:
    """Return what is drawn: every layer but the module that `python -m tandem` runs."""
    return [part for part in LAYERS if not part.startswith("_")]


def text(x: float, y: float, words: str, style: str, *, at: str = "start", fill: str = "") -> str:
    """Return one line of text."""
    colour = f' fill="{fill}"' if fill else ""
    anchor = "" if at == "start" else f' text-anchor="{at}"'
    return f'<text class="{style}" x="{x:g}" y="{y:g}"{anchor}{colour}>{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, fill: str, edge: str = "none") -> str:
    """Return a rounded rectangle."""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" fill="{fill}"'
        f' stroke="{edge}"/>'
    )


def groups() -> Iterator[tuple[tuple[str, str, str], list[str]]]:
    """Yield each group's title and colours, with its parts."""
    heads = [(index, part) for index, part in enumerate(parts()) if part in GROUPS]
    for (index, head), (end, _) in zip(heads, [*heads[1:], (None, "")], strict=True):
        yield GROUPS[head], parts()[index:end]


def rooms() -> tuple[list[str], dict[str, Room], float]:
    """Return the drawn groups and rooms, each room by its part, and where the last one ends."""
    drawn: list[str] = []
    placed: dict[str, Room] = {}
    y = float(TOP)
    for (title, colour, tint), members in groups():
        height = GROUP_HEAD + len(members) * (ROOM_HEIGHT + ROOM_GAP) + 3
        drawn.append(box(LEFT - 12, y, ROOM_WIDTH + 24, height, tint))
        drawn.append(text(LEFT, y + 18, title.upper(), "group", fill=colour))
        y += GROUP_HEAD
        for part in members:
            placed[part] = Room(part, y, colour)
            drawn += room(placed[part])
            y += ROOM_HEIGHT + ROOM_GAP
        y += 3 + GROUP_GAP
    return drawn, placed, y - GROUP_GAP


def room(one: Room) -> list[str]:
    """Return the lines of one room."""
    right = LEFT + ROOM_WIDTH
    return [
        box(LEFT, one.top, ROOM_WIDTH, ROOM_HEIGHT, "#ffffff", RULE),
        f'<rect x="{LEFT}" y="{one.top:g}" width="4" height="{ROOM_HEIGHT}" rx="2"'
        f' fill="{one.colour}"/>',
        text(LEFT + 16, one.top + 19, one.part, "part"),
        text(right - 14, one.top + 19, size(one.part), "size", at="end", fill=SOFT),
        text(LEFT + 16, one.top + 37, summary(one.part), "what"),
    ]


def lanes(spans: dict[str, tuple[float, float]]) -> dict[str, int]:
    """Give every arrow a lane that no other one uses at the same height, short ones inside."""
    taken: list[list[tuple[float, float]]] = []
    found: dict[str, int] = {}
    for part, (top, end) in sorted(spans.items(), key=lambda item: item[1][1] - item[1][0]):
        free = (
            index
            for index, others in enumerate(taken)
            if all(end + 4 < above or top - 4 > below for above, below in others)
        )
        lane = next(free, len(taken))
        if lane == len(taken):
            taken.append([])
        taken[lane].append((top, end))
        found[part] = lane
    return found


def arrows(placed: dict[str, Room]) -> list[str]:
    """Return the arrows: one line for each part that is imported, joined by all that import it."""
    graph = {part: others & set(placed) for part, others in uses().items() if part in placed}
    need = nearest(graph)
    users = {part: [one for one in placed if part in need[one]] for part in placed}
    spans = {part: (placed[by[0]].top, placed[part].top) for part, by in users.items() if by}
    lane_of = lanes(spans)
    edge = LEFT + ROOM_WIDTH
    drawn = []
    for part in spans:
        x = edge + LANE_FIRST + lane_of[part] * LANE_STEP
        end, colour = placed[part].arrival, placed[part].colour
        for user in users[part]:
            # The outermost lane leaves highest, so that no room's arrows cross.
            order = sorted(need[user], key=lambda other: -lane_of[other])
            y = placed[user].departure(order.index(part))
            drawn.append(
                f'<path class="arrow" stroke="{colour}" data-from="{user}" data-to="{part}" '
                f'd="M{edge:g} {y:g} H{x - 6:g} Q{x:g} {y:g} {x:g} {y + 6:g} V{end - 6:g} '
                f'Q{x:g} {end:g} {x - 6:g} {end:g} H{edge + 9:g}"/>'
            )
            drawn.append(f'<circle cx="{edge:g}" cy="{y:g}" r="2.6" fill="{colour}"/>')
        drawn.append(f'<path d="M{edge + 1:g} {end:g} l10 -4.5 v9 z" fill="{colour}"/>')
    return drawn


def band(bottom: float) -> list[str]:
    """Return the way of a trade, from its exchange down to those who see it."""
    steps = [step for step in PATH if not isinstance(step, str)]
    passed = [step for step in PATH if isinstance(step, str)]
    heights = [66.0 if not step[0].module else 100.0 for step in steps]
    gap = (bottom - TOP - GROUP_HEAD - 12 - sum(heights)) / (len(steps) - 1)
    drawn = [
        box(BAND_LEFT - 12, TOP, BAND_WIDTH + 24, bottom - TOP, "#f6f7f9"),
        text(BAND_LEFT, TOP + 18, "HOW A TRADE TRAVELS THROUGH TANDEM/", "group", fill=SOFT),
    ]
    y, middle = TOP + GROUP_HEAD, BAND_LEFT + BAND_WIDTH / 2
    for number, (step, height) in enumerate(zip(steps, heights, strict=True), start=1):
        width = (BAND_WIDTH - 12 * (len(step) - 1)) / len(step)
        for index, one in enumerate(step):
            drawn += station(one, BAND_LEFT + index * (width + 12), y, width, height)
        y += height
        if number < len(steps):
            drawn.append(
                f'<path d="M{middle:g} {y + 4:g} V{y + gap - 10:g}" stroke="{SOFT}" fill="none"/>'
            )
            drawn.append(f'<path d="M{middle:g} {y + gap - 3:g} l-4.5 -9 h9 z" fill="{SOFT}"/>')
            drawn.append(text(middle + 12, y + gap / 2 + 4, passed[number - 1], "passes"))
        y += gap
    return drawn


def station(one: Station, x: float, y: float, width: float, height: float) -> list[str]:
    """Return one step: a box in the colour of the part that does it."""
    part = one.module.split("/")[1] if one.module else ""
    colour = next((colour for (_, colour, _), members in groups() if part in members), SOFT)
    drawn = [
        box(x, y, width, height, "#ffffff", colour),
        text(x + 14, y + 23, one.title, "part"),
    ]
    told_at = y + 45
    if part:
        module = one.module.removeprefix("tandem/")
        drawn.append(text(x + 14, told_at - 4, module, "size", fill=colour))
        told_at += 17
    drawn += [
        text(x + 14, told_at + 18 * index, told, "what") for index, told in enumerate(one.told)
    ]
    return drawn


def drawing() -> str:
    """Return the whole picture."""
    drawn, placed, bottom = rooms()
    doors = ", ".join(sorted(path.name for path in ROOT.glob("*.py")))
    body = [
        text(LEFT - 12, 48, "Tandem: the layers, and the path of a trade", "title"),
        text(
            LEFT - 12,
            74,
            "An arrow points to what a part imports; arrows that others imply are left out. "
            "No part imports one above it.",
            "note",
        ),
        text(LEFT - 12, 95, f"Entry points at the root: {doors}.", "note"),
        *drawn,
        *arrows(placed),
        *band(bottom),
    ]
    height = bottom + 28
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:g}" '
            f'viewBox="0 0 {WIDTH} {height:g}" '
            "font-family=\"'Liberation Sans', Helvetica, Arial, sans-serif\">",
            "<style>",
            f".title {{ font-size: 27px; font-weight: bold; fill: {INK}; }}",
            f".note {{ font-size: 14px; fill: {SOFT}; }}",
            ".group { font-size: 12px; font-weight: bold; letter-spacing: 1.2px; }",
            f".part {{ font-size: 15.5px; font-weight: bold; fill: {INK}; }}",
            f".what {{ font-size: 14px; fill: {SOFT}; }}",
            ".size { font-size: 12.5px; }",
            f".passes {{ font-size: 13px; font-style: italic; fill: {SOFT}; }}",
            ".arrow { fill: none; stroke-width: 1.6; }",
            "</style>",
            f'<rect width="{WIDTH}" height="{height:g}" fill="#ffffff"/>',
            *body,
            "</svg>\n",
        )
    )


def structure(svg: str) -> str:
    """Return a drawing without the sizes, which change with the code."""
    return re.sub(r">(?:under )?[\d,]+ lines<", "><", svg)


def render(svg: str, target: Path) -> str | None:
    """Draw a picture with Chromium; returns what stands in the way, if anything."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        return f"{target.name} was not drawn: install Chromium, then run this again."
    match = re.search(r'width="(\d+)" height="(\d+)', svg)
    assert match is not None
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(f"<body style='margin:0'>{svg}</body>", encoding="utf-8")
        ran = subprocess.run(
            [
                *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *(f"--force-device-scale-factor={SCALE}", f"--window-size={match[1]},{match[2]}"),
                *(f"--user-data-dir={folder}/profile", f"--screenshot={target}", page.as_uri()),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    if ran.returncode:
        return f"Chromium failed: {ran.stderr.strip()[-300:]}"
    # A third of the bytes; flat colours lose nothing that can be seen.
    flat = Image.open(target).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    flat.save(target, optimize=True)
    return None


def main() -> int:
    """Draw, or say whether the drawing that is kept is current."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    svg = drawing()
    if parser.parse_args().check:
        current = structure(svg) == structure(SVG.read_text(encoding="utf-8"))
        print("current" if current else "not current: run make architecture")
        return 0 if current else 1
    SVG.write_text(svg, encoding="utf-8")
    problem = render(svg, PNG)
    print(problem or f"{SVG.relative_to(ROOT)} and {PNG.name} drawn")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
