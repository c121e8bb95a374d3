"""Whether a pair's cointegration is sound, breaking or unknown, with a one-sentence reason."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from tandem.analytics.drift import Cusum, cusum, rolling_engle_granger
from tandem.analytics.engle_granger import engle_granger
from tandem.analytics.inputs import Floats, like, two_legs, usable

# Bars below which halves are too short to say anything of.
FEWEST = 200
LEVEL = 0.05
# A p-value from which the newest window shows nothing at all.
GONE = 0.5
State = Literal["sound", "breaking", "unknown"]


@dataclass(frozen=True, slots=True)
class Soundness:
    """A verdict on a relation over the bars given.

    Attributes
    ----------
    state : {"sound", "breaking", "unknown"}
    sentence : str
        The reason, in one sentence.
    p_value : float
        Engle and Granger's over all bars, AIC's search allowed for; NaN where there is none.
    rolling_p : ndarray, Series or DataFrame of shape (n_bars,)
        The same over the last half of the bars before each eighth; NaN elsewhere.
    cusum : Cusum or None
        The test of stability; None where there are too few bars for any.
    """

    state: State
    sentence: str
    p_value: float
    rolling_p: Any = field(repr=False)
    cusum: Cusum | None = field(repr=False)


def soundness(y: Any, x: Any) -> Soundness:
    """Judge whether y and x are cointegrated and still are at the end.

    *Sound*: Engle and Granger's test finds a relation over all bars at 5 %, CUSUM does not reject
    its stability at 5 %, and it was not lost in the newest half. *Breaking*: a relation was found,
    over all bars or in one of five overlapping halves (each at 1 %, so that five looks are worth
    one), and CUSUM rejects, or the oldest half showed it and the newest shows nothing (p above
    0.5). *Unknown*: everything else; two prices that never had a relation cannot break.

    Of 1,000 simulated bars (docs/SIZE.md): a pair that holds is called sound 95 % of the time and
    breaking 5 %; one whose level jumps breaking 80 %; unrelated prices sound 4 % and breaking 7 %.

    Parameters
    ----------
    y, x : array, Series or one-column DataFrame of shape (n_bars,)
        Prices or log prices; bars with NaN or infinity in either leg are left out.

    Returns
    -------
    Soundness
    """
    first, second = two_legs(y, x)
    mask = usable(first, second)
    count = int(mask.sum())
    nothing = like(y, np.full(len(first), np.nan), "p_value")
    if count < FEWEST:
        text = f"Not enough data: {count} of {FEWEST} bars."
        return Soundness("unknown", text, math.nan, nothing, None)
    whole = engle_granger(first[mask], second[mask])
    if math.isnan(whole.statistic):
        return Soundness("unknown", whole.note, math.nan, nothing, None)
    path = rolling_engle_granger(y, x, count // 2, count // 8)
    stable = cusum(y, x)
    told = np.asarray(path)
    told = told[np.isfinite(told)]
    state, sentence = _judge(whole.p_value_searched, told, stable.is_breaking)
    return Soundness(state, sentence, whole.p_value_searched, path, stable)


def _judge(p_value: float, told: Floats, shifted: bool) -> tuple[State, str]:
    each = LEVEL / len(told) if len(told) else 0.0
    found = p_value < LEVEL or bool((told < each).any())
    if not found:
        return "unknown", "No cointegration was found, so no break can be detected."
    if shifted:
        return "breaking", "CUSUM detects a level shift within these bars."
    if len(told) and told[0] < each and told[-1] > GONE:
        return "breaking", "The older half is cointegrated, the most recent half is not."
    if p_value < LEVEL:
        return "sound", "Cointegrated, with no break up to the latest bar."
    return "unknown", "Cointegrated on part of these bars only, not on the full sample."
