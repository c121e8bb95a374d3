"""Every library function ours are compared with, the worst difference found, and where a library
was wrong: writes docs/COMPARED.md.

python -m benchmarks.compared [--dry]
"""  # noqa: D205

from __future__ import annotations

import argparse
import math
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benchmarks.machine import describe
from benchmarks.peers import COMPARISONS, Floats, difference
from benchmarks.size import cell
from benchmarks.worlds import INDEPENDENT, related, unrelated
from tandem import analytics
from tandem.analytics.critical_values import Trend
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "COMPARED.md"
TRENDS: tuple[Trend, ...] = ("n", "c", "ct")
LENGTHS = (30, 60, 300, 1_000)
# Both results of one case, as numbers.
Case = tuple[Any, Any]


class Compared(NamedTuple):
    """One row.

    Attributes
    ----------
    ours, library, what : str
        Functions, and which of their numbers.
    cases : callable
        ``repeats -> pairs of (ours, library's)``.
    close : float
        Required by the tests: the largest difference over the largest number of a case.
    """

    ours: str
    library: str
    what: str
    cases: Callable[[int], Iterator[Case]]
    close: float


def worst(row: Compared, repeats: int) -> tuple[int, float]:
    """Return the number of cases and the largest difference over the largest number of its case.

    Infinite where one side has a number and the other none.
    """
    count, largest = 0, 0.0
    for ours, theirs in row.cases(repeats):
        a, b = (np.asarray(side, dtype=np.float64).ravel() for side in (ours, theirs))
        told = np.isfinite(b)
        count += 1
        if not np.array_equal(np.isfinite(a), told):
            return count, math.inf
        if told.any():
            scale = max(float(np.abs(b[told]).max()), 1e-300)
            largest = max(largest, float(np.abs(a - b)[told].max()) / scale)
    return count, largest


def _prices(repeats: int) -> Iterator[tuple[Floats, Floats]]:
    for bars in LENGTHS:
        for seed in range(repeats):
            yield unrelated(INDEPENDENT, bars, seed)
            yield related(INDEPENDENT, bars, seed, 10.0)


def _coint(repeats: int) -> Iterator[Case]:
    from statsmodels.tsa.stattools import coint

    for y, x in _prices(repeats):
        for trend in TRENDS:
            ours = analytics.engle_granger(y, x, trend)
            statistic, p_value, critical = coint(y, x, trend=trend)
            yield (
                [ours.statistic, ours.p_value_asymptotic, *ours.critical_values.values()],
                [statistic, p_value, *critical],
            )


def _adfuller(repeats: int) -> Iterator[Case]:
    from statsmodels.tsa.stattools import adfuller

    for _, x in _prices(repeats):
        for trend in TRENDS:
            ours = analytics.adf(x, trend=trend)
            peer = adfuller(x, regression=trend, autolag="aic", result_object=True)
            yield (
                [
                    ours.statistic,
                    ours.p_value_asymptotic,
                    ours.lags,
                    *ours.critical_values.values(),
                ],
                [peer.statistic, peer.pvalue, peer.lags, *peer.critical_values.values()],
            )


def _arch_engle_granger(repeats: int) -> Iterator[Case]:
    from arch.unitroot.cointegration import engle_granger

    for y, x in _prices(repeats):
        found = engle_granger(y, pd.DataFrame({"x": x}), trend="c", lags=2)
        yield analytics.engle_granger(y, x, lags=2).statistic, found.stat


def _phillips_ouliaris(repeats: int) -> Iterator[Case]:
    from arch.unitroot.cointegration import phillips_ouliaris

    for y, x in _prices(repeats):
        for trend in TRENDS:
            ours = analytics.phillips_ouliaris(y, x, trend)
            peer = phillips_ouliaris(y, pd.DataFrame({"x": x}), trend=trend, test_type="Zt")
            yield [ours.statistic, ours.p_value], [peer.stat, peer.pvalue]


