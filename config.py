"""Every setting, read once at start from Streamlit's secrets, the environment and `.env`.

    >>> import config
    >>> config.load(environ={"TANDEM_STALE_S": "10"}).stale_s
    10.0

`docs/SETTINGS.md` lists each with its default and range: `TANDEM_DATABASE` sets `database`.
"""

from tandem.venues.settings import *  # noqa: F403
from tandem.venues.settings import __all__  # noqa: F401
