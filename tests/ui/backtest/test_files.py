"""Files on the Backtest page: read, corrected, refused; in Streamlit's own test harness."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from streamlit import config
from streamlit.testing.v1 import AppTest

from tandem.ui.backtest.study import Study
from tests.support.made_pairs import cointegrated

PAGE = "from tandem.ui.backtest.page import page\npage()\n"


def dropped(app: AppTest, *files: tuple[str, bytes]) -> AppTest:
    app.run()
    given = [(name, content, "application/octet-stream") for name, content in files]
    app.get("file_uploader")[0].set_value(given if len(given) > 1 else given[0])
    app.run()
    assert not app.exception, app.exception[0].value
    return app


def pair(header: str = "date,ETH,BTC", form: str = "{day},{y},{x}", n_bars: int = 300) -> str:
    y, x = cointegrated(n_bars, 1)
    days = np.datetime64("2024-01-01") + np.arange(n_bars)
    rows = (form.format(day=d, y=a, x=b) for d, a, b in zip(days.tolist(), y, x, strict=True))
    return "\n".join([header, *rows]) + "\n"


def corrected(app: AppTest, name: str, text: str) -> AppTest:
    box = next(one for one in app.selectbox if str(one.key).endswith(f"-{name}"))
    box.set_value(text).run()
    assert not app.exception, app.exception[0].value
    return app


def study(app: AppTest) -> Study:
    found: Study = app.session_state["tandem_study"]
    return found


def said(app: AppTest) -> str:
    parts = [*app.error, *app.warning, *app.caption, *app.markdown]
    return " ".join(str(one.value) for one in parts).replace("\\", "")


def test_the_report_says_what_the_file_was_taken_for(app: AppTest) -> None:
    content = pair() + "2024-01-05,1,2\nnonsense,3,4\n"
    words = said(dropped(app, ("pair.csv", content.encode())))
    assert "300 kept, 2 rejected (duplicates: 1)" in words
    assert "the newest is kept (1)" in words
    assert "the time could not be parsed (1)" in words
    assert "bars of 1 day of ETH, BTC, 0 missing within the range" in words
    assert "utf-8, delimiter: commas, a decimal point" in words
    assert "ISO date and time; zone: UTC, assumed" in words


def test_an_unclear_file_is_corrected_and_read_at_once(app: AppTest) -> None:
    y, x = cointegrated(12, 1)
    rows = [
        f"0{day}/02/2024,{a},{b}" for day, (a, b) in enumerate(zip(y[:9], x[:9], strict=True), 1)
    ]
    dropped(app, ("pair.csv", "\n".join(["date,ETH,BTC", *rows]).encode()))
    assert "pair.csv" in said(app)
    assert not any(one.key == "file_y" for one in app.selectbox)
    corrected(app, "date_order", "day first")
    assert "9 kept" in said(app)
    assert "2024-02-01" in said(app)
    corrected(app, "date_order", "month first")
    assert "2024-01-02" in said(app)
    corrected(app, "date_order", "detected")
    assert not any(one.key == "file_y" for one in app.selectbox)


def test_a_column_is_given_another_use_and_back(app: AppTest) -> None:
    form = "{day},{y},{x},ETH\n{day},{x},{y},BTC"
    dropped(app, ("long.csv", pair("date,close,value,symbol", form).encode()))
    first = study(app).source.bars.y
    corrected(app, "column-2", "close price")
    second = study(app).source.bars.y
    assert np.array_equal(second, study(app).source.bars.x[::1]) is False
    assert not np.array_equal(first, second)
    next(one for one in app.button if str(one.key).endswith("-guess")).click().run()
    assert np.array_equal(study(app).source.bars.y, first)


def test_a_loss_is_accepted_by_a_box(app: AppTest) -> None:
    lines = pair(n_bars=500).splitlines()
    soon = [f"soon,{line.partition(',')[2]}" for line in lines[1:120]]
    dropped(app, ("pair.csv", "\n".join([lines[0], *soon, *lines[120:]]).encode()))
    assert "accept the loss" in said(app)
    next(one for one in app.checkbox if str(one.key).endswith("-accept_loss")).check().run()
    assert "accept the loss" not in said(app)
    assert len(study(app).source.bars.y) == 381


def test_a_zone_moves_the_bars(app: AppTest) -> None:
    y, x = cointegrated(300, 1)
    hours = np.datetime64("2024-01-01T00", "h") + np.arange(300)
    rows = [f"{hour}:00:00,{a},{b}" for hour, a, b in zip(hours, y, x, strict=True)]
    dropped(app, ("pair.csv", "\n".join(["time,ETH,BTC", *rows]).encode()))
    before = int(study(app).source.bars.time_us[0])
    corrected(app, "time_zone", "America/New_York")
    assert int(study(app).source.bars.time_us[0]) - before == 5 * 3_600_000_000


def test_both_legs_come_out_of_one_zip(app: AppTest) -> None:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, column in (("ETH.csv", "{y}"), ("BTC.csv", "{x}")):
            archive.writestr(name, pair("date,close", "{day}," + column))
    dropped(app, ("both.zip", sink.getvalue()))
    assert np.array_equal(study(app).source.bars.y, cointegrated(300, 1)[0])


def test_the_same_symbol_in_two_files_makes_two_legs(app: AppTest) -> None:
    one = pair("date,close,symbol", "{day},{y},BTCUSDT").encode()
    two = pair("date,close,symbol", "{day},{x},BTCUSDT").encode()
    dropped(app, ("one.csv", one), ("two.csv", two))
    assert np.array_equal(study(app).source.bars.x, cointegrated(300, 1)[1])


@pytest.mark.usefixtures("database")
def test_the_server_itself_keeps_the_limit_of_uploads(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = config.get_option("server.maxUploadSize")
    monkeypatch.setenv("TANDEM_UPLOAD_MB", "333")
    try:
        app.run()
        assert config.get_option("server.maxUploadSize") == 333
    finally:
        config.set_option("server.maxUploadSize", before)


def zipped(*members: tuple[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return sink.getvalue()


HOSTILE: dict[str, tuple[bytes | Callable[[], bytes], str]] = {
    "bomb.zip": (lambda: zipped(("a.csv", bytes(60_000_000))), "200 times"),
    "path.zip": (zipped(("../../etc/a.csv", pair().encode())), "leads"),
    "many.zip": (zipped(*((f"{i}.csv", b"a,b\n1,2\n") for i in range(40))), "16"),
    "columns.csv": (b"," * 1_000_000 + b"\n1,2\n", "500,000 characters"),
    "wide.csv": (b"time" + b",c" * 2_000 + b"\n" + (b"1" + b",2" * 2_000 + b"\n") * 9, "1,000"),
    "binary.csv": (bytes(range(256)) * 500, "not text"),
    "cut.parquet": (b"PAR1" + bytes(100), "Parquet"),
    "cut.csv.gz": (b"\x1f\x8b\x08\x00" + bytes(20), "gz"),
    "one.csv": (b"time,close\n2024-01-01,5\n", "at least two rows"),
    "junk.csv": (b"\n".join(b"x;y|z" * i for i in range(1, 50)), ""),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_cannot_be_used_is_a_sentence(app: AppTest, name: str) -> None:
    content, words = HOSTILE[name]
    dropped(app, (name, content if isinstance(content, bytes) else content()))
    assert len(app.error) == 1
    text = app.error[0].value.replace("\\", "")
    assert text.startswith(name)
    assert words in text


def test_files_without_a_common_time_show_both_ranges(app: AppTest) -> None:
    late = pair("date,close", "{day},{x}").replace("2024-", "2031-")
    dropped(app, ("one.csv", pair("date,close", "{day},{y}").encode()), ("two.csv", late.encode()))
    text = app.error[0].value.replace("\\", "")
    assert "2024-01-01" in text
    assert "2031-01-01" in text