def _johansen(repeats: int) -> Iterator[Case]:
    from statsmodels.tsa.vector_ar.vecm import coint_johansen

    for y, x in _prices(repeats):
        prices = np.column_stack([y, x])
        ours, peer = analytics.johansen(prices), coint_johansen(prices, 0, 1)
        yield (
            [*ours.trace, *ours.max_eigenvalue, *ours.eigenvalues],
            [*peer.lr1, *peer.lr2, *peer.eig],
        )


def _pykalman(y: Floats, x: Floats) -> tuple[Any, dict[str, Any]]:
    from pykalman import KalmanFilter

    process, start, cov = np.diag([1e-3, 1e-6]), (1.0, 0.1), np.diag([10.0, 1.0])
    peer = KalmanFilter(
        transition_matrices=np.eye(2),
        observation_matrices=np.column_stack([np.ones(len(x)), x])[:, None, :],
        transition_covariance=process,
        observation_covariance=2.0,
        initial_state_mean=start,
        initial_state_covariance=cov,
    )
    given = {
        "observation_var": 2.0,
        "process_cov": process,
        "initial_state": start,
        "initial_cov": cov,
    }
    return peer, given


def _kalman_filter(repeats: int) -> Iterator[Case]:
    for y, x in _prices(repeats):
        peer, given = _pykalman(y, x)
        means, covariances = peer.filter(y)
        states = analytics.KalmanHedge(**given).states(y, x)
        yield states.alpha, means[:, 0]
        yield states.beta, means[:, 1]
        yield states.cov, covariances


def _kalman_smoother(repeats: int) -> Iterator[Case]:
    from statsmodels.tsa.api import UnobservedComponents

    for seed in range(repeats):
        level = np.cumsum(np.random.default_rng(seed).normal(size=200))
        ours = analytics.smooth_kalman(
            level, np.zeros(200), 2.0, process_cov=np.diag([1.0, 0.0]),
            initial_cov=np.diag([1e9, 0.0]),
        )  # fmt: skip
        peer = UnobservedComponents(level, "llevel", use_exact_diffuse=True).smooth([2.0, 1.0])
        yield ours.alpha, peer.smoothed_state[0]
        yield ours.cov[:, 0, 0], peer.smoothed_state_cov[0, 0]


