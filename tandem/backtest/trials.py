"""Every variant that was tried on a data set: what deflates the Sharpe ratio of the best.

A variant is counted once, however often and wherever it is tried on the same bars: by hand, in a
sweep, among those a walk-forward or a null test chooses from, in the comparison of models. Two are
the same if every setting that can change what is earned is (`setup_name`): model, windows, rules,
costs, limits and funding. The capital is not among these, it only scales returns; neither are the
lengths of a walk-forward's stretches or the surrogates, on which nothing real was tried.

A ledger is plain data. Whoever runs backtests keeps one per data set (`data_set_key`), adds every
trial, and stores `to_bytes()`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.backtest.metrics import Metrics
from tandem.core.bars import AlignedBars
from tandem.core.errors import DataError
from tandem.strategy.signals import Setup

Floats = npt.NDArray[np.float64]

# Pieces of the equity curve kept of each trial, to tell how alike two trials are.
SKETCH = 128
# Trials kept; of those beyond only the digest of the name is, up to so many.
MOST_TRIALS = 5_000
MOST_COUNTED = 1_000_000

_NUMBERS = ("sharpe", "skew", "kurtosis", "periods", "per_year", "net")
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Trial:
    """One variant that was tried.

    `name` says which (equal names are one trial), `sketch` holds what it earned in each of 128
    equal pieces of the data, `sharpe` is annualised; the rest is as in `Metrics`.
    """

    name: str
    sharpe: float
    skew: float
    kurtosis: float
    periods: int
    per_year: float
    net: float
    sketch: Floats


def trial(
    setup: Setup, measured: Metrics, equity: Floats, funding: tuple[Floats, Floats] | None = None
) -> Trial:
    """Return the trial that one backtest was.

    Parameters
    ----------
    equity : ndarray of shape (n_bars,)
        Over all bars of the data set.
    funding : (y, x), optional
        As in `tandem.backtest.run`.
    """
    edges = np.linspace(0, len(equity) - 1, SKETCH + 1).astype(np.int64)
    return Trial(
        name=setup_name(setup, funding),
        sharpe=measured.sharpe,
        skew=measured.skew,
        kurtosis=measured.kurtosis,
        periods=measured.periods,
        per_year=measured.per_year,
        net=measured.net,
        sketch=np.diff(equity[edges]),
    )


def setup_values(setup: Setup) -> dict[str, Any]:
    """Return a setup as plain values that JSON can say; None stands for no stop or no maximum."""
    values = _fields(setup)
    for name in ("rules", "costs", "limits"):
        values[name] = _fields(getattr(setup, name))
    return values


def setup_name(setup: Setup, funding: tuple[Floats, Floats] | None = None) -> str:
    """Return a setup as text, the same for setups that earn alike."""
    values = setup_values(setup)
    del values["capital"]  # it scales returns and changes no trade
    if funding is not None and any(rates.any() for rates in funding):
        digest = hashlib.sha256()
        for rates in funding:
            digest.update(np.ascontiguousarray(rates).tobytes())
        values["funding"] = digest.hexdigest()[:16]
    if setup.uses_innovation:
        del values["z_window"]  # it has no say
    return json.dumps(values, sort_keys=True)


def _fields(setup: Any) -> dict[str, Any]:
    values = {one.name: getattr(setup, one.name) for one in dataclasses.fields(setup)}
    return {name: None if value == math.inf else value for name, value in values.items()}


def data_set_key(bars: AlignedBars) -> str:
    """Return a short name of these bars, the same whenever they are read again."""
    digest = hashlib.sha256()
    for column in (bars.time_us, bars.y, bars.x, bars.usable):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()[:24]


class Ledger:
    """The trials made on one data set.

    Parameters
    ----------
    data_set : str
        See `data_set_key`.

    One thread at a time may use it.
    """

    def __init__(self, data_set: str) -> None:
        self.data_set = data_set
        self._trials: dict[str, Trial] = {}
        self._others: set[int] = set()

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Every trial, oldest first."""
        return tuple(self._trials.values())

    @property
    def count(self) -> int:
        """Number of different variants tried."""
        return len(self._trials) + len(self._others)

    def add(self, trials: Iterable[Trial]) -> None:
        """Take trials in; one that was there already takes its old place and counts once."""
        for one in trials:
            if one.name in self._trials or len(self._trials) < MOST_TRIALS:
                self._trials[one.name] = one
            elif len(self._others) < MOST_COUNTED:
                self._others.add(_digest(one.name))

    def to_bytes(self) -> bytes:
        """Return the ledger as a compressed file of plain arrays."""
        kept = self.trials
        packed = io.BytesIO()
        arrays: dict[str, Any] = {
            name: np.array([getattr(one, name) for one in kept], np.float64) for name in _NUMBERS
        }
        arrays["names"] = np.frombuffer(json.dumps([one.name for one in kept]).encode(), np.uint8)
        arrays["sketch"] = np.array([one.sketch for one in kept], np.float32).reshape(-1, SKETCH)
        arrays["others"] = np.array(sorted(self._others), np.int64)
        arrays["version"] = np.array([_VERSION], np.int64)
        np.savez_compressed(packed, allow_pickle=False, **arrays)
        return packed.getvalue()

    @classmethod
    def from_bytes(cls, blob: bytes, data_set: str) -> Ledger:
        """Return the ledger that `to_bytes` wrote.

        Raises
        ------
        DataError
            The bytes are no ledger of this version; start a new one.
        """
        try:
            with np.load(io.BytesIO(blob), allow_pickle=False) as saved:
                version, others = int(saved["version"][0]), saved["others"]
                names = json.loads(bytes(saved["names"]))
                numbers = {name: saved[name] for name in _NUMBERS}
                sketch = saved["sketch"].astype(np.float64)
        except (OSError, KeyError, IndexError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(_refusal(type(error).__name__)) from None
        lengths = {len(names), len(sketch), *(len(column) for column in numbers.values())}
        if version != _VERSION or len(lengths) != 1 or sketch.shape[1:] != (SKETCH,):
            raise DataError(_refusal(f"version {version}"))
        ledger = cls(data_set)
        ledger._others = {int(one) for one in others[:MOST_COUNTED]}
        for row, name in enumerate(names[:MOST_TRIALS]):
            values: dict[str, Any] = {key: float(column[row]) for key, column in numbers.items()}
            values["periods"] = int(values["periods"])
            ledger._trials[name] = Trial(name=name, sketch=sketch[row], **values)
        return ledger


def _digest(name: str) -> int:
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def _refusal(why: str) -> str:
    return f"The saved ledger of trials cannot be read ({why:.60}); start a new one."
