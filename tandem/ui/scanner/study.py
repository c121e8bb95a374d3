"""One scan as a session looks at it: what was asked, what was found, and what was added to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.core.jobs import Job
from tandem.scanner.families import Family, with_families
from tandem.scanner.persistence import persistence
from tandem.scanner.result import By, Scan
from tandem.scanner.scan import scan
from tandem.scanner.settings import ScanSettings
from tandem.scanner.surrogates import Noise, calibrated, noise
from tandem.ui.scanner.source import Source
from tandem.ui.shared.jobs import Work

Floats = npt.NDArray[np.float64]

# Noise runs that take about so many pair-bars are begun without being asked for.
AT_ONCE = 1e9
SPARK_POINTS = 60


@dataclass(frozen=True)
class Asked:
    """What the sidebar asks of a scan.

    Attributes
    ----------
    by : str
        What makes a finding: "q_value", "q_value_any" or "q_value_noise".
    noise_runs : int
        Surrogate universes scanned beside.
    """

    settings: ScanSettings
    by: By
    noise_runs: int


@dataclass(eq=False)
class Study:
    """Prices, what is asked of them, and long work begun for them.

    Attributes
    ----------
    noise : Noise, optional
        The noise runs, as they were last taken.
    """

    source: Source
    asked: Asked
    work: Work = field(default_factory=Work)
    noise: Noise | None = None
    _whole: tuple[Any, Scan, tuple[Family, ...]] | None = None
    # Every rerun draws hundreds of pairs of the same few instruments.
    _levels: dict[tuple[str, bool], Floats] = field(default_factory=dict)

    # Long work ----------------------------------------------------------------------------

    def scan_work(self) -> Callable[..., Scan]:
        """Return the work that scans."""
        return partial(scan, self.source.prices, self.asked.settings)

    def noise_work(self) -> Callable[..., Noise]:
        """Return the work that scans surrogates."""
        return partial(noise, self.source.prices, self.asked.settings, self.asked.noise_runs)

    def windows_work(self, windows: int) -> Callable[..., Scan]:
        """Return the work that scans window after window."""
        return partial(persistence, self.source.prices, self.first, windows)

    @property
    def scan_job(self) -> Job | None:
        """The scan, begun or done."""
        return self.work.job("scan", self.asked.settings)

    @property
    def noise_job(self) -> Job | None:
        """The noise runs, begun or done."""
        return self.work.job("noise", self.noise_asked)

    @property
    def noise_asked(self) -> Any:
        """What the noise runs depend on."""
        return self.asked.settings, self.asked.noise_runs

    def begin_scan(self) -> None:
        """Begin the scan, and the noise runs behind it where they are quick."""
        self.work.begin("scan", self.asked.settings, self.scan_work())
        bars, instruments = self.source.prices.shape
        cost = instruments**2 / 2 * bars * self.asked.noise_runs
        if self.asked.noise_runs and cost <= AT_ONCE:
            self.begin_noise()

    def begin_noise(self) -> None:
        """Begin the noise runs."""
        self.work.begin("noise", self.noise_asked, self.noise_work())

    # What was found -----------------------------------------------------------------------

    @property
    def first(self) -> Scan:
        """The scan as it was made; only once it is done."""
        assert self.scan_job is not None
        found: Scan = self.scan_job.result
        return found

    def take_noise(self) -> None:
        """Take the noise runs where they are done: while a page is drawn they must not come in."""
        job = self.noise_job
        self.noise = job.result if job is not None and job.state == "done" else None

    @property
    def held(self) -> Scan | None:
        """The scan with windows, once they are done."""
        found = self.work.done("windows")
        return found if isinstance(found, Scan) else None

    @property
    def by(self) -> By:
        """What makes a finding: what is asked for, the plain rule until noise runs are done."""
        asked = self.asked.by
        return "q_value" if asked == "q_value_noise" and self.noise is None else asked

    @property
    def found(self) -> Scan:
        """The scan with everything that was added to it by now."""
        return self._complete()[0]

    @property
    def families(self) -> tuple[Family, ...]:
        """The findings' families, the largest first."""
        return self._complete()[1]

    def _complete(self) -> tuple[Scan, tuple[Family, ...]]:
        parts = (self.first, self.noise, self.held, self.by)
        key = tuple(map(id, parts[:3])), self.by
        if self._whole is None or self._whole[0] != key:
            found = self.first
            if self.noise is not None:
                found = calibrated(found, self.noise)
            if self.held is not None:
                extra = {name: self.held.figures[name] for name in ("held", "windows")}
                found = dataclasses.replace(found, figures=found.figures | extra)
            self._whole = key, *with_families(found, found.found(self.by))
        return self._whole[1], self._whole[2]

    @property
    def findings(self) -> npt.NDArray[np.bool_]:
        """Which pairs are findings."""
        return self.found.found(self.by)

    # Spreads ------------------------------------------------------------------------------

    def level(self, place: int) -> Floats:
        """Return an instrument's prices as they were regressed; NaN where there is none."""
        key = self.first.names[place], self.asked.settings.log_prices
        if key not in self._levels:
            price = self.source.price(key[0])
            with np.errstate(invalid="ignore", divide="ignore"):
                self._levels[key] = np.log(price) if key[1] else price
        return self._levels[key]

    def spread(self, pair: int) -> Floats:
        """Return a pair's residual of the one regression it was tested by."""
        found = self.first
        y, x = self.level(int(found.y[pair])), self.level(int(found.x[pair]))
        figures = {name: column[pair] for name, column in found.figures.items()}
        spread: Floats = y - figures["alpha"] - figures["beta"] * x
        if "trend_slope" in figures:
            spread = spread - figures["trend_slope"] * np.cumsum(np.isfinite(spread))
        return spread

    def spark(self, pair: int) -> list[float]:
        """Return a pair's spread in its own deviations, shortened to a few points."""
        spread = self.spread(pair)
        spread = spread[np.isfinite(spread)]
        deviation = float(spread.std()) if len(spread) else 0.0
        if not deviation > 0.0:
            return []
        rows = np.linspace(0, len(spread) - 1, min(SPARK_POINTS, len(spread))).astype(int)
        shown: list[float] = np.round(spread[rows] / deviation, 2).tolist()
        return shown

    def place_of(self, y: str, x: str) -> int | None:
        """Return a pair's place in the scan by its legs' names, in either order."""
        found = self.first
        try:
            a, b = found.names.index(y), found.names.index(x)
        except ValueError:
            return None
        same = ((found.y == a) & (found.x == b)) | ((found.y == b) & (found.x == a))
        places = np.flatnonzero(same)
        return int(places[0]) if len(places) else None
