"""A venue is one file and one line of the registry: everything else finds it there."""

from __future__ import annotations

import ast
import contextlib
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem.backfill.history import download_candles, shortest_candle
from tandem.backfill.service import BackfillService
from tandem.core.clock import MINUTE_US, now_us
from tandem.core.errors import SettingError
from tandem.ingest.service import Ingest
from tandem.net.factory import venue_clients
from tandem.pairs.venue_facts import VenueFacts
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.store import Store
from tandem.surveillance.yaml_config import from_mapping
from tandem.venues.registry import VENUES, create_rest, offered, patience, tried
from tandem.venues.settings import load
from tests.support import mars
from tests.support.architecture import MODULES
from tests.support.backfill_desk import tape
from tests.support.exchange import Exchange
from tests.support.rest_exchange import RestExchange
from tests.support.settings import settings_of
from tests.support.sinks import MemorySink
from tests.support.waiting import wait_until


@pytest.fixture(autouse=True)
def known() -> Iterator[None]:
    with mars.known():
        yield


def test_its_settings_are_read_and_checked() -> None:
    environ = {"TANDEM_VENUE": "mars", "TANDEM_UNIVERSE": "mars", "TANDEM_MARS_URL": "wss://x.test"}
    settings = load(None, environ, Path("no such file"))
    assert (settings.venue, settings.universe) == ("mars", "mars")
    assert settings.of_venues == {"mars_url": "wss://x.test"}
    with pytest.raises(SettingError, match="TANDEM_MARS_REST_URL is no address; give it as https"):
        load(None, {"TANDEM_MARS_REST_URL": "ftp://x.test"}, Path("no such file"))
    with pytest.raises(SettingError, match="Did you mean TANDEM_MARS_URL"):
        load(None, {"TANDEM_MARS_URK": "wss://x.test"}, Path("no such file"))


def test_it_is_offered_and_its_facts_are_known() -> None:
    settings = settings_of()
    assert mars.VENUE in offered(settings)
    assert mars.VENUE not in tried()
    assert patience("mars", settings) == (0.5, 30.0, 1.0)
    assert not VenueFacts(settings).charges_funding("mars")
    assert shortest_candle(mars.NAME, settings) == MINUTE_US
    assert from_mapping({"assets": ["BTC"], "venue": "mars"}).venue == "mars"


def test_its_trades_are_read() -> None:
    with Exchange() as exchange:
        exchange.play(50.0, ["BTC-USD"])
        ingest = Ingest(
            settings_of(mars_url=f"{exchange.url}/coinbase"), HotBuffer(1_000), MemorySink()
        )
        try:
            ingest.watch("mars", frozenset({mars.NAME}))
            status = wait_until(lambda: (one := ingest.status("mars")).trades and one)
            assert (status.state, status.title) == ("live", "Mars Exchange")
        finally:
            ingest.stop()


def test_it_is_asked_for_its_list_its_candles_and_its_past(tmp_path: Path) -> None:
    with (
        RestExchange() as exchange,
        contextlib.closing(Store.open(tmp_path / "t.sqlite", batch_ms=2)) as store,
    ):
        exchange.tapes["BTC-USD"] = tape(3_000)
        settings = settings_of(mars_rest_url=exchange.url)
        clients = venue_clients(settings)
        upkeep = BackfillService(settings, store, clients)
        upkeep.start()
        try:
            assert upkeep.members("mars") == [mars.NAME]
            assert upkeep.catalogue.resolve("mars", "btc") == mars.NAME
            end_us = now_us()
            span = (end_us - 120 * MINUTE_US, end_us)
            assert len(download_candles(mars.NAME, *span, clients, threading.Event()))
            upkeep.attend([mars.NAME], [mars.NAME])
            wait_until(lambda: len(store.candles(mars.NAME, *span)), "candles of the past")
        finally:
            upkeep.stop()


# One definition each --------------------------------------------------------------------------

OWN = {f"tandem.venues.{name}" for name in ("binance", "bitstamp", "bybit", "coinbase", "coingecko",
                                            "kraken", "okx", "replay", "simulated")}  # fmt: skip
# What tells vendors' files apart is not about venues that are read.
OTHERS = {
    name: path
    for name, path in MODULES.items()
    if not name.startswith("tandem.io.")
    and name not in OWN | {"tandem.venues.replay_rows", "tandem.venues.listings"}
}


def strings(path: Path) -> Iterator[str]:
    """Yield the texts a file computes with: not those that document it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    told = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value


def test_no_module_but_its_own_names_a_venue() -> None:
    """The default of the headless watch is the one exception."""
    named = re.compile("|".join(name for name in VENUES if name not in ("sim", "replay", "mars")))
    found = {
        (module, text)
        for module, path in OTHERS.items()
        if named.search(path.read_text(encoding="utf-8"))
        for text in strings(path)
        if named.fullmatch(text) or named.match(text.partition(":")[0] if ":" in text else "")
    }
    assert found == {("tandem.surveillance.yaml_config", "coingecko")}


def test_no_module_lists_the_titles_of_venues() -> None:
    titles = {venue.title for venue in VENUES.values()}
    for module, path in OTHERS.items():
        text = path.read_text(encoding="utf-8")
        found = [title for title in titles if f'"{title}"' in text]
        assert not found, module


def test_nobody_asks_for_the_class_of_a_venue() -> None:
    classes = "|".join(
        one
        for module in OWN
        for one in re.findall(r"^class (\w+)", MODULES[module].read_text(), re.M)
    )
    asked = re.compile(rf"isinstance\([^()]*\b({classes})\b")
    for module, path in MODULES.items():
        assert not asked.search(path.read_text(encoding="utf-8")), module


def test_what_has_no_rest_interface_has_none() -> None:
    assert create_rest("sim", "http://x.test") is None
    assert create_rest("venus", "http://x.test") is None
