"""The loggers of Streamlit and of its server, made to write into the process's log."""

from __future__ import annotations

import logging

# Where Streamlit keeps the handler it gave to a logger.
_MARK = "streamlit_console_handler"


def adopt_loggers() -> None:
    """Let them write into the process's log as all others do.

    Streamlit gives a handler of its own to each of its loggers and to those of its server, which
    has more: these break lines, and know no secrets. One without any was silenced (that of
    requests), and stays so.
    """
    for logger in list(logging.getLogger().manager.loggerDict.values()):
        if not (isinstance(logger, logging.Logger) and hasattr(logger, _MARK)):
            continue
        for own in logger.handlers[:]:
            logger.removeHandler(own)
            logger.propagate = True
