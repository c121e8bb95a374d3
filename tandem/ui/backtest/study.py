"""One backtest as a session looks at it: its result, what was tried, and long work begun for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import streamlit as st

from tandem.backtest.grid import Grid
from tandem.backtest.run import Result, compare, run
from tandem.backtest.runtime_estimate import Pace, pace_of
from tandem.backtest.significance import Luck, judge
from tandem.backtest.trials import Ledger, trial
from tandem.core.errors import DataError, StoreError
from tandem.core.jobs import Job
from tandem.core.startup import HeavyWork
from tandem.pairs.cointegration import Relation, assess
from tandem.pairs.stream import PairSettings
from tandem.storage.protocols import Database
from tandem.strategy.pair_model import MODELS, Model
from tandem.strategy.signals import constant_funding
from tandem.ui.backtest.controls import Asked
from tandem.ui.backtest.source import Source
from tandem.ui.shared import messages as say
from tandem.ui.shared.jobs import Work
from tandem.ui.shared.state import is_operator, part

Columns = dict[str, npt.NDArray[Any]]


@dataclass
class Study:
    """A pair under one setup.

    Attributes
    ----------
    funding : (y, x) arrays, or None
    relation : Relation or None
        None where there are too few bars to tell.
    ledger : Ledger
        Every variant tried on these bars.
    work : Work
        Long work begun for it.
    """

    source: Source
    asked: Asked
    funding: Any
    result: Result
    relation: Relation | None
    ledger: Ledger
    work: Work = field(default_factory=Work)
    counted: dict[str, Job] = field(default_factory=dict)
    _luck: tuple[int, Luck] | None = None
    _pace: tuple[Any, Pace] | None = None

    @cached_property
    def settings(self) -> PairSettings:
        """The pair as the charts name it."""
        return settings_of(self.source, self.asked)

    @cached_property
    def columns(self) -> Columns:
        """The bars with what the model said and what was done, as the charts take them."""
        return columns_of(self.source, self.result)

    @cached_property
    def models(self) -> Mapping[Model, Result]:
        """The same setup under each model, from the first bar at which all have a z."""
        found = part(HeavyWork).run(
            compare, self.source.bars, self.asked.setup, MODELS, self.funding
        )
        self.tried(
            [trial(one.setup, one.metrics, one.equity, self.funding) for one in found.values()]
        )
        return found

    @property
    def version(self) -> str:
        """Changes whenever a picture of the result would."""
        return f"{self.source.key}/{hash((self.asked.setup, self.asked.funding))}"

    def luck(self) -> Luck:
        """Judge the Sharpe ratio by all that was tried by now."""
        if self._luck is None or self._luck[0] != self.ledger.count:
            found = part(HeavyWork).run(judge, self.result.metrics, self.ledger)
            self._luck = self.ledger.count, found
        return self._luck[1]

    def tried(self, trials: Any) -> None:
        """Count variants, and keep the count where this session may write."""
        before = self.ledger.count
        self.ledger.add(trials)
        if self.ledger.count == before or not is_operator():
            return
        try:
            part(Database).save_state(_ledger_name(self.source.key), self.ledger.to_bytes())
        except (DataError, StoreError) as error:
            say.note(f"Trials are counted only until this page is closed: {error}")

    def settle(self) -> None:
        """Count the variants of long work that is done: what was seen was tried."""
        for name, job in self.work.finished().items():
            if self.counted.get(name) is job:
                continue
            self.counted[name] = job
            # A null test is one per null, both over the same variants.
            parts = job.result if isinstance(job.result, tuple) else (job.result,)
            self.tried(parts[0].trials)

    def pace(self, grid: Grid) -> Pace:
        """Return how fast this grid goes on these bars; measured once for each."""
        key = tuple(grid.setups())
        if self._pace is None or self._pace[0] != key:
            found = part(HeavyWork).run(pace_of, self.source.bars, grid, self.funding)
            self._pace = key, found
        return self._pace[1]


def study(source: Source, asked: Asked) -> Study:
    """Return this session's study, made anew where bars, setup or funding changed.

    Raises
    ------
    DataError
        The setup cannot be run on these bars.
    """
    memory = st.session_state
    last: Study | None = memory.get("tandem_study")
    if last is not None and last.source is source and last.asked == asked:
        return last
    if last is not None:
        last.work.close()
        # Before the next is made: both at once would take twice the room.
        del memory["tandem_study"]
    is_same = last is not None and last.source.key == source.key
    ledger = last.ledger if last is not None and is_same else _ledger(source.key)
    with st.spinner("Running the backtest"):
        made: Study = part(HeavyWork).run(_make, source, asked, ledger)
    result = made.result
    made.tried([trial(asked.setup, result.metrics, result.equity, made.funding)])
    memory["tandem_study"] = made
    return made


def _make(source: Source, asked: Asked, ledger: Ledger) -> Study:
    funding = None
    if asked.has_funding:
        funding = constant_funding(source.bars.time_us, source.bar_us, *asked.funding)
    result = run(source.bars, asked.setup, funding)
    view = {
        "usable": source.bars.usable,
        "y": source.bars.y,
        "x": source.bars.x,
        "beta": result.signals.beta,
    }
    relation = assess(view, settings_of(source, asked), most=len(source.bars.time_us))
    return Study(source, asked, funding, result, relation, ledger)


def settings_of(source: Source, asked: Asked) -> PairSettings:
    """Return a backtest as the live page would name it."""
    return asked.setup.extended(PairSettings, y=source.y, x=source.x, bar_us=source.bar_us)


def columns_of(source: Source, result: Result) -> Columns:
    """Return bars, signals and account by column (see `pair.COLUMNS`)."""
    bars, said, done = source.bars, result.signals, result.done
    is_log = result.setup.rules.log_prices
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        x = np.log(bars.x) if is_log else bars.x
        level = said.alpha + said.beta * x
        hedged = np.exp(level) if is_log else level
    return {
        **{"time_us": bars.time_us, "y": bars.y, "x": bars.x, "usable": bars.usable},
        **{"candles": bars.candles, "alpha": said.alpha, "beta": said.beta, "hedged": hedged},
        **{"spread": said.spread, "mean": said.mean, "deviation": said.deviation, "z": said.z},
        **{"signal": done.signal, "position": done.position, "event": done.event},
        **{"filled": done.filled, "y_quantity": done.y_quantity, "x_quantity": done.x_quantity},
        **{"cash": done.cash, "equity": done.equity, "drawdown": result.drawdown},
    }


def _ledger_name(key: str) -> str:
    return f"trials:{key}"


def _ledger(key: str) -> Ledger:
    """Return the variants tried on these bars before; visitors in public mode start afresh."""
    if is_operator():
        try:
            blob = part(Database).load_state(_ledger_name(key))
            if blob is not None:
                return Ledger.from_bytes(blob, key)
        except (DataError, StoreError) as error:
            say.warning(f"The trial count was reset: {error}")
    return Ledger(key)
