"""Alerts on their way: stand-ins that answer 429 and 500, hang and hang up; pace and limits."""

import csv
import json
import threading
from itertools import repeat
from pathlib import Path

import pytest

from tandem.alerts.channels.base import Pace
from tandem.alerts.channels.factory import channels_from
from tandem.alerts.channels.web import lines
from tandem.alerts.delivery import Meter, pauses
from tandem.storage.null import NullStore
from tests.support.alert_channels import (
    TOKEN,
    alerts_of,
    fate,
    raise_one,
    settings,
)
from tests.support.message_servers import PostServer
from tests.support.waiting import wait_until


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
    sender = alerts._outbox.senders["telegram"]
    real = sender._pause
    monkeypatch.setattr(sender, "_pause", lambda s: (waits.append(s), real(min(s, 0.01)))[1])
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
