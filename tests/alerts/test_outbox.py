"""The outbox over restarts: nothing lost, nothing sent twice, and what keeps it from sending."""

import logging
import threading
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from tandem.alerts.channels.factory import channels_from
from tandem.alerts.channels.local import Log
from tandem.alerts.defaults import open_alerts
from tandem.alerts.delivery import DeliveryThread
from tandem.alerts.outbox import Outbox
from tandem.alerts.rules import Reading, Rule
from tandem.alerts.service import Alerts
from tandem.config import Settings
from tandem.core.errors import DataError
from tandem.storage.null import ForeignStore, NullStore
from tandem.storage.store import Store
from tests.support.alert_channels import TOKEN, alerts_of, fate, raise_one, rule, settings
from tests.support.message_servers import PostServer
from tests.support.waiting import wait_until


def test_what_was_not_sent_is_sent_after_a_restart(server: PostServer, tmp_path: Path) -> None:
    path = tmp_path / "record.sqlite"
    with closing(Store.open(path)) as store:
        alerts = alerts_of(settings(), store)  # nothing answers there
        alerts.start()
        first, second = raise_one(alerts, 1), raise_one(alerts, 2)
        wait_until(lambda: alerts.channels()[4].text != "Ready.")
        alerts.stop(0.2)
        assert fate(alerts, first) == "waiting"
    with closing(Store.open(path)) as store:
        alerts = alerts_of(settings(server), store)
        alerts.start()
        wait_until(lambda: fate(alerts, second) == "sent")
        told = alerts.history.recent()
        assert [one.alert for one in told] == [second, first]
        alerts.history.acknowledge(first.id)
        alerts.stop()
    sent = "\n".join(server.texts())
    assert sent.count("sim:A1 ") == sent.count("sim:A2 ") == 1
    with closing(Store.open(path)) as store:
        alerts = alerts_of(settings(server), store)
        alerts.start()
        alerts.stop()
        assert [one.alert.id for one in alerts.history.recent(unacknowledged=True)] == [second.id]
    assert len(server.accepted) in (1, 2)


def test_what_another_process_has_to_send_is_not_sent_beside_it(
    server: PostServer, tmp_path: Path
) -> None:
    path = tmp_path / "record.sqlite"
    with closing(Store.open(path)) as store:
        owner = alerts_of(settings(), store)  # nothing answers there
        owner.start()
        alert = raise_one(owner)
        wait_until(lambda: owner.channels()[4].text != "Ready." and store.documents("outbox"))
        beside = open_alerts(settings(server), ForeignStore(path, "Another process records."), True)
        beside.start()
        assert [one.alert for one in beside.history.recent()] == [alert]
        beside.stop()
        owner.stop(0.2)
    assert not server.texts()


def test_a_cool_down_goes_on_over_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "record.sqlite"
    slow = Rule("Far", "bar_return_z", "beyond", 3.0, cooldown_s=300.0, channels=("log",))
    raised = []
    for time_us in (0, 299 * 10**6, 300 * 10**6):
        with closing(Store.open(path)) as store:
            alerts = Alerts(store, {}, defaults=(slow,))
            alerts.start()
            raised.append(len(alerts.observe([Reading("bar_return_z", "sim:A", time_us, 5.0)])))
            alerts.stop()
    assert raised == [1, 0, 1]


def test_a_stop_while_the_record_is_slow_ends_without_an_error(monkeypatch) -> None:
    alerts = alerts_of(settings())
    alerts.start()
    # As another thread sees it that takes the last one just now.
    monkeypatch.setattr(alerts._outbox._queue, "empty", lambda: False)
    alerts.stop()


def test_a_lane_that_is_stopped_just_before_it_waits_ends() -> None:
    sender = DeliveryThread(Log(), lambda deliveries: None)

    class Stir(threading.Event):
        def clear(self) -> None:
            sender._stopping.set()
            self.set()
            super().clear()

    sender._stir = Stir()
    sender.start()
    sender._thread.join(5.0)
    assert not sender._thread.is_alive()


def test_a_channel_that_breaks_says_so_without_the_words_of_its_error(caplog) -> None:
    class Broken(Log):
        def send(self, alerts) -> None:
            raise RuntimeError(TOKEN)

    alerts = Alerts(NullStore("none"), {"log": Broken()}, defaults=(rule("log"),))
    alerts.start()
    raise_one(alerts)
    wait_until(lambda: "stopped" in alerts.channels()[1].text)
    assert alerts.channels()[1].waiting == 1
    assert TOKEN not in caplog.text
    alerts.stop()


def test_rules_are_kept_in_the_record(tmp_path: Path) -> None:
    path = tmp_path / "record.sqlite"
    with closing(Store.open(path)) as store:
        alerts = open_alerts(settings(), store)
        alerts.start()
        defaults = alerts.rules.all()
        alerts.rules.put(rule("log"))
        alerts.rules.remove(defaults[0].name)
        alerts.stop()
    with closing(Store.open(path)) as store:
        alerts = open_alerts(settings(), store)
        alerts.start()
        alerts.stop()
        assert alerts.rules.all() == (*defaults[1:], rule("log"))


