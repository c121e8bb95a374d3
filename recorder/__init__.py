"""Reading one venue in threads of its own: the socket, the reconnect loop, the status."""

from recorder.failures import backoff, explain
from recorder.line import Timing
from recorder.poller import Poller
from recorder.recorder import Feed, Recorder, Sink
from recorder.status import FeedStatus, State

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
