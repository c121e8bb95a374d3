"""An alert from trade to Telegram, and derived again from the database."""

from contextlib import closing
from pathlib import Path

from tandem.alerts.channels.factory import channels_from, secrets_of
from tandem.alerts.rules import Rule, decode_alert
from tandem.alerts.service import Alerts
from tandem.config import Settings
from tandem.core.clock import SECOND_US
from tandem.storage.reader import Reader
from tandem.storage.store import Store
from tandem.surveillance.service import Surveillance, batch
from tandem.surveillance.settings import WatchSettings
from tandem.venues.simulated_market import SimulatedMarket
from tests.support.message_servers import PostServer
from tests.support.waiting import wait_until

BASE_US = 1_790_000_000 * SECOND_US
NAME = "sim:ETHUSDT"


def test_from_trade_to_telegram_and_back_to_the_trade(tmp_path: Path) -> None:
    trades = SimulatedMarket(5, 4.0).history(NAME, BASE_US, BASE_US + 200 * SECOND_US)
    jump = trades[-20]
    trades[-20] = jump._replace(price=jump.price * 1.05)
    watching = WatchSettings(trade_window=100)
    rule = Rule("Jump", "trade_return_z", "beyond", 50.0, channels=("telegram",))
    path = tmp_path / "record.sqlite"
    with PostServer() as server, closing(Store.open(path)) as store:
        settings = Settings(
            telegram_address=server.url, telegram_token="123456:fake-token", telegram_chat="7"
        )
        made, missing = channels_from(settings)
        alerts = Alerts(store, made, missing, secrets_of(settings), (rule,))
        alerts.start()
        surveillance = Surveillance(watching)
        surveillance.add(NAME)
        for start in range(0, len(trades), 37):
            piece = trades[start : start + 37]
            store.submit(piece)
            alerts.observe(surveillance.observe(piece))
            alerts.observe(surveillance.close(piece[-1].received_us))
        server.wait_for(1)
        wait_until(lambda: alerts.history.recent()[0].deliveries[0].fate == "sent")
        alerts.stop()
        assert store.flush(10)
    text = server.texts()[0]
    assert text.startswith(f"WARNING [ALERT] {NAME} z=")
    assert f"price={trades[-20].price!r}" in text

    reader = Reader(path)
    (kept,) = map(decode_alert, reader.documents("alert").values())
    assert kept.holds()
    assert kept.time_us == trades[-20].time_us
    numbers = kept.numbers
    assert (numbers["return"] - numbers["mean"]) / numbers["deviation"] == kept.value
    again, _ = batch(reader.arrivals(NAME, BASE_US, BASE_US + 300 * SECOND_US), watching)
    scores = again.trade_scores(NAME)
    derived = scores[scores["time_us"] == kept.time_us]["return_z"]
    assert kept.value in derived
