"""The command `tandem app`: Streamlit's server with what records beside its script."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence

import streamlit as st

from tandem.core import cli
from tandem.ui import app as script


def main(arguments: Sequence[str] | None = None, *, prog: str = "tandem app") -> int:
    """Serve the app until Ctrl-C; returns the exit code.

    Theme and server options are those of `.streamlit/config.toml` beside this file, which
    Streamlit finds because it lies beside the script.
    """
    parser = cli.parser(prog, "Open the workbench in the browser, until Ctrl-C.")
    parser.add_argument("--port", type=_port, help="TCP port (default: 8501, or the next free one)")
    parser.add_argument("--address", help="address to listen on (default: localhost)")
    options = parser.parse_args(arguments)
    given = {"server.port": options.port, "server.address": options.address}
    # Streamlit looks for its configuration beside what was started.
    sys.argv = [script.__file__]
    app = st.App(script.__file__, **script.parts())
    # It has stopped in order, recording and all, before the interrupt arrives here.
    with contextlib.suppress(KeyboardInterrupt):
        app.run(config={name: value for name, value in given.items() if value is not None})
    return cli.DONE


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65_535:
        raise ValueError
    return port
