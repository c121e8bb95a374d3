"""Alerts on their way: stand-ins that answer 429 and 500, hang and hang up; restarts; secrets."""

import csv
import json
import logging
import threading
import traceback
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise, repeat
from pathlib import Path

import pytest

from tandem.alerts.channels.address import Reach
from tandem.alerts.channels.base import Pace, Secret
from tandem.alerts.channels.factory import channels_from, secrets_of
from tandem.alerts.channels.local import Log
from tandem.alerts.channels.web import lines, signature
from tandem.alerts.defaults import open_alerts
from tandem.alerts.delivery import DeliveryThread, Meter, pauses
from tandem.alerts.outbox import Outbox
from tandem.alerts.rules import Alert, Reading, Rule
from tandem.alerts.service import Alerts
from tandem.config import Settings
from tandem.core.errors import DataError
from tandem.net.http import Client
from tandem.storage.null import ForeignStore, NullStore
from tandem.storage.store import Store
from tests.support.message_servers import MailServer, PostServer
from tests.support.waiting import wait_until

TOKEN = "987654321:AAHfakeTokenThatMustNeverShow_0123"
SECRETS = {
    *("telegram_token", "webhook_key", "mail_password"),
    *("slack_address", "discord_address", "webhook_address"),
}
WORD = "pa55-word-that-must-never-show"


@pytest.fixture
def server() -> Iterator[PostServer]:
    with PostServer() as server:
        yield server


@pytest.fixture(autouse=True)
def at_full_speed(monkeypatch) -> None:
    """Services are not spared here; the pace has tests of its own."""
    for name in ("web.Telegram", "web.Slack", "web.Discord", "web.Webhook", "mail.Mail"):
        monkeypatch.setattr(f"tandem.alerts.channels.{name}.pace", Pace(0.0, 100_000))


@pytest.fixture(autouse=True)
def clients(monkeypatch) -> Iterator[None]:
    """Close what tests leave open."""
    made = []

    class Kept(Client):
        def __init__(self, **given) -> None:
            super().__init__(**given)
            made.append(self)

    monkeypatch.setattr("tandem.alerts.channels.factory.Client", Kept)
    yield
    for client in made:
        client.close()


def settings(server: PostServer | None = None, **more) -> Settings:
    url = server.url if server else "http://127.0.0.1:1"
    given = {"telegram_address": url, "telegram_token": TOKEN, "telegram_chat": "42"}
    return Settings(**(given | more))


def rule(*channels: str) -> Rule:
    return Rule("Far", "bar_return_z", "beyond", 3.0, cooldown_s=0.0, channels=channels)


def alerts_of(given: Settings, store=None, *channels: str, total_s: float = 5.0) -> Alerts:
    made, missing = channels_from(given, total_s)
    store = store or NullStore("none")
    rules = (rule(*(channels or ("telegram",))),)
    return Alerts(store, made, missing, secrets_of(given), rules, lambda: repeat(0.01))


def raise_one(alerts: Alerts, number: int = 0) -> Alert:
    numbers = {"price": 100.0 + number}
    (alert,) = alerts.observe([Reading("bar_return_z", f"sim:A{number}", number, 9.0, numbers)])
    return alert


def fate(alerts: Alerts, alert: Alert, channel: str = "telegram") -> str:
    for told in alerts.history.recent():
        if told.alert.id == alert.id:
            return next((one.fate for one in told.deliveries if one.channel == channel), "")
    return ""


def test_an_alert_reaches_telegram(server: PostServer) -> None:
    alerts = alerts_of(settings(server))
    alerts.start()
    alert = raise_one(alerts)
    server.wait_for(1)
    wait_until(lambda: fate(alerts, alert) == "sent")
    alerts.stop()
    (path, _, body) = server.accepted[0]
    assert path == f"/bot{TOKEN}/sendMessage"
    message = json.loads(body)
    assert message["chat_id"] == "42"
    assert "parse_mode" not in message
    assert message["text"] == (
        "WARNING [ALERT] sim:A0 z=9.00 price=100.0 rule=Far at 1970-01-01T00:00:00.000Z"
    )


