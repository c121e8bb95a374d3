"""Metrics in Prometheus' text format over HTTP, where ``TANDEM_METRICS`` says so.

They are read when they are asked for: between two scrapes nothing here runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tandem.config import PREFIX, Settings, host_and_port
from tandem.core.errors import SettingError
from tandem.core.histogram import Histogram

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from prometheus_client.metrics_core import Metric as Family

_NAME = f"{PREFIX}METRICS"


class Metric(NamedTuple):
    """A metric by its name without ``tandem_`` and ``_total``.

    `samples` are values with their labels: the same labels for each, none for a single value.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    text: str
    samples: Sequence[tuple[Mapping[str, str], float | Histogram]]


Collect = Callable[[], Iterable[Metric]]


def one(value: float | Histogram) -> list[tuple[Mapping[str, str], float | Histogram]]:
    """Return the samples of a metric that has a single value."""
    return [({}, value)]


def measured(settings: Settings) -> Histogram | None:
    """Return what durations are observed with; None where no metrics are asked for."""
    return Histogram() if settings.metrics else None


@contextmanager
def serving(address: str, collect: Collect) -> Iterator[None]:
    """Serve what `collect` returns, at ``/metrics``, while this lasts; nothing without an address.

    Raises
    ------
    SettingError
        The port is taken, or the host is none of this machine.
    """
    end = serve(address, collect)
    try:
        yield
    finally:
        end()


def serve(address: str, collect: Collect) -> Callable[[], None]:
    """Serve as `serving` does; returns what ends it."""
    if not address:
        return lambda: None
    # Not before: without the setting it costs nothing.
    import prometheus_client

    registry = prometheus_client.CollectorRegistry()
    registry.register(_Collector(collect))
    prometheus_client.ProcessCollector(registry=registry)
    host, port = host_and_port(address)
    try:
        server, thread = prometheus_client.start_http_server(port, host, registry)
    except OSError as error:
        raise SettingError(
            f"{_NAME}: nothing can listen on {host}, port {port} ({error.strerror or error}). "
            f"Choose another port, or end the program that has it, or leave {_NAME} out."
        ) from None

    server.set_app(_at_metrics(prometheus_client.make_wsgi_app(registry)))
    thread.name = "metrics"

    def end() -> None:
        server.shutdown()
        server.server_close()
        thread.join(1.0)

    return end


def _at_metrics(answer: WSGIApplication) -> WSGIApplication:
    """Answer at ``/metrics`` alone: prometheus_client does at any path."""

    def app(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == "/metrics":
            return answer(environ, start)
        start("404 Not Found", [("Content-Type", "text/plain")])
        return [b"Metrics are at /metrics.\n"]

    return app


class _Collector:
    """What prometheus_client asks at each scrape."""

    def __init__(self, collect: Collect) -> None:
        self._collect = collect

    def describe(self) -> list[Family]:
        """Name nothing before the first scrape: there may be nothing to be asked yet."""
        return []

    def collect(self) -> Iterator[Family]:
        """Yield what is collected now as prometheus_client's own."""
        for metric in self._collect():
            if metric.samples:
                yield _family(metric)


def _family(metric: Metric) -> Family:
    from prometheus_client import core

    kinds: dict[str, Any] = {
        "counter": core.CounterMetricFamily,
        "gauge": core.GaugeMetricFamily,
        "histogram": core.HistogramMetricFamily,
    }
    names = tuple(metric.samples[0][0])
    found: Any = kinds[metric.kind](f"tandem_{metric.name}", metric.text, labels=names)
    for labels, value in metric.samples:
        values = [labels[name] for name in names]
        if isinstance(value, Histogram):
            bounds = [*map(str, value.bounds), "+Inf"]
            counts, total = value.read()
            buckets = list(zip(bounds, counts, strict=True))
            found.add_metric(values, buckets=buckets, sum_value=total)
        else:
            found.add_metric(values, value)
    made: Family = found
    return made
