"""What the Scanner page is about: prices to scan, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.core.instruments import SIMULATED_VENUE, split_instrument
from tandem.scanner.simulated import Simulated


@dataclass(frozen=True, eq=False)
class Source:
    """Prices to scan, and where they come from.

    Attributes
    ----------
    title : str
        A few words; text from outside.
    prices : DataFrame of shape (bars, instruments)
        On ascending UTC times; NaN where there is no price.
    recorded_bar_us : int
        Bar of the database these are, 0 where they are not from the database.
    is_watched : bool
        Prices of a venue that is watched whole: any of its instruments can be opened on Live.
    built_in : Simulated, optional
        What is known of a simulated universe.
    notes : tuple of str
        What was done to a file's rows, in sentences.
    loss : str
        What to say first where many of a file's rows were set aside.
    """

    title: str
    prices: pd.DataFrame = field(repr=False)
    is_simulated: bool = False
    recorded_bar_us: int = 0
    is_watched: bool = False
    built_in: Simulated | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
    loss: str = ""

    @property
    def times(self) -> npt.NDArray[np.int64]:
        """Microseconds since 1970 of every bar."""
        index = pd.DatetimeIndex(self.prices.index)
        return np.asarray(index.as_unit("us").asi8)

    def price(self, name: str) -> npt.NDArray[np.float64]:
        """Return an instrument's prices; NaN where there is none."""
        column = pd.to_numeric(self.prices[name], errors="coerce")
        return np.asarray(column, dtype=np.float64)

    def called(self, name: str) -> str:
        """Return an instrument as the screen calls it."""
        if self.is_watched:
            return split_instrument(name)[1]
        return name.removeprefix(f"{SIMULATED_VENUE}:") if self.is_simulated else name
