"""Test every pair of a table for cointegration, adjusted for multiple testing, headless.

    python scanner.py prices.csv --top 50

`python scanner.py --help` lists the options. From Python: `scan` returns a DataFrame of pairs.
"""

import sys

from tandem.scanner import *  # noqa: F403
from tandem.scanner import __all__  # noqa: F401
from tandem.scanner.cli import main

if __name__ == "__main__":
    sys.exit(main())