@pytest.mark.parametrize("faults", [[500], [502, 503], ["drop"], ["drop", 500, 429]])
def test_what_fails_is_tried_again_and_comes_once(server: PostServer, faults) -> None:
    server.plan.extend(faults)
    alerts = alerts_of(settings(server))
    alerts.start()
    alert = raise_one(alerts)
    wait_until(lambda: fate(alerts, alert) == "sent")
    alerts.stop()
    assert len(server.accepted) == 1
    assert len(server.taken) >= len(faults) + 1


def test_a_service_that_hangs_is_cut_and_asked_again(server: PostServer) -> None:
    server.plan.append("hang")
    alerts = alerts_of(settings(server), total_s=0.3)
    alerts.start()
    alert = raise_one(alerts)
    wait_until(lambda: fate(alerts, alert) == "sent")
    alerts.stop()
    assert len(server.taken) == 2


def test_retry_after_is_honoured(server: PostServer, monkeypatch) -> None:
    answer = json.dumps({"ok": False, "parameters": {"retry_after": 34}}).encode()
    server.plan.append((429, {}, answer))
    waits = []
    alerts = alerts_of(settings(server))
    lane = alerts._outbox.lanes["telegram"]
    real = lane._pause
    monkeypatch.setattr(lane, "_pause", lambda s: (waits.append(s), real(min(s, 0.01)))[1])
    alerts.start()
    alert = raise_one(alerts)
    wait_until(lambda: fate(alerts, alert) == "sent")
    alerts.stop()
    assert 34.0 in waits


@pytest.mark.parametrize(
    ("channel", "headers", "body", "wait_s"),
    [
        ("slack", {"Retry-After": "30"}, b"", 30.0),
        ("discord", {}, b'{"retry_after": 0.75}', 0.75),
        ("webhook", {"Retry-After": "1e9"}, b"", 3600.0),
        ("telegram", {}, b'{"parameters": {"retry_after": "soon"}}', 0.0),
        ("telegram", {"Retry-After": "nan"}, b"[]", 0.0),
    ],
)
def test_every_way_to_ask_for_patience(server, channel, headers, body, wait_s) -> None:
    from tandem.alerts.channels.base import NotSent

    server.plan.append((429, headers, body))
    url = server.url + "/hook"
    made, _ = channels_from(
        settings(server, slack_address=url, discord_address=url, webhook_address=url)
    )
    with pytest.raises(NotSent) as raised:
        made[channel].send([raise_one(alerts_of(settings(server)))])
    assert raised.value.wait_s == wait_s
    assert not raised.value.is_final


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_what_is_refused_for_good_is_not_tried_again(server: PostServer, status: int) -> None:
    server.plan.append(status)
    alerts = alerts_of(settings(server))
    alerts.start()
    refused, taken = raise_one(alerts, 1), None
    wait_until(lambda: fate(alerts, refused) == "failed")
    assert len(server.taken) == 1
    state = next(one for one in alerts.channels() if one.name == "telegram")
    assert str(status) in state.text
    taken = raise_one(alerts, 2)
    wait_until(lambda: fate(alerts, taken) == "sent")
    alerts.stop()


def test_one_channel_that_hangs_holds_back_no_other(server: PostServer, tmp_path: Path) -> None:
    file = tmp_path / "deep" / "alerts.csv"
    with PostServer() as deaf:
        deaf.plan.extend(["hang"] * 50)
        given = settings(server, slack_address=deaf.url + "/s", alerts_file=file)
        alerts = alerts_of(given, None, "slack", "telegram", "csv")
        alerts.start()
        raised = [raise_one(alerts, number) for number in range(20)]
        wait_until(lambda: fate(alerts, raised[-1]) == "sent")
        wait_until(lambda: fate(alerts, raised[-1], "csv") == "sent")
        assert fate(alerts, raised[0], "slack") == "waiting"
        alerts.stop(0.1)
    assert file.stat().st_mode & 0o077 == 0 == file.parent.stat().st_mode & 0o077
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert [row["id"] for row in rows] == [alert.id for alert in raised]
    assert float(rows[3]["value"]) == raised[3].value
    assert rows[3]["numbers"] == "price=103.0"


