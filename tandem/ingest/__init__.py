"""Reading one venue in threads of its own: the socket, the reconnect loop, the status."""

from tandem.ingest.connection import Timing
from tandem.ingest.errors import backoff, explain
from tandem.ingest.poller import Poller
from tandem.ingest.recorder import Recorder
from tandem.ingest.status import FeedStatus, State
from tandem.storage.protocols import Sink
from tandem.venues.base import Feed

__all__ = [
    "Feed",
    "FeedStatus",
    "Poller",
    "Recorder",
    "Sink",
    "State",
    "Timing",
    "backoff",
    "explain",
]
