"""What viewers of the Live page cost: refreshes as browsers ask for them, over websockets.

python -m benchmarks.viewers [--viewers 1,10,40] [--seconds 15]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil
import websocket
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks.machine import describe
from tests.support.app_process import App, running_app

SETTLE_S = 20.0


class Load(NamedTuple):
    """What so many viewers saw and cost; the share is of one core, the bytes are per refresh."""

    viewers: int
    seconds: float
    p50_ms: float
    p95_ms: float
    answered: int
    dropped: int
    cpu_share: float
    sent_bytes: float


class Viewer(threading.Thread):
    """One browser on the Live page: asks for each fragment at its interval, as Streamlit's does.

    One after the other; a fragment whose next turn comes before its answer has dropped a refresh.
    """

    def __init__(self, url: str, end: float) -> None:
        super().__init__(daemon=True)
        self._line = websocket.create_connection(
            f"{url.replace('http', 'ws', 1)}/_stcore/stream",
            timeout=60.0,
            origin=url,
            subprotocols=["streamlit"],
        )
        self._end = end
        self._every: dict[str, float] = {}
        self._due: dict[str, float] = {}
        self._asked = ""
        self._page = ""
        self.is_measured = False
        self.spent: list[float] = []
        self.dropped = self.received = 0

    def run(self) -> None:
        """Open the page, then refresh until the end."""
        self._line.send_binary(_rerun())
        while time.monotonic() < self._end:
            wait = self._ask(time.monotonic())
            self._line.settimeout(wait)
            try:
                raw = self._line.recv()
            except websocket.WebSocketTimeoutException:
                continue
            self.received += len(raw)
            self._take(ForwardMsg.FromString(raw))
        self._line.close()

    def _ask(self, now: float) -> float:
        """Ask for what is due; return for how long nothing else is to be done."""
        if self._asked or not self._due:
            return 0.2
        fragment = min(self._due, key=self._due.__getitem__)
        wait = self._due[fragment] - now
        if wait <= 0.0:
            self._asked = fragment
            self._line.send_binary(_rerun(self._page, fragment))
            return 0.2
        return min(wait, 0.2)

    def _take(self, told: ForwardMsg) -> None:
        kind = told.WhichOneof("type")
        if kind == "new_session":
            self._page = told.new_session.page_script_hash
        elif kind == "auto_rerun":
            self._every[told.auto_rerun.fragment_id] = told.auto_rerun.interval
            self._due.setdefault(told.auto_rerun.fragment_id, time.monotonic())
        elif kind == "script_finished" and self._asked:
            now, fragment, self._asked = time.monotonic(), self._asked, ""
            due, every = self._due[fragment], self._every[fragment]
            turns = int((now - due) / every) + 1
            self._due[fragment] = due + turns * every
            if self.is_measured:
                self.spent.append(now - due)
                self.dropped += turns - 1


def _rerun(page: str = "", fragment: str = "") -> bytes:
    message = BackMsg()
    message.rerun_script.page_script_hash = page
    message.rerun_script.fragment_id = fragment
    message.rerun_script.is_auto_rerun = bool(fragment)
    return message.SerializeToString()


@contextmanager
def live_app() -> Iterator[App]:
    """Run the app on the simulation until all is compiled and trained."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_app(Path(folder), {"TANDEM_VENUE": "sim"}) as app,
    ):
        time.sleep(SETTLE_S)
        yield app


def measure(app: App, viewers: int, seconds: float) -> Load:
    """Return how the app does with so many viewers, after they have all opened the page."""
    settle = 3.0 + viewers / 4.0
    end = time.monotonic() + settle + seconds
    crowd = [Viewer(app.url, end) for _ in range(viewers)]
    for viewer in crowd:
        viewer.start()
        time.sleep(0.05)
    time.sleep(max(0.0, end - seconds - time.monotonic()))
    process = psutil.Process(app.process.pid)
    before, start = sum(process.cpu_times()[:2]), time.monotonic()
    received = sum(viewer.received for viewer in crowd)
    for viewer in crowd:
        viewer.is_measured = True
    for viewer in crowd:
        viewer.join()
    share = (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - start)
    spent = sorted(one for viewer in crowd for one in viewer.spent)
    if not spent:
        raise RuntimeError(f"No refresh was answered:\n{app.log.read_text()}")
    answered = len(spent)
    return Load(
        viewers,
        seconds,
        statistics.median(spent) * 1e3,
        spent[int(answered * 0.95)] * 1e3,
        answered,
        sum(viewer.dropped for viewer in crowd),
        share,
        (sum(viewer.received for viewer in crowd) - received) / answered,
    )


def table(loads: Sequence[Load]) -> str:
    """Return a Markdown table."""
    lines = [
        "| viewers | p50 | p95 | answered a second | dropped | share of a core | CPU a refresh "
        "| bytes a refresh |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in loads:
        rate = one.answered / one.seconds
        lines.append(
            f"| {one.viewers} | {one.p50_ms:.0f} ms | {one.p95_ms:.0f} ms | {rate:.1f} "
            f"| {one.dropped:,} | {one.cpu_share:.0%} | {one.cpu_share / rate * 1e3:.1f} ms "
            f"| {one.sent_bytes:,.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print a row for each number of viewers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--viewers", default="1,10,40")
    parser.add_argument("--seconds", type=float, default=15.0)
    options = parser.parse_args()
    with live_app() as app:
        loads = [measure(app, int(one), options.seconds) for one in options.viewers.split(",")]
    sys.stdout.write(f"{table(loads)}\n\n{describe('streamlit', 'numba')}\n")


if __name__ == "__main__":
    main()
