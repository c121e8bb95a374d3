"""What the Backtest page is about: two legs on one grid, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass

from tandem.core.bars import AlignedBars
from tandem.core.instruments import SIMULATED_VENUE


@dataclass(frozen=True)
class Source:
    """Two legs on one grid, and where they come from.

    Attributes
    ----------
    y, x : str
        Instruments.
    told : tuple of str
        Sentences about the origin, for the screen and the report; text from outside.
    key : str
        See `tandem.backtest.data_set_key`.
    range_us : (start, end), optional
        What of the database was read; None where the bars are not from the database.
    """

    y: str
    x: str
    bars: AlignedBars
    bar_us: int
    told: tuple[str, ...]
    key: str
    range_us: tuple[int, int] | None = None

    @property
    def is_simulated(self) -> bool:
        """Whether a leg's prices were made up by the simulated market."""
        return SIMULATED_VENUE in {leg.partition(":")[0] for leg in (self.y, self.x)}
