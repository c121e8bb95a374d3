"""The one stream of one-second bars: who makes them, and who may not."""

import re

from tests.support.architecture import MODULES

CALL = re.compile(r"(?<!class )\b(LiveBars|SecondBars|BarBuilder|Surveillance)\(")


def test_one_place_in_the_live_process_builds_one_second_bars() -> None:
    callers: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        for name in CALL.findall(path.read_text("utf-8")):
            callers.setdefault(name, set()).add(module.removeprefix("tandem."))
    assert callers == {
        "LiveBars": {"engine"},
        "SecondBars": {"storage.live_bars"},
        # Surveillance of trades alone makes its own: by the command, or over a recording.
        "BarBuilder": {"storage.live_bars", "surveillance.service"},
        "Surveillance": {"surveillance.headless", "surveillance.service"},
    }
