"""What a round trip would cost now, and what a return to the exit threshold would leave."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from tandem.pairs.stream import PairSettings


class LegQuote(NamedTuple):
    """Half of a leg's bid-ask spread in basis points, and whether it is only estimated."""

    half_spread_bp: float
    estimated: bool


@dataclass(frozen=True, slots=True)
class TradeCost:
    """A round trip's cost in basis points of the Y leg's value, for the trade z points at.

    `funding_bp` is what is paid (negative: received) until the spread is expected to reach the exit
    threshold; NaN, and left out of the total, where a rate or the half-life is unknown.
    `break_even_z` is the move in z that pays for it all; `left_bp` is what a return to the exit
    threshold would leave, NaN where z is there already.
    """

    fees_bp: float
    spreads_bp: float
    funding_bp: float
    break_even_z: float
    left_bp: float
    spreads_estimated: bool

    @property
    def total_bp(self) -> float:
        """All of it that is known."""
        known = self.funding_bp if np.isfinite(self.funding_bp) else 0.0
        return self.fees_bp + self.spreads_bp + known


def trade_cost(
    settings: PairSettings,
    prices: tuple[float, float],
    beta: float,
    z: float,
    deviation: float,
    quotes: tuple[LegQuote, LegQuote],
    funding_per_hour: tuple[float, float] = (0.0, 0.0),
    holding_hours: float = 0.0,
) -> TradeCost:
    """Estimate what a trade at these prices would cost and earn.

    Parameters
    ----------
    prices : (y, x)
    beta, z, deviation : float
        Hedge ratio, z-score and the spread's deviation, in the units of the settings (log or raw).
    quotes : (y, x)
        Half-spreads of the legs.
    funding_per_hour : (y, x)
        Fraction of a long leg's notional paid per hour; NaN where unknown.
    holding_hours : float
        Expected time in the trade; NaN or infinite where the half-life is.
    """
    costs = replace(
        settings.costs,
        y_half_spread_bp=quotes[0].half_spread_bp,
        x_half_spread_bp=quotes[1].half_spread_bp,
    )
    trip = costs.round_trip_bp(settings.rules.notional_ratio(*prices, beta))
    y_quantity, x_quantity = settings.rules.quantities(1, *prices, beta)
    ratio = -x_quantity * prices[1] / (y_quantity * prices[0])
    side = -1.0 if z > 0 else 1.0
    funding = _funding_bp(side, ratio, funding_per_hour, holding_hours)
    deviation_bp = deviation * 1e4 if settings.log_prices else deviation / prices[0] * 1e4
    cost = trip.total_bp + (0.0 if np.isnan(funding) else funding)
    way = abs(z) - settings.rules.exit
    return TradeCost(
        fees_bp=trip.fees_bp,
        spreads_bp=trip.spread_bp,
        funding_bp=funding,
        break_even_z=cost / deviation_bp if deviation_bp > 0 else float("nan"),
        left_bp=way * deviation_bp - cost if way > 0.0 else float("nan"),
        spreads_estimated=quotes[0].estimated or quotes[1].estimated,
    )


def _funding_bp(
    side: float, ratio: float, per_hour: tuple[float, float], holding_hours: float
) -> float:
    """Return what the trade is expected to pay, in basis points of the Y leg's value."""
    rate = side * (per_hour[0] - ratio * per_hour[1])
    if rate == 0.0:
        return 0.0
    paid = rate * holding_hours * 1e4
    return paid if np.isfinite(paid) else float("nan")
