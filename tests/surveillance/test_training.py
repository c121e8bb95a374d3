"""Downloads for the watch, from a stand-in candle_venue: learned from, kept, stopped, refused."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from tandem.core.errors import DataError
from tandem.core.events import Funding
from tandem.surveillance.isolation_forest import Forest
from tandem.surveillance.settings import WatchSettings
from tandem.surveillance.training import DownloadProgress, ModelTraining
from tests.support.candle_venue import NAME, SPOT, CandleVenue
from tests.support.waiting import wait_until

WATCHING = WatchSettings(trees=10)


class Kept:
    """A record that remembers what it was given."""

    def __init__(self) -> None:
        self.candles: list[Any] = []
        self.fundings: list[Funding] = []

    def put_candles(self, instrument: str, rows: Any) -> None:
        self.candles.append((instrument, rows))

    def submit(self, events: Sequence[Funding]) -> None:
        self.fundings += events


class Class:
    """A training with all it hands out."""

    def __init__(self, candle_venue: CandleVenue) -> None:
        self.kept = Kept()
        self.models: dict[str, Forest] = {}
        self.training = ModelTraining(
            candle_venue.settings, self.kept, self.models.__setitem__, candle_venue.clients
        )

    def over(self, name: str) -> DownloadProgress:
        lesson = wait_until(
            lambda: (one := self.training.progress(name)) is not None and one.is_over and one,
            "the end of the download",
        )
        assert isinstance(lesson, DownloadProgress)
        return lesson


@pytest.fixture
def taught(candle_venue: CandleVenue) -> Iterator[Class]:
    one = Class(candle_venue)
    yield one
    one.training.stop()


def test_seconds_train_a_model(taught: Class) -> None:
    taught.training.start(SPOT, 0.5, WATCHING)
    lesson = taught.over(SPOT)
    assert lesson.share == 1.0
    assert lesson.text.startswith("Trained on 1,7")
    forest = taught.models[SPOT]
    assert forest.bars > 1_700
    assert forest.features == WATCHING.features
    assert not taught.kept.candles


def test_where_there_are_no_seconds_candles_and_funding_go_into_the_record(taught: Class) -> None:
    taught.training.start(NAME, 24.0, WATCHING)
    lesson = taught.over(NAME)
    ((name, candles),) = taught.kept.candles
    assert name == NAME
    assert 1_438 <= len(candles) <= 1_441
    assert (np.diff(candles["time_us"]) == 60_000_000).all()
    assert candles["last_us"][-1] < time.time() * 1e6
    assert len(taught.kept.fundings) == 3
    assert (
        f"{len(candles):,} one-minute candles" in lesson.text and "3 funding rates" in lesson.text
    )
    assert not taught.models


def test_a_download_can_be_stopped_and_begun_again(
    taught: Class, candle_venue: CandleVenue
) -> None:
    candle_venue.gate.clear()
    taught.training.start(SPOT, 24.0, WATCHING)
    wait_until(lambda: candle_venue.asked, "the first page to be asked for")
    with pytest.raises(DataError, match="already running"):
        taught.training.start(SPOT, 1.0, WATCHING)
    taught.training.cancel(SPOT)
    candle_venue.gate.set()
    assert taught.over(SPOT).text == "Stopped; nothing changed."
    assert not taught.models
    taught.training.start(SPOT, 0.5, WATCHING)
    assert taught.over(SPOT).text.startswith("Trained")


@pytest.mark.parametrize(
    ("name", "status", "body", "said"),
    [
        (SPOT, 400, b"{}", "check the symbol"),
        (SPOT, 200, b"[]", "0 bars downloaded."),
        (SPOT, 200, b"{", "Nothing changed."),
        ("coingecko:BITCOIN", 200, None, "has no candles to download"),
    ],
)
def test_what_goes_wrong_is_said(
    taught: Class,
    candle_venue: CandleVenue,
    name: str,
    status: int,
    body: bytes | None,
    said: str,
) -> None:
    candle_venue.status, candle_venue.body = status, body
    taught.training.start(name, 1.0, WATCHING)
    assert said in taught.over(name).text
    assert not taught.models and not taught.kept.candles
    assert not taught.training.problem


@pytest.mark.parametrize("hours", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_hours_that_cannot_be_are_refused(taught: Class, hours: float) -> None:
    with pytest.raises(DataError, match="can be downloaded"):
        taught.training.start(SPOT, hours, WATCHING)


def test_an_unexpected_error_ends_the_download_and_is_said(
    taught: Class, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("secret")

    monkeypatch.setattr(taught.kept, "put_candles", broken)
    taught.training.start(NAME, 1.0, WATCHING)
    assert "internal error" in taught.over(NAME).text
    assert "secret" not in wait_until(lambda: taught.training.problem, "the sentence")