def test_observe_returns_while_record_and_network_hang(server: PostServer) -> None:
    held = threading.Event()

    class Stuck(NullStore):
        def save_documents(self, documents) -> None:
            held.wait(20)

    server.plan.extend(["hang"] * 5)
    alerts = alerts_of(settings(server), Stuck("stuck"))
    alerts.start()
    # Were the database or the service waited for, not one of these would return.
    raised = [raise_one(alerts, number) for number in range(500)]
    assert len(raised) == 500
    assert not server.taken
    held.set()
    alerts.stop(0.1)


def test_many_alerts_are_put_into_one_message(server: PostServer) -> None:
    server.plan.append("hang")
    alerts = alerts_of(settings(server), total_s=0.5)
    alerts.start()
    first = raise_one(alerts)
    server.wait_for(1, "taken")
    raised = [raise_one(alerts, number) for number in range(1, 15)]
    wait_until(lambda: fate(alerts, raised[-1]) == "sent")
    alerts.stop()
    assert len(server.accepted) <= 2
    text = "\n".join(server.texts())
    assert all(f"sim:A{number} " in text for number in range(15))
    assert fate(alerts, first) == "sent"


# Restarts -----------------------------------------------------------------------------------


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
    lane = DeliveryThread(Log(), lambda deliveries: None)

    class Stir(threading.Event):
        def clear(self) -> None:
            lane._stopping.set()
            self.set()
            super().clear()

    lane._stir = Stir()
    lane.start()
    lane._thread.join(5.0)
    assert not lane._thread.is_alive()


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


# Secrets ------------------------------------------------------------------------------------


