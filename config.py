"""Every setting, read once at start from Streamlit's secrets, the environment and `.env`.

    import config

    settings = config.load()
    settings.database

The README's table names each setting with its default: `TANDEM_DATABASE` sets `database`.
"""

from tandem.venues.settings import *  # noqa: F403
from tandem.venues.settings import __all__  # noqa: F401
