"""No secret shows in any text, log, error or file."""

import logging
import threading
import traceback

import pytest

from tandem.alerts.channels.base import Secret
from tandem.alerts.channels.factory import channels_from
from tandem.config import Settings
from tests.support.alert_channels import SECRETS, TOKEN, WORD, alerts_of, raise_one, settings
from tests.support.message_servers import PostServer


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
        said += [repr(vars(alerts._outbox.senders[name].channel)) for name in names]
    for name in names:
        server.plan.append(500)
        try:
            alerts._outbox.senders[name].channel.send([raise_one(alerts)])
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
