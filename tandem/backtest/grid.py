"""Which variants to try: every combination of the values given, sensible ones only."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tandem.core.errors import DataError
from tandem.strategy.pair_model import Model, ZKind
from tandem.strategy.signals import Setup

MOST_VARIANTS = 20_000

# Names a variant may differ by; the last four are rules.
AXES = ("model", "lookback", "z_kind", "z_window", "entry", "exit", "stop", "time_stop_bars")
_RULES = frozenset(AXES[4:])
# Values of these have no order: neighbours on a map mean nothing.
UNORDERED = frozenset(("model", "z_kind"))


@dataclass(frozen=True, slots=True)
class Grid:
    """The variants of a sweep: `base` with every combination of what is given.

    An axis left empty stays as it is in `base`. Combinations that contradict themselves (an exit
    not below the entry, a stop not above it) are left out, as are those equal to another one.
    """

    base: Setup
    models: Sequence[Model] = ()
    lookbacks: Sequence[int] = ()
    z_kinds: Sequence[ZKind] = ()
    z_windows: Sequence[int] = ()
    entries: Sequence[float] = ()
    exits: Sequence[float] = ()
    stops: Sequence[float] = ()
    time_stops: Sequence[int] = ()

    def setups(self) -> list[Setup]:
        """Return the variants, those with the same signals next to each other.

        Raises
        ------
        DataError
            More than 20,000 combinations, or none that makes sense.
        """
        axes = dict(zip(AXES, self._values(), strict=True))
        count = 1
        for values in axes.values():
            count *= len(values)
        if count > MOST_VARIANTS:
            raise DataError(
                f"That is {count:,} variants; at most {MOST_VARIANTS:,} are tried. Give fewer "
                "values on some axis."
            )
        found: dict[Any, Setup] = {}
        for values in itertools.product(*axes.values()):
            setup = self._variant(dict(zip(axes, values, strict=True)))
            if setup is not None:
                found.setdefault((setup.signal_key, setup.rules), setup)
        if not found:
            raise DataError("No valid combination: exit < entry < stop is required.")
        return list(found.values())

    def _values(self) -> list[Sequence[Any]]:
        given = (
            *(self.models, self.lookbacks, self.z_kinds, self.z_windows),
            *(self.entries, self.exits, self.stops, self.time_stops),
        )
        return [
            list(dict.fromkeys(values)) or [value_of(self.base, axis)]
            for axis, values in zip(AXES, given, strict=True)
        ]

    def _variant(self, values: dict[str, Any]) -> Setup | None:
        if not values["exit"] < values["entry"] < values["stop"]:
            return None
        rules = {name: value for name, value in values.items() if name in _RULES}
        rest = {name: value for name, value in values.items() if name not in _RULES}
        return replace(self.base, rules=replace(self.base.rules, **rules), **rest)


def value_of(setup: Setup, axis: str) -> Any:
    """Return a setup's value on one of `AXES`.

    Raises
    ------
    DataError
        An axis nobody knows.
    """
    if axis not in AXES:
        raise DataError(f"{axis!r:.40} is not a sweep axis; choose one of {', '.join(AXES)}.")
    return getattr(setup.rules if axis in _RULES else setup, axis)


def by_signals(setups: Sequence[Setup]) -> list[list[int]]:
    """Group the places of setups that have the same signals, in the order they first appear."""
    groups: dict[Any, list[int]] = {}
    for place, setup in enumerate(setups):
        groups.setdefault(setup.signal_key, []).append(place)
    return list(groups.values())


def best_place(values: Iterable[float]) -> int:
    """Return the place of the largest value; -1 where there is none but NaN."""
    best, place = float("-inf"), -1
    for index, value in enumerate(values):
        if value > best:
            best, place = value, index
    return place