def test_no_secret_shows_in_any_text_log_error_or_repr(server: PostServer, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    hook = f"{server.url}/services/{WORD}"
    given = settings(
        server, slack_address=hook, discord_address=hook, webhook_address=hook, webhook_key=WORD,
        mail_host="127.0.0.1", mail_port=1, mail_security="none", mail_user="u",
        mail_password=WORD, mail_from="a@example.com", mail_to="b@example.com",
    )  # fmt: skip
    names = ("telegram", "slack", "discord", "webhook", "mail")
    said: list[str] = [repr(given), str(given)]
    for step in (
        500,
        401,
        403,
        "drop",
        (429, {"Retry-After": "0.01"}, TOKEN.encode()),
        "hang",
        200,
    ):
        alerts = alerts_of(given, None, *names, total_s=0.3)
        server.plan.extend([step] * 4)
        said += [alerts.test(name) for name in names]
        server.plan.clear()
        server.release.set()
        server.release = threading.Event()
        said += [repr(alerts), repr(alerts.channels()), repr(alerts.history.recent())]
        said += [repr(vars(alerts._outbox.lanes[name].channel)) for name in names]
    for name in names:
        server.plan.append(500)
        try:
            alerts._outbox.lanes[name].channel.send([raise_one(alerts)])
        except Exception as error:  # noqa: BLE001
            said += [repr(error), "".join(traceback.format_exception(error))]
    everything = "\n".join([*said, caplog.text])
    assert "500" in everything
    assert TOKEN not in everything
    assert TOKEN.partition(":")[2] not in everything
    assert WORD not in everything


def test_a_secret_is_written_nowhere() -> None:
    import copy
    import pickle

    secret = Secret(WORD)
    assert f"{secret} {secret!r} {[secret]}" == "*** *** [***]"
    assert secret.reveal() == WORD
    for write in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            write(secret)


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_the_settings_show_no_secret(name: str) -> None:
    assert WORD not in repr(Settings(**{name: WORD}))


@pytest.mark.parametrize("token", ["a b", "1/2", "ü", "x\n"])
def test_a_token_that_is_none_takes_away_its_channel_only(token: str) -> None:
    made, missing = channels_from(settings(telegram_token=token))
    assert "telegram" not in made
    assert "TOKEN" in missing["telegram"]
    assert token not in missing["telegram"]
    assert {"log", "csv"} <= set(made)


# Where alerts may go ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "plain", "private", "public"),
    [
        ("93.184.216.34", True, True, True),
        ("2606:2800:220:1::1", True, True, True),
        ("127.0.0.1", True, True, False),
        ("::1", True, True, False),
        ("::ffff:127.0.0.1", True, True, False),
        ("10.1.2.3", False, True, False),
        ("192.168.0.1", False, True, False),
        ("::ffff:10.0.0.1", False, True, False),
        ("fd00::1", False, True, False),
        ("169.254.169.254", False, False, False),
        ("fe80::1%eth0", False, False, False),
        ("0.0.0.0", False, False, False),
        ("224.0.0.1", False, False, False),
        ("240.0.0.1", False, False, False),
        # Where clouds answer their machines' questions.
        ("192.0.0.192", False, False, False),
        ("168.63.129.16", False, False, False),
        ("100.100.100.200", False, False, False),
        ("fd00:ec2::254", False, False, False),
        # IPv4 addresses in IPv6 ones: at best private.
        ("64:ff9b::5db8:d822", False, True, False),
        ("64:ff9b::a01:203", False, True, False),
        ("64:ff9b::a9fe:a9fe", False, False, False),
        ("64:ff9b::7f00:1", False, False, False),
        ("64:ff9b:1::a01:203", False, True, False),
        ("2002:5db8:d822::1", False, True, False),
        ("2002:a9fe:a9fe::1", False, False, False),
        ("::10.1.2.3", False, True, False),
        ("::169.254.169.254", False, False, False),
        ("::ffff:169.254.169.254", False, False, False),
        ("::ffff:0:10.1.2.3", False, True, False),
        ("fec0::1", False, True, False),
        ("::", False, False, False),
        ("nonsense", False, False, False),
    ],
)
def test_which_addresses_may_be_written_to(address, plain, private, public) -> None:
    assert (Reach().refused(address) == "") is plain
    assert (Reach(private=True).refused(address) == "") is private
    assert (Reach(loopback=False).refused(address) == "") is public


def test_a_refused_address_is_not_connected_to(server: PostServer) -> None:
    given = settings(server, public="on", alert_private="on")
    alerts = alerts_of(given)
    assert "not allowed" in alerts.test("telegram")
    assert not server.taken


def test_a_redirect_is_not_followed(server: PostServer) -> None:
    server.plan.append((302, {"Location": "http://169.254.169.254/"}, b""))
    assert "redirect" in alerts_of(settings(server)).test("telegram")
    assert len(server.taken) == 1


# The channels themselves --------------------------------------------------------------------


def test_a_webhook_is_signed_and_reads_back(server: PostServer) -> None:
    given = settings(webhook_address=f"{server.url}/hook", webhook_key=WORD)
    alerts = alerts_of(given, None, "webhook")
    alerts.start()
    alert = raise_one(alerts)
    server.wait_for(1)
    alerts.stop()
    _, headers, body = server.accepted[0]
    assert headers["x-tandem-signature"] == signature(WORD, headers["x-tandem-time"], body)
    assert headers["x-tandem-signature"] != signature("other", headers["x-tandem-time"], body)
    assert headers["x-tandem-id"] == alert.id
    assert json.loads(body)["numbers"] == {"price": 100.0}


def test_slack_and_discord_take_text_as_text(server: PostServer) -> None:
    given = settings(slack_address=server.url + "/s", discord_address=server.url + "/d")
    alerts = alerts_of(given, None, "slack", "discord")
    alerts.start()
    alerts.observe([Reading("bar_return_z", "<!channel>&@everyone", 0, 9.0)])
    server.wait_for(2)
    alerts.stop()
    told = {path: json.loads(body) for path, _, body in server.accepted}
    assert "&lt;!channel&gt;&amp;" in told["/s"]["text"]
    assert told["/d"]["allowed_mentions"] == {"parse": []}


