"""Watch prices for what is unusual and send alerts, headless.

    python surveillance.py --config examples/surveillance.yaml --cycles 5

`python surveillance.py --help` lists the options. From Python: `Surveillance` and `batch`.
"""

import sys

from tandem.surveillance import *  # noqa: F403
from tandem.surveillance import __all__  # noqa: F401
from tandem.surveillance.cli import main

if __name__ == "__main__":
    sys.exit(main())
