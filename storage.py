"""The hot buffer in memory and the SQLite database on disk.

    >>> import storage
    >>> store = storage.Store.open(folder / "tandem.sqlite")
    >>> store.trades("binance-usdm:BTCUSDT", 0, 1_800_000_000_000_000)
    []
    >>> store.close()
    0

`close` returns how many trades could not be written. Times are microseconds since 1970, UTC.
`help(storage.Store)` lists what can be read.
"""

from tandem.storage import *  # noqa: F403
from tandem.storage import __all__  # noqa: F401
