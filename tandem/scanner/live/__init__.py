"""All instruments of a venue at once: a minute's last price of each, scanned on a schedule."""

from tandem.scanner.live.calibration import Calibration, Told
from tandem.scanner.live.minute_prices import MinuteBoard, Minutes
from tandem.scanner.live.schedule import Look, Schedule
from tandem.scanner.live.service import Past, Rescan, Status, Universe

__all__ = [
    "Calibration",
    "Look",
    "MinuteBoard",
    "Minutes",
    "Past",
    "Rescan",
    "Schedule",
    "Status",
    "Told",
    "Universe",
]
