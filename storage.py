"""The hot buffer in memory and the SQLite database on disk.

    import storage

    store = storage.Store.open("data/tandem.sqlite", read_only=True)
    trades = store.trades("binance-usdm:BTCUSDT", start_us, end_us)
    store.close()

Times are microseconds since 1970, UTC. `help(storage.Store)` lists what can be read.
"""

from tandem.storage import *  # noqa: F403
from tandem.storage import __all__  # noqa: F401
