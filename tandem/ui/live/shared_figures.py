"""Figures made and encoded once per pair and bar, however many sessions show them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from tandem.pairs.tracker import PairView

MOST = 128

T = TypeVar("T")


class SharedFigures:
    """Keeps the newest figure of each kind, pair and span; the least recently shown go first.

    The tracker gives every session the same view of a pair until its next bar has closed.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[PairView, Any]] = OrderedDict()

    def of(self, view: PairView, key: tuple[Hashable, ...], make: Callable[[], T]) -> T:
        """Return the encoded figure of a view under a key, made by the first who asks.

        Parameters
        ----------
        key : tuple
            What the figure depends on beside the view's columns: its kind, its span.
        """
        name = (view.settings, *key)
        # Held while it is made: the others wait for this one instead of making their own.
        with self._lock:
            known = self._kept.pop(name, None)
            figure = known[1] if known is not None and known[0] is view else make()
            self._kept[name] = view, figure
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return figure
