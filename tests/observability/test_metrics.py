"""Metrics: where they are served, what is said where they cannot be, and what stands in them."""

from __future__ import annotations

import socket
import sys
import threading
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

import prometheus_client
import pytest

from tandem.cli import main
from tandem.config import Settings
from tandem.core.errors import SettingError
from tandem.core.histogram import Histogram
from tandem.ingest.headless import Headless
from tandem.observability.metrics import Metric, one, serve, serving
from tandem.storage.records import Held
from tandem.storage.store import Store
from tandem.surveillance.headless import run
from tandem.surveillance.yaml_config import from_mapping
from tandem.venues import simulated
from tests.support.waiting import wait_until


@pytest.fixture(autouse=True)
def short_past(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the simulated market be there at once."""
    monkeypatch.setattr(simulated, "Simulated", partial(simulated.Simulated, history_s=60.0))


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let servers choose their port, whatever is asked for; returns those chosen."""
    chosen: list[int] = []
    start = prometheus_client.start_http_server

    def start_anywhere(_port: int, *arguments: Any) -> Any:
        server, thread = start(0, *arguments)
        chosen.append(server.server_port)
        return server, thread

    monkeypatch.setattr(prometheus_client, "start_http_server", start_anywhere)
    return chosen


def scraped(port: int) -> dict[str, float]:
    """Return the samples of a scrape by name and labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return {
        name: float(value)
        for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    }


def test_metrics_are_served_until_the_end(ports: list[int]) -> None:
    delays = Histogram((0.1, 1.0))
    delays.observe(0.5)
    given = [
        Metric("trades", "counter", "Trades.", [({"venue": "okx"}, 7), ({"venue": 'a"\n'}, 1)]),
        Metric("queue", "gauge", "Queue.", one(3)),
        Metric("delay_seconds", "histogram", "Delay.", one(delays)),
        Metric("nothing", "gauge", "Nobody.", []),
    ]
    with serving("9464", lambda: given):
        found = scraped(ports[0])
    assert {name: value for name, value in found.items() if name.startswith("tandem_")} == {
        'tandem_trades_total{venue="okx"}': 7.0,
        'tandem_trades_total{venue="a\\"\\n"}': 1.0,
        "tandem_queue": 3.0,
        'tandem_delay_seconds_bucket{le="0.1"}': 0.0,
        'tandem_delay_seconds_bucket{le="1.0"}': 1.0,
        'tandem_delay_seconds_bucket{le="+Inf"}': 1.0,
        "tandem_delay_seconds_count": 1.0,
        "tandem_delay_seconds_sum": 0.5,
    }
    assert found["process_resident_memory_bytes"] > 0
    with pytest.raises(OSError, match="refused"):
        scraped(ports[0])


def test_a_port_that_is_taken_is_a_sentence() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SettingError, match=rf"TANDEM_METRICS: .* port {port} .*in use"):
            serve(f"127.0.0.1:{port}", list)


def test_a_host_that_is_not_this_machine_is_a_sentence() -> None:
    with pytest.raises(SettingError, match=r"nothing can listen on 192\.0\.2\.1, port 9464"):
        serve("192.0.2.1:9464", list)


def has_a_thread() -> bool:
    return any(thread.name == "metrics" for thread in threading.enumerate())


def test_off_it_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "prometheus_client", raising=False)
    with serving("", list):
        assert not has_a_thread()
    assert "prometheus_client" not in sys.modules


def test_on_it_has_one_until_the_end(ports: list[int]) -> None:
    with serving("9464", list):
        assert has_a_thread()
    assert not has_a_thread()


@pytest.mark.parametrize("path", ["", "/", "/metrics/", "/favicon.ico"])
def test_other_paths_are_not_found(ports: list[int], path: str) -> None:
    with serving("9464", list), pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://127.0.0.1:{ports[0]}{path}", timeout=60)


def scraped_with(ports: list[int], name: str) -> dict[str, float]:
    """Return a scrape once a sample of this name is there and not 0."""
    found = scraped(ports[0]) if ports else {}
    return found if found.get(name) else {}


# Of a process ---------------------------------------------------------------------------


def test_what_a_recorder_measures(tmp_path: Path, ports: list[int]) -> None:
    settings = Settings(metrics="localhost:9464", simulation_rate=20.0)
    desk = Headless(settings, tmp_path / "t.sqlite", ["sim:ETHUSDT"], lambda line: None)
    stop = threading.Event()
    recording = threading.Thread(target=desk.record, args=(600.0, stop))
    recording.start()
    found = wait_until(lambda: scraped_with(ports, "tandem_trades_stored_total"), "trades")
    stop.set()
    recording.join()
    assert found['tandem_trades_received_total{venue="sim"}'] > 0
    assert found['tandem_trade_delay_seconds_count{venue="sim"}'] > 0
    assert found["tandem_commit_seconds_count"] > 0
    assert found["tandem_store_recording"] == 1.0
    assert found['tandem_received_refused_total{reason="not_parsed",venue="sim"}'] == 0.0
    assert found['tandem_entries_refused_total{reason="queue_full"}'] == 0.0
    assert found['tandem_gaps{state="open"}'] == 0.0


def test_a_recorder_s_database_is_not_asked_at_each_scrape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Store] = []
    read = Store.inventory

    def inventory(self: Store) -> list[Held]:
        asked.append(self)
        return read(self)

    monkeypatch.setattr(Store, "inventory", inventory)
    monkeypatch.setattr("tandem.storage.inventory.FRESH_S", 600.0)
    desk = Headless(Settings(), tmp_path / "t.sqlite", ["sim:ETHUSDT"], lambda line: None)
    assert [one.name for one in desk.metrics()] == [one.name for one in desk.metrics()]
    desk.record(0.0, threading.Event())
    assert len(asked) == 1


def test_what_watching_measures(tmp_path: Path, ports: list[int]) -> None:
    given = from_mapping({"venue": "sim", "assets": ["ETHUSDT"], "folder": str(tmp_path)})
    stop = threading.Event()
    settings = Settings(metrics="9464")
    watching = threading.Thread(target=run, args=(given, settings, stop, lambda line: None))
    watching.start()
    name = 'tandem_trades_received_total{venue="sim"}'
    found = wait_until(lambda: scraped_with(ports, name), "trades")
    stop.set()
    watching.join()
    assert found['tandem_alerts_waiting{channel="csv"}'] == 0.0
    assert "tandem_trades_stored_total" not in found


def test_nothing_is_measured_of_delays_where_metrics_are_off(tmp_path: Path) -> None:
    desk = Headless(Settings(), tmp_path / "t.sqlite", ["sim:ETHUSDT"], lambda line: None)
    stop = threading.Event()
    recording = threading.Thread(target=desk.record, args=(600.0, stop))
    recording.start()
    wait_until(lambda: any(feed.trades for feed in desk._ingest.statuses()), "trades")
    assert all(feed.delays is None for feed in desk._ingest.statuses())
    stop.set()
    recording.join()


@pytest.mark.parametrize(
    "arguments",
    [
        ["record", "--instruments", "sim:ETHUSDT", "--db", "{folder}/t.sqlite"],
        ["watch", "--config", "{folder}/watch.yaml", "--cycles", "1"],
    ],
)
def test_a_command_says_that_the_port_is_taken(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "watch.yaml").write_text(
        f"venue: sim\nassets: [ETHUSDT, BTCUSDT]\nfolder: {tmp_path}\n"
    )
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        monkeypatch.setenv("TANDEM_METRICS", f"127.0.0.1:{other.getsockname()[1]}")
        assert main([one.format(folder=tmp_path) for one in arguments]) == 1
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith(f"tandem {arguments[0]}: TANDEM_METRICS: nothing can listen on 127.0.")
