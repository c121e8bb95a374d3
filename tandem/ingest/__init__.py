"""One recorder per venue: connects, reads, reconnects, detects gaps."""

from tandem.core.threads import backoff
from tandem.ingest.connection import Timing
from tandem.ingest.errors import explain
from tandem.ingest.poller import Poller
from tandem.ingest.recorder import Recorder
from tandem.ingest.service import Ingest
from tandem.ingest.status import Choice, FeedStatus, State
from tandem.storage.protocols import Sink
from tandem.venues.venue import Feed

__all__ = [
    "Choice",
    "Feed",
    "FeedStatus",
    "Ingest",
    "Poller",
    "Recorder",
    "Sink",
    "State",
    "Timing",
    "backoff",
    "explain",
]