def test_old_alerts_are_forgotten_with_their_deliveries(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tandem.alerts.history.KEPT_ALERTS", 5)
    with closing(Store.open(tmp_path / "record.sqlite")) as store:
        alerts = alerts_of(settings(), store, "log")
        alerts.start()
        raised = [raise_one(alerts, number) for number in range(12)]
        wait_until(lambda: fate(alerts, raised[-1], "log") == "sent")
        alerts.stop()
        assert store.flush(10)
        assert list(store.documents("alert")) == [alert.id for alert in raised[-5:]]
        assert set(store.documents("outbox")) == {f"{a.id}/log" for a in raised[-5:]}


def test_damaged_documents_are_left_out_and_the_rest_goes_on(tmp_path: Path, caplog) -> None:
    from tandem.storage.records import Document

    with closing(Store.open(tmp_path / "record.sqlite")) as store:
        store.save_documents(
            [
                Document("rules", "all", b'["{}", "x"]'),
                Document("alert", "1", b"nonsense"),
                Document("outbox", "1/telegram", b"nonsense"),
            ]
        )
        assert store.flush(10)
        alerts = alerts_of(settings(), store)
        alerts.start()
        alerts.rules.put(rule("log"))
        raised = raise_one(alerts)
        wait_until(lambda: fate(alerts, raised, "log") == "sent")
        alerts.stop()
    assert "skipped" in caplog.text


def test_testing_a_channel_that_is_not_set_up_says_what_is_missing() -> None:
    alerts = Alerts(NullStore("none"), *channels_from(Settings()))
    with pytest.raises(DataError, match="TANDEM_SLACK_ADDRESS"):
        alerts.test("slack")
    with pytest.raises(DataError, match="Choose one of screen"):
        alerts.test("pigeon")
    assert alerts.test("screen") == "The test message is on screen."
    assert alerts.history.toasts()[-1].is_test


def test_an_alert_for_a_channel_that_is_not_set_up_says_so() -> None:
    alerts = Alerts(NullStore("none"), *channels_from(Settings()), defaults=(rule("slack"),))
    alerts.start()
    alert = raise_one(alerts)
    wait_until(lambda: fate(alerts, alert, "slack") == "failed")
    alerts.stop()


@pytest.mark.parametrize(("status", "hint"), [(401, "token is wrong"), (None, "Telegram: ")])
def test_what_keeps_a_channel_from_sending_is_logged_once(tmp_path, caplog, status, hint) -> None:
    caplog.set_level(logging.INFO, logger="tandem.alerts")
    file = tmp_path / "alerts.csv"
    with PostServer() as server:
        server.plan.extend([status or "drop"] * 3)
        alerts = alerts_of(settings(server, alerts_file=file), None, "telegram", "csv")
        alerts.start()
        for number in range(3):
            alert = raise_one(alerts, number)
            wait_until(lambda alert=alert: fate(alerts, alert) in ("failed", "sent"))
            wait_until(lambda alert=alert: fate(alerts, alert, "csv") == "sent")
        last = raise_one(alerts, 3)
        wait_until(lambda: fate(alerts, last) == "sent")
        alerts.stop()
    said = [one.getMessage() for one in caplog.records if "Alert channel" in one.getMessage()]
    assert hint in said[0]
    assert all(one != other for one, other in pairwise(said))
    assert said[-1] == "Alert channel telegram recovered."
    assert TOKEN not in caplog.text
    assert len(file.read_text().splitlines()) == 5


def test_an_unreachable_host_is_said() -> None:
    assert "nothing answers" in alerts_of(settings()).test("telegram")


def test_a_csv_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    given = settings(alerts_file=blocked / "alerts.csv")
    assert "TANDEM_ALERTS_FILE" in alerts_of(given).test("csv")


def test_rules_for_what_is_not_watched_are_told() -> None:
    alerts = alerts_of(settings())
    missing = Rule("Gone", "anomaly", "above", 1.0, scope="sim:GONE")
    alerts.rules.put(missing)
    assert alerts.rules.unmatched(["sim:A"]) == {
        "Gone": "Rule Gone has scope sim:GONE, which is not monitored; it cannot fire."
    }
    assert alerts.rules.unmatched(["sim:GONE"]) == {}


def test_a_process_beside_the_one_that_records_sends_nothing(tmp_path: Path) -> None:
    with closing(Store.open(tmp_path / "t.sqlite")):
        settings = Settings(
            telegram_token="123456:fake-token", telegram_chat="7", alerts_file=tmp_path / "a.csv"
        )
        beside = open_alerts(
            settings, ForeignStore(tmp_path / "t.sqlite", "It is another's."), True
        )
        states = {one.name: one for one in beside.channels()}
        assert [name for name, one in states.items() if one.is_ready] == ["screen", "log"]
        assert "sends alerts" in states["telegram"].text
        beside.stop()


def test_a_thread_that_died_is_said_and_the_screen_goes_on(monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("hunter2")

    monkeypatch.setattr(Outbox, "_hand_on", broken)
    alerts = Alerts(NullStore("none"), {"log": Log()}, defaults=(rule("screen", "log"),))
    alerts.start()
    raise_one(alerts)
    wait_until(lambda: alerts.problem)
    said = alerts.problem
    assert said.startswith("Sending alerts stopped") and "hunter2" not in said
    raise_one(alerts, 1)
    assert len(alerts.history.toasts()) == 2
    alerts.stop()
