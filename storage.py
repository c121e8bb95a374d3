"""The hot buffer in memory and the SQLite database on disk.

import storage

with storage.Store.open(path, batch_ms=100, queue_trades=500_000, read_only=True) as store:
    trades = store.trades("binance-usdm:BTCUSDT", start_us, end_us)
"""

from tandem.storage import *  # noqa: F403
from tandem.storage import __all__  # noqa: F401
