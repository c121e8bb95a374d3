"""What is measured of the database."""

from __future__ import annotations

from collections.abc import Sequence

from tandem.core.instruments import split_instrument
from tandem.observability.metrics import Metric, one
from tandem.storage.reader import GAP_STATES
from tandem.storage.records import Held, StoreHealth


def store_metrics(health: StoreHealth, held: Sequence[Held]) -> list[Metric]:
    """Return the metrics of a database by its state and what it holds."""
    found = [
        Metric("trades_stored", "counter", "New trades committed.", one(health.written)),
        Metric(
            "entries_refused",
            "counter",
            "Entries the database did not take, by reason.",
            [
                ({"reason": "not_storable"}, health.refused),
                ({"reason": "older_than_kept"}, health.expired),
                ({"reason": "queue_full"}, health.lost),
            ],
        ),
        Metric("trades_pruned", "counter", "Trades removed by retention.", one(health.pruned)),
        Metric("store_queue_entries", "gauge", "Entries waiting for a commit.", one(health.queued)),
        Metric(
            "store_behind_seconds",
            "gauge",
            "How long the oldest of them has waited.",
            one(health.oldest_waiting_s),
        ),
        Metric(
            "store_recording",
            "gauge",
            "1 while recording, 0 while paused, closed or reading beside another process.",
            one(float(health.state == "recording")),
        ),
        Metric("store_bytes", "gauge", "File with its write-ahead log.", one(health.bytes)),
        Metric("store_trades", "gauge", "Trades held, by venue.", _by_venue(held)),
        Metric(
            "gaps",
            "gauge",
            "Gaps held, by state.",
            [
                ({"state": state}, sum(here.gaps.get(state, 0) for here in held))
                for state in GAP_STATES
            ],
        ),
    ]
    if health.commits is not None:
        found.append(
            Metric("commit_seconds", "histogram", "Duration of commits.", one(health.commits))
        )
    return found


def _by_venue(held: Sequence[Held]) -> list[tuple[dict[str, str], float]]:
    counts: dict[str, int] = {}
    for here in held:
        venue = split_instrument(here.instrument)[0]
        counts[venue] = counts.get(venue, 0) + here.trades
    return [({"venue": venue}, count) for venue, count in sorted(counts.items())]