def test_mail_is_taken_and_its_faults_are_told() -> None:
    with MailServer() as server:
        server.plan.extend(["drop", "451 later", "250 taken"])
        given = settings(
            mail_host="127.0.0.1", mail_port=server.port, mail_security="none", mail_user="u",
            mail_password=WORD, mail_from="desk@example.com",
            mail_to="a@example.com, b@example.com",
        )  # fmt: skip
        alerts = alerts_of(given, None, "mail")
        alerts.start()
        alert = raise_one(alerts)
        server.wait_for(1)
        wait_until(lambda: fate(alerts, alert, "mail") == "sent")
        alerts.stop()
        assert "Subject: [ALERT] sim:A0 z=9.00 price=100.0 rule=Far" in server.mails[0]
        assert "To: a@example.com, b@example.com" in server.mails[0]


def test_a_mail_server_that_hangs_is_cut() -> None:
    with MailServer() as server:
        server.plan.append("hang")
        given = settings(
            mail_host="127.0.0.1", mail_port=server.port, mail_security="none",
            mail_from="desk@example.com", mail_to="a@example.com",
        )  # fmt: skip
        assert "could not be used" in alerts_of(given, total_s=0.3).test("mail")


def test_a_wrong_password_is_final_and_not_shown() -> None:
    with MailServer(refuses_password=True) as server:
        given = settings(
            mail_host="127.0.0.1", mail_port=server.port, mail_security="none", mail_user="u",
            mail_password=WORD, mail_from="desk@example.com", mail_to="a@example.com",
        )  # fmt: skip
        said = alerts_of(given).test("mail")
    assert "rejected the user name or password (535)" in said


def test_a_password_is_not_given_to_a_server_without_encryption() -> None:
    with MailServer() as server:
        given = settings(
            mail_host="127.0.0.1", mail_port=server.port, mail_user="u", mail_password=WORD,
            mail_from="desk@example.com", mail_to="a@example.com",
        )  # fmt: skip
        assert "does not offer STARTTLS" in alerts_of(given).test("mail")
        assert not any(word.startswith("AUTH") for word in server.heard)


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (
            {"mail_security": "none", "mail_host": "mail.example.com"},
            "only for a server on this machine",
        ),
        ({"mail_to": "nobody"}, "must be e-mail addresses"),
        ({"mail_from": "a@b\nBcc: c@d"}, "must be e-mail addresses"),
    ],
)
def test_wrong_mail_settings_are_said(given, hint) -> None:
    base = {"mail_host": "127.0.0.1", "mail_from": "a@example.com", "mail_to": "b@example.com"}
    _, missing = channels_from(settings(**(base | given)))
    assert hint in missing["mail"]


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


# Pace ---------------------------------------------------------------------------------------


def test_the_meter_spares_a_service() -> None:
    meter, now_s, sent = Meter(Pace(1.0, 20)), 0.0, []
    for _ in range(60):
        now_s += meter.wait_s(now_s)
        meter.note(now_s)
        sent.append(now_s)
    assert all(after - before >= 1.0 for before, after in zip(sent, sent[1:], strict=False))
    assert all(after - before >= 60.0 for before, after in zip(sent, sent[20:], strict=False))


def test_pauses_grow_to_a_limit() -> None:
    some = [next(pause) for pause in repeat(pauses(), 30)]
    assert 0.75 <= some[0] <= 1.25
    assert some[-1] <= 375.0
    assert all(pause <= 375.0 for pause in some)
    assert min(some[10:]) >= 225.0


def test_a_message_is_cut_to_length_and_says_so() -> None:
    alerts = alerts_of(settings())
    many = [raise_one(alerts, number) for number in range(500)]
    text = lines(many, 4_096)
    assert len(text) <= 4_096
    shown = text.count("[ALERT]")
    assert text.endswith(f"and {500 - shown} more")


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
