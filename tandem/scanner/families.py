"""One driver, not fifty findings: which findings hang together, and which follow from others."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from tandem.scanner.result import Scan
from tandem.scanner.tiles import Bools, Ints

# Average distance, 1 less the correlation of returns, up to which instruments are one cluster.
DISTANCE = 0.5


class Family(NamedTuple):
    """Instruments that findings connect.

    Attributes
    ----------
    instruments : tuple of str
    findings : int
        Pairs among them that were found.
    independent : int
        Relations that are left when those are dropped that follow from others: one fewer than
        there are instruments. Where a holds with b, and b with c, a holds with c.
    """

    instruments: tuple[str, ...]
    findings: int
    independent: int


def with_families(found: Scan, chosen: Bools) -> tuple[Scan, tuple[Family, ...]]:
    """Sort findings into families and mark those that do not follow from more striking ones.

    Parameters
    ----------
    chosen : ndarray of bool of shape (pairs,)
        The findings, as from `Scan.found`.

    Returns
    -------
    scan : Scan
        With the figures `family` (number, the largest is 1; NaN of other pairs) and `leads` (1 of a
        finding that connects instruments no more striking one has connected, else 0).
    families : tuple of Family
        The largest first.
    """
    root = np.arange(len(found.names))

    def head(place: int) -> int:
        while root[place] != place:
            root[place] = root[root[place]]
            place = root[place]
        return int(place)

    places = np.flatnonzero(chosen)
    leads = np.zeros(found.tested)
    # Pairs stand in the order of their p-values.
    for place in places:
        y, x = head(int(found.y[place])), head(int(found.x[place]))
        if y != x:
            root[max(y, x)] = min(y, x)
            leads[place] = 1.0
    heads = np.array([head(int(found.y[place])) for place in places], np.int64)
    families, family = [], np.full(found.tested, np.nan)
    members = np.array([head(place) for place in range(len(root))], np.int64)
    for own in np.unique(heads):
        named = tuple(found.names[place] for place in np.flatnonzero(members == own))
        families.append((int(np.count_nonzero(heads == own)), named, int(own)))
    families.sort(key=lambda entry: (-entry[0], entry[1]))
    for number, (_, _, own) in enumerate(families, 1):
        family[places[heads == own]] = number
    told = tuple(Family(named, count, len(named) - 1) for count, named, _ in families)
    figures = found.figures | {"family": family, "leads": leads}
    return dataclasses.replace(found, figures=figures), told


def clusters(found: Scan, distance: float = DISTANCE) -> Ints:
    """Return each instrument's cluster by the correlation of returns, counted from 1.

    Average linkage: two groups are one as long as the correlations between them are on average
    above ``1 - distance``. A pair without a correlation counts as uncorrelated.

    Returns
    -------
    ndarray of shape (instruments,)
        In the order of ``found.names``; the largest cluster is 1.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    count = len(found.names)
    apart = np.ones((count, count))
    np.fill_diagonal(apart, 0.0)
    correlation = np.nan_to_num(found.figures["correlation"])
    apart[found.y, found.x] = apart[found.x, found.y] = np.clip(1.0 - correlation, 0.0, 2.0)
    place = {name: k for k, name in enumerate(found.names)}
    for y, x in found.same_asset:
        apart[place[y], place[x]] = apart[place[x], place[y]] = 0.0
    raw = fcluster(linkage(squareform(apart, checks=False), "average"), distance, "distance")
    sizes = np.bincount(raw)
    order = sorted(np.unique(raw), key=lambda number: (-sizes[number], np.argmax(raw == number)))
    renumbered = np.zeros(len(sizes), np.int64)
    renumbered[order] = np.arange(1, len(order) + 1)
    numbers: Ints = renumbered[raw]
    return numbers
