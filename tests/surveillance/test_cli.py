"""The command line: its configuration, its files, a poll of a stand-in, the simulation, Ctrl-C."""

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tandem.config import Settings
from tandem.core.errors import SettingError, StoreError, UnknownSymbol
from tandem.net import venue_client as gate
from tandem.surveillance import headless
from tandem.surveillance.cli import main
from tandem.surveillance.headless import run
from tandem.surveillance.yaml_config import from_mapping, read
from tandem.venues import coingecko
from tandem.venues.rest import Budget
from tests.support.paths import ROOT
from tests.support.settings import settings_of


class Prices:
    """A stand-in for CoinGecko: one answer per request."""

    def __init__(self, answers) -> None:
        stand_in = self
        self.asked: list[str] = []
        self.retry_after = "600"
        # Set once more was asked than there are answers.
        self.over = threading.Event()
        self._answers = list(answers)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                stand_in.asked.append(self.path)
                if not stand_in._answers:
                    stand_in.over.set()
                answer = stand_in._answers.pop(0) if stand_in._answers else 500
                status, body = (answer, b"{}") if isinstance(answer, int) else (200, answer)
                self.send_response(status)
                if status == 429:
                    self.send_header("Retry-After", stand_in.retry_after)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.settings = settings_of(
            coingecko_rest_url=f"http://127.0.0.1:{self._server.server_port}", coingecko_key=""
        )

    def __enter__(self) -> "Prices":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for prices as often as tests write lines."""
    monkeypatch.setattr(coingecko, "_EVERY_S", 0.05)
    monkeypatch.setattr(coingecko, "_BUDGET", Budget(10_000, 60.0, 0.0))
    monkeypatch.setattr(gate, "_FIRST_RETRY_S", 0.02)
    made = coingecko.CoinGecko.__init__

    def patient(self: coingecko.CoinGecko, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        self.stale_s = 60.0  # a busy machine is no silent venue

    monkeypatch.setattr(coingecko.CoinGecko, "__init__", patient)
    LATEST["s"] = int(time.time()) - 60


# When the newest price was computed, in seconds: an older one would not be taken for new.
LATEST = {"s": 0}


def answer(**prices: float) -> bytes:
    """Return an answer whose prices are newer than those of the answer made before it."""
    at = LATEST["s"] = LATEST["s"] + 1
    return json.dumps(
        {name: {"eur": price, "last_updated_at": at} for name, price in prices.items()}
    ).encode()


def given(folder: Path, **more):
    base = {"assets": ["bitcoin"], "base_currency": "eur", "interval_seconds": 0.05, "window": 5,
            "folder": str(folder)}  # fmt: skip
    return from_mapping(base | more)


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_prices_are_polled_written_and_alerts_printed(tmp_path: Path) -> None:
    said: list[str] = []
    steady = [answer(bitcoin=100.0 + step % 3) for step in range(6)]
    with Prices([*steady, answer(bitcoin=150.0)]) as prices:
        written = run(given(tmp_path), prices.settings, prices.over, said.append)
    polled = rows(tmp_path / "prices.csv")
    assert written == len(polled) >= 1
    assert "ids=bitcoin&vs_currencies=eur" in prices.asked[0]
    assert float(polled[-1]["price"]) == 150.0
    assert {(row["base_currency"], row["source"]) for row in polled} == {("eur", "CoinGecko")}
    (line,) = [line for line in said if "HTTP 500" not in line]
    assert re.match(r"\[ALERT\] bitcoin z=\d+\.\d\d price=150\.0 ", line)
    (alert,) = rows(tmp_path / "alerts.csv")
    assert (alert["scope"], alert["measure"]) == ("bitcoin", "trade_price_z")
    assert "price=150.0" in alert["numbers"]


def test_a_line_has_every_price_and_cycles_count_lines(tmp_path: Path) -> None:
    answers = [answer(bitcoin=1.0, ethereum=2.0) for _ in range(1_000)]
    config = given(tmp_path, assets=["bitcoin", "ethereum"], cycles=2)
    with Prices(answers) as prices:
        assert run(config, prices.settings, threading.Event(), print) == 4


def test_prices_that_are_polled_rarely_are_not_silent_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    polled: list[Any] = []

    def recorder(feed: Any, *_: object) -> None:
        polled.append(feed)
        raise StoreError("enough")

    monkeypatch.setattr(headless, "create_recorder", recorder)
    with pytest.raises(StoreError, match="enough"):
        headless.Source(given(tmp_path, interval_seconds=300.0), settings_of())
    (feed,) = polled
    assert feed.stale_s > 2.0 * feed.every_s >= 600.0


def test_a_price_that_was_not_computed_anew_is_no_new_price(tmp_path: Path) -> None:
    with Prices([answer(bitcoin=1.0)] * 3) as prices:
        assert run(given(tmp_path), prices.settings, prices.over, lambda text: None) == 1


@pytest.mark.parametrize("body", [b"not json", b"[]", b'{"bitcoin": {"eur": "much"}}'])
def test_what_is_wrong_is_said_once_and_the_rest_goes_on(tmp_path: Path, body: bytes) -> None:
    said: list[str] = []
    with Prices([body, body, answer(bitcoin=2.0)]) as prices:
        assert run(given(tmp_path), prices.settings, prices.over, said.append) == 1
    assert len([line for line in said if "HTTP 500" not in line]) == 1
    assert "could not be parsed" in said[0]
    assert rows(tmp_path / "alerts.csv") == []


@pytest.mark.parametrize("asked", ["600", "nan", "-5", "1e300", "soon", "inf"])
def test_a_service_that_asks_for_patience_is_left_alone(tmp_path: Path, asked: str) -> None:
    said: list[str] = []
    with Prices([429, answer(bitcoin=1.0)]) as prices:
        prices.retry_after = asked
        assert not run(given(tmp_path, cycles=3), prices.settings, threading.Event(), said.append)
    assert len(prices.asked) == 1
    (line,) = said
    assert "asked for fewer requests (HTTP 429)" in line


def test_prices_of_earlier_runs_are_taken_up(tmp_path: Path) -> None:
    said: list[str] = []
    with Prices([answer(bitcoin=101.0)] * 1_000) as prices:
        run(given(tmp_path, cycles=1), prices.settings, threading.Event(), said.append)
    assert said == []
    with (tmp_path / "prices.csv").open("a") as file:
        line = (tmp_path / "prices.csv").read_text().splitlines()[1]
        file.writelines(line.replace("101.0", f"{100.0 + at % 3}") + "\n" for at in range(5))
        file.write("nonsense,bitcoin,eur,x,,\n2026,bitcoin,usd,9,,\n,,\n")
    with Prices([answer(bitcoin=150.0)] * 1_000) as prices:
        run(given(tmp_path, cycles=1), prices.settings, threading.Event(), said.append)
    assert said[0].startswith("[ALERT] bitcoin")


def test_a_long_file_of_earlier_prices_is_read_from_its_end(tmp_path: Path) -> None:
    said: list[str] = []
    head = "time_utc,asset,base_currency,price,z,source\n"
    row = "2026-01-01T00:00:{:02d}.000Z,bitcoin,eur,{},,CoinGecko\n"
    old = row.format(0, 9_000.0) * 40_000
    strange = '"' + "x" * 200_000 + '"\n\x00,bitcoin,eur,1,,\n99999-01-01,bitcoin,eur,1,,\n'
    new = "".join(row.format(at, 100.0 + at % 3) for at in range(6))
    (tmp_path / "prices.csv").write_text(head + old + strange + new)
    with Prices([answer(bitcoin=150.0)]) as prices:
        run(given(tmp_path, cycles=1), prices.settings, threading.Event(), said.append)
    assert re.match(r"\[ALERT\] bitcoin z=\d+\.\d\d price=150\.0 ", said[0])


def test_a_file_of_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text("Date,Close\n2026-01-01,5\n")
    with Prices([]) as prices, pytest.raises(StoreError, match="was not written by this command"):
        run(given(tmp_path, cycles=1), prices.settings, threading.Event(), print)
    assert (tmp_path / "prices.csv").read_text() == "Date,Close\n2026-01-01,5\n"


def test_the_simulation_streams(tmp_path: Path) -> None:
    config = given(tmp_path, venue="sim", assets=["BTC", "ETH"], cycles=2, interval_seconds=1.5)
    assert run(config, Settings(simulation_rate=1.0), threading.Event(), lambda text: None) >= 2
    prices = rows(tmp_path / "prices.csv")
    assert {(row["asset"], row["base_currency"], row["source"]) for row in prices} == {
        ("BTC", "usdt", "Simulated market"), ("ETH", "usdt", "Simulated market"),
    }  # fmt: skip


def test_alerts_call_assets_as_the_configuration_does_and_what_is_simulated_so(tmp_path) -> None:
    said: list[str] = []
    always = {"measure": "trade_age", "comparison": "above", "threshold": -1.0, "cooldown_s": 0.0,
              "channels": ["csv"]}  # fmt: skip
    config = given(
        tmp_path, venue="sim", assets=["BTC", "ETH"], cycles=2, interval_seconds=1.5,
        rules=[
            always | {"name": "By asset", "scope": "BTC"},
            always | {"name": "By instrument", "scope": "sim:ETHUSDT"},
            always | {"name": "Of nothing", "scope": "DOGE"},
            always | {"name": "Trades", "measure": "trade_price_z", "comparison": "beyond",
                      "threshold": 0.0},
        ],
    )  # fmt: skip
    began = datetime.now(UTC)
    run(config, Settings(simulation_rate=1.0), threading.Event(), said.append)
    missing = (
        "surveillance: Rule Of nothing has scope DOGE, which is not monitored; it cannot fire."
    )
    assert said[0] == missing
    alerts = rows(tmp_path / "alerts.csv")
    by_rule = {row["rule"]: row["scope"] for row in alerts}
    assert by_rule["By asset"] == "sim:BTC"
    assert by_rule["By instrument"] == "sim:ETH"
    assert any(line.startswith("[ALERT] sim:BTC trade_age=") for line in said)
    # Nobody is told of the minutes that a stream begins with.
    assert "Trades" in by_rule
    assert all(datetime.fromisoformat(row["time_utc"]) >= began for row in alerts)


@pytest.mark.slow  # a process of its own
def test_ctrl_c_ends_with_everything_written(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(f"venue: sim\nassets: [BTC]\ninterval_seconds: 0.5\nfolder: {tmp_path}\n")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TANDEM")}
    process = subprocess.Popen(
        [sys.executable, "surveillance.py", "--config", str(file)],
        cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        prices = tmp_path / "prices.csv"
        waiting = threading.Event()
        for _ in range(1_200):
            if prices.exists() and prices.read_text().count("\n") >= 3:
                break
            waiting.wait(0.05)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert out.splitlines()[-1] == f"{len(rows(prices))} prices in {prices}"
    assert prices.read_text().endswith("\n")


def test_ctrl_c_cuts_a_service_that_does_not_answer(tmp_path: Path) -> None:
    said: list[str] = []
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        settings = settings_of(coingecko_rest_url=f"http://127.0.0.1:{deaf.getsockname()[1]}")
        ended = threading.Event()

        def watch() -> None:
            run(given(tmp_path), settings, stop, said.append)
            ended.set()

        thread = threading.Thread(target=watch)
        thread.start()
        connection, _ = deaf.accept()
        with connection:
            assert connection.recv(100)
            stop.set()
            # The request itself would wait for 10 s and then go on to say that nothing came.
            assert ended.wait(30)
        thread.join()
    assert said == []
    assert rows(tmp_path / "prices.csv") == []


# The configuration ---------------------------------------------------------------------------


def test_the_example_is_read() -> None:
    example = read(ROOT / "examples" / "surveillance.yaml")
    assert example.assets[:2] == ("bitcoin", "ethereum")
    assert (example.base_currency, example.interval_seconds) == ("usd", 60.0)
    assert (example.anomaly_z, example.cycles) == (3.0, 5)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"interval_second": 5}, "Did you mean interval_seconds"),
        ({"asset": ["a"]}, "Did you mean assets"),
        ({"Zz9": 1}, "Known keys: assets"),
        ({"assets": "bitcoin"}, "list of names"),
        ({"assets": []}, "1 to 200"),
        ({"assets": [1]}, "list of names"),
        ({"venue": "coingeko"}, "Did you mean coingecko"),
        ({"anomaly_z": "three"}, "must be a number"),
        ({"anomaly_z": True}, "must be a number"),
        ({"anomaly_z": float("nan")}, "must be a number"),
        ({"cycles": 1.5}, "an integer"),
        ({"interval_seconds": 0}, "from 0.05"),
        ({"base_currency": "us/d"}, "usd or eur"),
        ({"channels": ["telegam"]}, "Did you mean telegram"),
        ({"rules": "all"}, "list of rules"),
        ({"rules": [{"name": "a", "measur": "b"}]}, "Did you mean measure"),
    ],
)
def test_what_is_wrong_in_a_configuration_is_named(wrong, hint) -> None:
    base = {"assets": ["bitcoin"]}
    with pytest.raises(SettingError, match=hint):
        from_mapping(base | wrong)


@pytest.mark.parametrize(
    "text", ["", "- a\n", "a: [", "assets: !!python/object/apply:os.getcwd []\n", "\x00", "a: b: c"]
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(SettingError, match=r"c\.yaml"):
        read(file)


def test_a_file_that_is_not_there_or_too_large_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot be read"):
        read(tmp_path / "none.yaml")
    (tmp_path / "big.yaml").write_bytes(b"#" * 300_000)
    with pytest.raises(SettingError, match="at most"):
        read(tmp_path / "big.yaml")


def test_the_command_fails_with_a_sentence(tmp_path: Path, capsys) -> None:
    assert main(["--config", str(tmp_path / "none.yaml")]) == 1
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "hint"),
    [
        ({"channels": ["telegram"]}, "TANDEM_TELEGRAM_TOKEN"),
        ({"venue": "auto"}, "given explicitly"),
        ({"assets": ["a/../b"]}, "not an asset"),
    ],
)
def test_what_cannot_be_done_is_said_before_it_begins(tmp_path: Path, more, hint) -> None:
    with pytest.raises((SettingError, UnknownSymbol), match=hint):
        run(given(tmp_path, **more), Settings(), threading.Event(), print)
