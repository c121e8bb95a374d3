"""What is measured of the venues that are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tandem.core.histogram import Histogram
from tandem.ingest.status import FeedStatus
from tandem.observability.metrics import Metric

_COUNTS: tuple[tuple[str, str, Callable[[FeedStatus], int]], ...] = (
    ("trades_received", "New trades received.", lambda one: one.trades),
    ("messages_received", "Messages received.", lambda one: one.messages),
    ("reconnects", "Connections lost and opened again.", lambda one: one.reconnects),
    ("renewals", "Connections replaced without a break.", lambda one: one.renewals),
    ("thread_restarts", "Threads begun again after an error.", lambda one: one.restarts),
    ("gaps_found", "Gaps found while receiving.", lambda one: one.gaps),
)


def feed_metrics(statuses: Sequence[FeedStatus], weights: Mapping[str, int]) -> list[Metric]:
    """Return the metrics of venues; `weights` are used of their REST limits, by venue."""
    found = [
        Metric(name, "counter", text, [(_of(status), count(status)) for status in statuses])
        for name, text, count in _COUNTS
    ]
    refused: list[tuple[Mapping[str, str], float | Histogram]] = []
    for status in statuses:
        unparsed = status.not_understood - status.ahead
        refused.append((_of(status) | {"reason": "not_parsed"}, unparsed))
        refused.append((_of(status) | {"reason": "dated_ahead"}, status.ahead))
        refused.append((_of(status) | {"reason": "outside_the_book"}, status.off_book))
    found.append(
        Metric("received_refused", "counter", "Messages and trades refused, by reason.", refused)
    )
    found.append(
        Metric(
            "feed_live",
            "gauge",
            "1 while trades arrive from a venue.",
            [(_of(status), float(status.state == "live")) for status in statuses],
        )
    )
    found.append(
        Metric(
            "instruments_silent",
            "gauge",
            "Instruments without a trade for TANDEM_SILENCE_S.",
            [(_of(status), len(status.silent)) for status in statuses],
        )
    )
    found.append(
        Metric(
            "trade_delay_seconds",
            "histogram",
            "Arrival minus trade time, of at most 50 trades of a batch; both clocks in it.",
            [(_of(one), one.delays) for one in statuses if one.delays is not None],
        )
    )
    found.append(
        Metric(
            "rest_weight_used",
            "gauge",
            "Weight used of a venue's REST limit within its window.",
            [({"venue": venue}, weight) for venue, weight in sorted(weights.items())],
        )
    )
    return found


def _of(status: FeedStatus) -> dict[str, str]:
    return {"venue": status.venue}
