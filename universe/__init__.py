"""All instruments of a venue at once: a minute's last price of each, scanned on a schedule."""

from universe.board import MinuteBoard, Minutes
from universe.calibration import Calibration, Told
from universe.schedule import Look, Schedule
from universe.watching import Past, Rescan, Status, Universe

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