def _hurst(repeats: int) -> Iterator[Case]:
    for _, x in _prices(repeats):
        most = min(10, len(x) // 2)
        squares = [np.mean((x[k:] - x[:-k]) ** 2) for k in range(1, most + 1)]
        slope = np.polyfit(np.log(np.arange(1, most + 1)), np.log(squares), 1)[0]
        yield analytics.hurst(x, most), slope / 2.0


ROWS = (
    Compared(
        "engle_granger", "statsmodels `coint`", "statistic, p, critical values; trends n, c, ct",
        _coint, 1e-8,
    ),
    Compared(
        "engle_granger", "arch `engle_granger`", "statistic at 2 lags", _arch_engle_granger, 1e-8
    ),
    Compared(
        "adf", "statsmodels `adfuller`", "statistic, p, lags, critical values; trends n, c, ct",
        _adfuller, 1e-8,
    ),
    Compared(
        "johansen", "statsmodels `coint_johansen`", "both statistics, eigenvalues", _johansen, 1e-7
    ),
    Compared(
        "phillips_ouliaris", "arch `phillips_ouliaris`", "Z_t, p; trends n, c, ct",
        _phillips_ouliaris, 1e-7,
    ),
    Compared(
        "KalmanHedge.states", "pykalman `filter`", "means and covariances", _kalman_filter, 1e-6
    ),
    Compared(
        "smooth_kalman", "statsmodels `UnobservedComponents.smooth`", "level and its variance",
        _kalman_smoother, 1e-6,
    ),
    Compared("hurst", "numpy `polyfit`", "exponent", _hurst, 1e-9),
)  # fmt: skip


# Where a library was wrong --------------------------------------------------------------------


def rejections(work: Callable[[Floats, Floats], bool], bars: int, repeats: int) -> str:
    """Return how often `work` rejects for unrelated walks, with its standard error."""
    found = [work(*unrelated(INDEPENDENT, bars, seed)) for seed in range(repeats)]
    return cell(float(np.mean(found)), repeats)


def _trace_rejects(drift: bool) -> Callable[[Floats, Floats], bool]:
    def work(y: Floats, x: Floats) -> bool:
        found = analytics.johansen(np.column_stack([y, x]), drift=drift)
        return bool(found.trace[0] > found.trace_critical[0, 1])

    return work


def huber_excess(windows: int) -> tuple[float, float]:
    """Return by how much scikit-learn's minimum lies above ours at worst, and the slope's change.

    Both relative; windows of 60 standardised bars, its solver at its default tolerance.
    """
    from scipy.optimize import minimize_scalar
    from sklearn.linear_model import HuberRegressor

    excess = slope = 0.0
    for seed in range(windows):
        y, x = related(INDEPENDENT, 60, seed, 10.0)
        v, u = (y - y.mean()) / y.std(), (x - x.mean()) / x.std()
        hedge = analytics.rolling_huber(v, u, 60)
        alpha, beta = hedge.alpha[-1], hedge.beta[-1]
        peer = HuberRegressor(alpha=0.0, max_iter=10_000).fit(u[:, None], v)
        size = np.abs(v - alpha - beta * u)
        least = minimize_scalar(
            lambda sigma, size=size: _huber(size, sigma), bounds=(1e-3, 3.0), method="bounded",
            options={"xatol": 1e-12},
        ).fun  # fmt: skip
        theirs = _huber(np.abs(v - peer.intercept_ - peer.coef_[0] * u), peer.scale_)
        excess = max(excess, theirs / least - 1.0)
        slope = max(slope, abs(peer.coef_[0] / beta - 1.0))
    return excess, slope


def _huber(size: Floats, sigma: float) -> float:
    scaled = size / sigma
    outside = 2.0 * 1.35 * scaled - 1.35**2
    return float(np.sum(sigma + sigma * np.where(scaled < 1.35, scaled**2, outside)))


# What y and x are multiplied by.
SCALES = ((1.0, 1.0), (1e3, 1.0), (1.0, 1e-12), (1.0, 1e12), (1e-30, 1e-30))


def phillips_ouliaris_units() -> list[list[str]]:
    """Return arch's statistics and our Z_t of one pair with its prices in ever other units."""
    from arch.unitroot.cointegration import phillips_ouliaris

    y, x = related(INDEPENDENT, 300, 1, 10.0)
    rows = []
    for by_y, by_x in SCALES:
        legs = by_y * y, pd.DataFrame({"x": by_x * x})
        theirs = [phillips_ouliaris(*legs, test_type=name).stat for name in ("Zt", "Pu", "Pz")]
        ours = analytics.phillips_ouliaris(by_y * y, by_x * x).statistic
        numbers = [f"{value:.4f}" for value in (*theirs, ours)]
        rows.append([f"{by_y:g}", f"{by_x:g}", *numbers])
    return rows


# The page -------------------------------------------------------------------------------------


def table(*rows: list[str]) -> str:
    """Return a Markdown table; the first row is its head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def differences(repeats: int) -> str:
    """Return the table of all that is compared."""
    rows = [["ours", "library", "compared", "cases", "worst difference"]]
    for row in ROWS:
        count, largest = worst(row, repeats)
        rows.append([f"`{row.ours}`", row.library, row.what, str(count), f"{largest:.0e}"])
    for bench in COMPARISONS:
        if bench.peer is not None:
            bars = (540, 900) if "500" in bench.name else (320, 600)
            largest = max(difference(bench, count) for count in bars)
            rows.append([bench.name, bench.peer_name, "every bar", "2", f"{largest:.0e}"])
    return table(*rows)


def mistakes(scale: float) -> dict[str, str]:
    """Return what the page says of the libraries, measured."""
    many, few = max(20, int(20_000 * scale)), max(20, int(2_000 * scale))
    johansen = [["bars", "statsmodels' critical values", "ours"]] + [
        [f"{bars:,}", *(rejections(_trace_rejects(drift), bars, few) for drift in (True, False))]
        for bars in (100, 250, 1_000)
    ]
    asymptotic = [["bars", "asymptotic p", "ours, allowing for the search over lags"]]
    for bars in (50, 100, 250):
        asymptotic.append(
            [
                f"{bars}",
                rejections(
                    lambda y, x: analytics.engle_granger(y, x).p_value_asymptotic < 0.05, bars, many
                ),
                rejections(
                    lambda y, x: analytics.engle_granger(y, x).p_value_searched < 0.05, bars, many
                ),
            ]
        )
    windows = max(20, int(400 * scale))
    excess, slope = huber_excess(windows)
    units = [
        ["y times", "x times", "arch Z_t", "arch P_u", "arch P_z", "our Z_t"],
        *phillips_ouliaris_units(),
    ]
    return {
        "johansen": table(*johansen),
        "johansen_repeats": f"{few:,}",
        "asymptotic": table(*asymptotic),
        "asymptotic_repeats": f"{many:,}",
        "windows": str(windows),
        "excess": f"{excess:.0e}",
        "slope": f"{slope:.0e}",
        "units": table(*units),
    }


TEXT = """\
# Agreement with the reference libraries

Written by `python -m benchmarks.compared`; the tests require the same rows to agree. *Worst difference*: the largest of all cases, relative to
the largest value in that case. The first rows use two independent random walks, and a pair with a half-life of 10 bars, of 30, 60,
300 and 1,000 bars. The last rows are those of the table of speeds, with its pair at 320 and 600 bars (window 500: 540 and 900). The tests
also compare with certified data, published results and plain Python twins.

{differences}

scikit-learn's Huber regression differs that much because its solver stops early (see below).

## Where a library was wrong

**Johansen's critical values.** statsmodels' `coint_johansen` with a constant uses critical values for prices with drift. On independent
random walks without drift its trace test at 5 % rejects (percent, {johansen_repeats} repeats):

{johansen}

**Asymptotic p-values in short samples.** statsmodels' `coint` returns MacKinnon's asymptotic p-value, which does not allow for the search over
lags. On independent random walks a 5 % test rejects (percent, {asymptotic_repeats} repeats; computed with our copy of its p-value, which agrees
to the digits above):

{asymptotic}

**Early stopping.** scikit-learn's `HuberRegressor` at its default tolerance stops above the minimum of its own objective: over
{windows} windows of 60 bars by a relative {excess} at most, with a relative error of the slope of up to {slope}.

**Units.** Phillips and Ouliaris' statistics should not depend on units. arch's `phillips_ouliaris` for one pair:

{units}

Ours centres and scales the prices first; it does not provide P_u and P_z.

{machine}. {seconds:.0f} s.
"""  # noqa: E501


def main() -> None:
    """Compare, simulate, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the repeats")
    parser.add_argument("--dry", action="store_true", help="leave docs/COMPARED.md as it is")
    options = parser.parse_args()
    start = time.perf_counter()
    with threadpool_limits(1), warnings.catch_warnings():
        # The libraries' remarks on their own interfaces and on short samples.
        warnings.simplefilter("ignore")
        found = differences(max(2, int(10 * options.scale)))
        told = mistakes(options.scale)
    machine = describe(
        "numpy", "pandas", "scipy", "statsmodels", "scikit-learn", "pykalman", "arch"
    )
    page = TEXT.format(
        differences=found, **told, machine=machine, seconds=time.perf_counter() - start
    )
    sys.stdout.write(page)
    if not options.dry:
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
