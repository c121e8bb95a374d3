"""Trade a pair from files with real accounting, headless.

    python backtest.py y.csv x.csv --model kalman
    python backtest.py --example crude

`python backtest.py --help` lists the options. From Python: `run`, `compare`, `sweep`,
`walk_forward`, `null_test` and `judge`.
"""

import sys

from tandem.backtest import *  # noqa: F403
from tandem.backtest import __all__  # noqa: F401
from tandem.backtest.cli import main

if __name__ == "__main__":
    sys.exit(main())
