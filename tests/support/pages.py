"""What a test asks of a page in Streamlit's own test harness."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

# As the app's own script does before it draws a page.
START = "from tandem.ui.app import start\nstart()\n"


def page_of(script: str) -> AppTest:
    """Return a page, not run yet: a script after the app's start."""
    return AppTest.from_string(START + script, default_timeout=60)


def sound(app: AppTest) -> AppTest:
    """Return the page, which must show no error."""
    assert not app.exception, app.exception[0].value
    assert not app.error, app.error[0].value
    return app


def metric(app: AppTest, label: str) -> str:
    """Return what a metric of this label shows."""
    return next(str(one.value) for one in app.metric if one.label == label)
