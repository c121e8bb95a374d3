"""Which gap is filled next: what is looked at first, within each venue's budget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tandem.backfill.jobs import Job
from tandem.core.clock import steady_s
from tandem.core.instruments import split_instrument
from tandem.net.rate_limit import BACKGROUND_SHARE
from tandem.net.venue_client import VenueClients
from tandem.venues.rest import SHARE

LONG_TRADES = 20_000


class Schedule:
    """Orders jobs. One thread asks; any may say what is looked at.

    Parameters
    ----------
    poll_s : float
        The longest wait until jobs should be looked at again.
    """

    def __init__(self, clients: VenueClients, poll_s: float) -> None:
        self._clients = clients
        self._poll_s = poll_s
        self._ranks: dict[str, int] = {}

    def want(self, instruments: Sequence[str]) -> bool:
        """Take what is looked at now, most important first; returns whether that is new."""
        ranks = {name: rank for rank, name in enumerate(dict.fromkeys(instruments))}
        is_new = ranks != self._ranks
        self._ranks = ranks
        return is_new

    def choose(self, jobs: Iterable[Job]) -> tuple[Job | None, float]:
        """Return the most important job that may go on now, or how long until one may."""
        now = steady_s()
        wait_s = self._poll_s
        busy: set[str] = set()
        for job in sorted(jobs, key=self.importance):
            venue = split_instrument(job.gap.instrument)[0]
            if venue in busy:
                continue
            job_wait_s = max(job.not_before_s - now, 0.0)
            if not job_wait_s:
                job_wait_s = self.budget_wait_s(job)
                if not job_wait_s:
                    return job, 0.0
                # Cheaper work behind it would keep it waiting for ever.
                busy.add(venue)
            wait_s = min(wait_s, job_wait_s)
        return None, wait_s

    def importance(self, job: Job) -> tuple[bool, bool, bool, int, int]:
        """Sort key: pasts of what is looked at, then its gaps, short ones first, by rank and age.

        A gap of very many trades would keep all others of its venue waiting.
        """
        is_urgent = self.is_urgent(job)
        rank = self._ranks.get(job.gap.instrument, len(self._ranks))
        is_long = job.expected > LONG_TRADES
        return not (job.is_warm_up and is_urgent), not is_urgent, is_long, rank, -job.gap.end_us

    def is_urgent(self, job: Job) -> bool:
        """Return whether somebody waits for it."""
        return job.is_warm_up or job.gap.instrument in self._ranks

    def share(self, job: Job) -> float:
        """Return how much of the venue's budget a job may use."""
        return SHARE if self.is_urgent(job) else BACKGROUND_SHARE

    def budget_wait_s(self, job: Job) -> float:
        """Return the seconds until the venue's budget has room for a job's next request."""
        venue = self._clients.get(split_instrument(job.gap.instrument)[0])
        if venue is None:
            return 0.0
        weight = job.walk.request.weight if job.walk and job.walk.request else 1
        return venue[1].ready_in(weight, self.share(job))
