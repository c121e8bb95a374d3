"""Record trades from exchanges, headless.

    python ingest.py --instruments binance-usdm:BTCUSDT,binance-usdm:ETHUSDT --db ticks.sqlite

`python ingest.py --help` lists the options. From Python: `Ingest` runs one recorder per venue.
"""

import sys

from tandem.ingest import *  # noqa: F403
from tandem.ingest import __all__  # noqa: F401
from tandem.ingest.cli import main

if __name__ == "__main__":
    sys.exit(main())
