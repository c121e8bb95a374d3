"""Pairs that are computed whether or not anybody looks, so that alerts on them go on."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import asdict
from typing import Any

from tandem.core.errors import DataError, StoreError
from tandem.core.instruments import split_instrument
from tandem.pairs.stream import PairSettings
from tandem.storage.protocols import Documents
from tandem.storage.records import Document
from tandem.strategy.rules import Costs, Rules

log = logging.getLogger("tandem.pinned_pairs")

MOST = 12
_KIND = "standing-pair"


class PinnedPairs:
    """The pinned pairs of a process, kept in the database. Any thread may ask.

    Attributes
    ----------
    problem : str
        Why some stored pairs do not run, as a message; empty if all do.
    """

    def __init__(self, store: Documents) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._pairs: dict[str, PairSettings] = {}
        self.problem = ""
        try:
            kept = store.documents(_KIND, MOST)
        except StoreError as error:
            self.problem = f"Background pairs cannot be read: {error}"
            kept = {}
        for body in kept.values():
            try:
                pair = decode(body)
            except DataError as error:
                self.problem = str(error)
            else:
                self._pairs[pair.key] = pair
        if self.problem:
            log.error("%s", self.problem)

    def pairs(self) -> tuple[PairSettings, ...]:
        """Return them, in the order they were added."""
        with self._lock:
            return tuple(self._pairs.values())

    def add(self, pair: PairSettings) -> None:
        """Pin a pair; one that is pinned already goes on.

        Raises
        ------
        DataError
            There are too many.
        StoreError
            It cannot be saved; it runs until the process ends.
        """
        with self._lock:
            if pair.key not in self._pairs and len(self._pairs) >= MOST:
                raise DataError(
                    f"{MOST} background pairs are running, the maximum; stop one first."
                )
            self._pairs[pair.key] = pair
        self._store.save_documents([Document(_KIND, pair.key, encode(pair))])

    def remove(self, pair: PairSettings) -> None:
        """Unpin a pair; one that is not pinned is no error. Raises StoreError as `add`."""
        with self._lock:
            self._pairs.pop(pair.key, None)
        self._store.save_documents([Document(_KIND, pair.key, None)])


def encode(pair: PairSettings) -> bytes:
    """Return a pair as JSON."""
    return json.dumps(asdict(pair)).encode()


def decode(body: bytes) -> PairSettings:
    """Return the pair that `encode` made JSON of; raises DataError."""
    try:
        given: dict[str, Any] = json.loads(body)
        given["rules"], given["costs"] = Rules(**given["rules"]), Costs(**given["costs"])
        for leg in (given["y"], given["x"]):
            split_instrument(leg)
        return PairSettings(**given)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"A background pair could not be parsed ({type(error).__name__}); it was "
            "skipped. Add it again."
        ) from None
