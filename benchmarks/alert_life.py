"""An alert's life, step by step: trade at the exchange, flag, outbox, Telegram. All stand-ins.

A local exchange trades through a real websocket into a whole engine; a local stand-in takes what
is meant for Telegram. All clocks are this machine's.

    python -m benchmarks.alert_life [--alerts 20]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe
from tandem.alerts.rules import Alert, Rule
from tandem.core.clock import now_us
from tandem.engine import Engine
from tandem.storage.records import Document
from tests.support.exchange import Exchange
from tests.support.message_servers import PostServer
from tests.support.waiting import wait_until

SYMBOL, NAME = "ETHUSDT", "binance-usdm:ETHUSDT"
RULE = Rule("Jump", "trade_return_z", "above", 15.0, 10.0, cooldown_s=0.0, channels=("telegram",))
RETRY_S = 2.0
# Telegram takes 20 messages a minute; Tandem keeps to that, which is not what is measured here.
PAUSE_S = 3.2


class Diary:
    """When each alert reached the outbox and the stand-in, by its id or its price."""

    def __init__(self, server: PostServer, engine: Engine) -> None:
        self.outbox: dict[str, int] = {}
        self.telegram: dict[str, int] = {}
        self._server = server
        keep = engine.store.save_documents

        def noted(documents: list[Document]) -> None:
            keep(documents)
            now = now_us()
            for one in documents:
                if one.kind == "alert":
                    self.outbox.setdefault(one.key, now)

        engine.store.save_documents = noted  # type: ignore[method-assign, assignment]

    def wait_for(self, text: str) -> int:
        """Return when a message with this text was accepted."""
        while not any(text in one for one in self._server.texts()):
            time.sleep(0.0005)
        return now_us()


def jump(exchange: Exchange, price: float) -> int:
    """Trade once at a price far off, then back; return when it left."""
    left_us = now_us()
    exchange.trade(SYMBOL, price)
    return left_us


def calm(exchange: Exchange, trades: int) -> None:
    """Trade around 3,000, so that the windows know what is usual."""
    for number in range(trades):
        exchange.trade(SYMBOL, 3_000.0 + 0.1 * (number * 7 % 11))


def alert_of(engine: Engine, price: float) -> Alert:
    """Return the alert raised on a trade at this price."""

    def found() -> Any:
        told = engine.monitor.alerts.history.recent(20)
        return next((one.alert for one in told if one.alert.numbers["price"] == price), None)

    alert = wait_until(found, "the alert")
    assert isinstance(alert, Alert)
    return alert


def one_life(engine: Engine, exchange: Exchange, diary: Diary, price: float) -> list[float]:
    """Return the milliseconds from leaving the exchange to flag, outbox and message."""
    left_us = jump(exchange, price)
    told_us = diary.wait_for(f"price={price!r}")
    alert = alert_of(engine, price)
    wait_until(lambda: alert.id in diary.outbox, "the outbox")
    # Until the windows have forgotten it.
    calm(exchange, 320)
    time.sleep(PAUSE_S)
    marks = (alert.raised_us, diary.outbox[alert.id], told_us)
    return [(mark - left_us) / 1_000.0 for mark in marks]


def measure(alerts: int) -> tuple[list[list[float]], float, str]:
    """Live through many alerts, and one that Telegram puts off; returns its text, too."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Exchange() as exchange,
        PostServer() as server,
    ):
        engine = Engine(
            exchange.settings(
                venue="binance-usdm",
                public="off",
                symbols="ETH,BTC",
                database=Path(folder) / "t.sqlite",
                telegram_token="123456:stand-in",
                telegram_chat="7",
                telegram_address=server.url,
            )
        )
        for rule in engine.monitor.alerts.rules.all():
            engine.monitor.alerts.rules.remove(rule.name)
        engine.monitor.alerts.rules.put(RULE)
        diary = Diary(server, engine)
        engine.start()
        try:
            exchange.wait_for_streams(f"{SYMBOL.lower()}@aggTrade")
            calm(exchange, 1_000)
            wait_until(lambda: engine.monitor.wall(), "the instrument")
            time.sleep(3.0)
            lives = [
                one_life(engine, exchange, diary, 3_200.0 + 7.0 * number)
                for number in range(alerts)
            ]
            body = b'{"ok":false,"parameters":{"retry_after":%d}}' % RETRY_S
            server.plan.append((429, {"Retry-After": f"{RETRY_S:.0f}"}, body))
            late = one_life(engine, exchange, diary, 4_000.0)[2]
            return lives, late, server.texts()[-1]
        finally:
            engine.stop()


def page(alerts: int) -> list[str]:
    """Return the lines of the table."""
    lives, late, text = measure(alerts)
    steps = (
        "the flag is evaluated",
        "the alert is queued for the database (committed within 0.1 s)",
        "the message is accepted",
    )
    rows = [
        f"| {step} | "
        + " | ".join(f"{one:.0f} ms" for one in np.percentile(values, (50, 95, 100)))
        + " |"
        for step, values in zip(steps, np.array(lives).T, strict=True)
    ]
    return [
        f"{alerts} outliers, one by one, from a local exchange through a websocket into an",
        "engine with its database; a local stand-in replaces Telegram. Milliseconds since the",
        "trade left the exchange.",
        "",
        "| until | median | 95 % | longest |",
        "|---|---|---|---|",
        *rows,
        "",
        f"Answered with 429 and `retry_after` {RETRY_S:.0f}, the message was accepted after "
        f"{late / 1_000.0:.1f} s. The message:",
        "",
        f"    {text}",
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--alerts", type=int, default=20)
    options = parser.parse_args(argv)
    lines = page(options.alerts)
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    sys.stdout.write("\n".join([*lines, "", f"{describe('numpy')}; load average {load}.", ""]))


if __name__ == "__main__":
    main()
