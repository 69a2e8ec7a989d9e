"""notify.toml: what is sound is read, what is not is one line that shows no secret."""

from datetime import time
from pathlib import Path

import pytest

from connectors.errors import NotifyError
from connectors.notify.kinds import KINDS, Window
from connectors.notify.settings import is_webhook, missing, read_settings

HOOK = "https://oapi.dingtalk.com/robot/send?access_token=0123456789abcdef0123456789abcdef"
DING = '[[channel]]\nname = "ding"\nkind = "dingtalk"\nwebhook_env = "DING_HOOK"\n'
MAIL = (
    '[[channel]]\nname = "mail"\nkind = "email"\nhost = "smtp.example.cn"\n'
    'sender = "p@example.cn"\nto = ["a@example.cn", "b@example.cn"]\n'
)
ROUTE = '[[route]]\nchannel = "ding"\n'
LINK = 'link = "https://reports.example/p/"\n'
GUIDE = Path(__file__).parents[3] / "docs/guides/notifications.md"


def settings(folder, text):
    path = folder / "notify.toml"
    path.write_text(text, encoding="utf-8")
    return read_settings(path)


def refusal(folder, text):
    with pytest.raises(NotifyError) as refused:
        settings(folder, text)
    line = str(refused.value)
    assert "\n" not in line
    assert line.startswith(str(folder / "notify.toml"))
    return line


def test_what_is_left_out_has_its_default(tmp_path):
    found = settings(tmp_path, LINK + DING + ROUTE)
    route, channel = found.routes[0], found.channels["ding"]
    assert found.link == "https://reports.example/p"
    assert (route.least_priority, route.language, route.digest_min) == ("medium", "both", 60)
    assert (route.is_urgent_at_once, route.daily_at, route.factories) == (
        True,
        time(8),
        frozenset(),
    )
    assert channel.windows == KINDS["dingtalk"].windows


def test_what_is_said_is_taken(tmp_path):
    route = (
        ROUTE + 'factories = ["F01", "F02"]\nleast_priority = "low"\nlanguage = "zh"\n'
        'urgent = "digest"\ndigest_min = 15\ndaily_at = "07:30"\n'
    )
    channel = DING + 'secret_env = "DING_SECRET"\nmessages = 3\nwindow_s = 30\n'
    found = settings(tmp_path, LINK + channel + MAIL + route)
    assert found.routes[0].factories == {"F01", "F02"}
    assert (found.routes[0].is_urgent_at_once, found.routes[0].daily_at) == (False, time(7, 30))
    assert found.channels["ding"].windows == (Window(3, 30),)
    assert found.channels["ding"].variables == ["DING_HOOK", "DING_SECRET"]
    mail = found.channels["mail"]
    assert (mail.security, mail.port, mail.to) == ("tls", 465, ("a@example.cn", "b@example.cn"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "`link`"),
        (LINK + ROUTE, "[[channel]]"),
        (LINK + DING, "[[route]]"),
        (DING + ROUTE, "`link`"),
        ('link = "ftp://x"\n' + DING + ROUTE, "`link`"),
        ('link = "https://me:pw123@x/"\n' + DING + ROUTE, "a user, a password"),
        ('link = "https://x/?token=pw123"\n' + DING + ROUTE, "a query"),
        ('link = "https://x/a b"\n' + DING + ROUTE, "spaces"),
        (f'link = "https://x/{"a" * 400}"\n' + DING + ROUTE, "300 bytes"),
        (LINK + DING + '[[route]]\nchannel = "dong"\n', "no channel of this file"),
        (LINK + DING + ROUTE + "digest_min = 0\n", "`digest_min`"),
        (LINK + DING + ROUTE + "digest_min = true\n", "`digest_min`"),
        (LINK + DING + ROUTE + 'daily_at = "8 am"\n', "`daily_at`"),
        (LINK + DING + ROUTE + 'least_priority = "urgent"\n', "low, medium, high"),
        (LINK + DING + ROUTE + "factories = 3\n", "is not a list"),
        (LINK + DING + DING + ROUTE, "`name` ding stands there twice"),
        (LINK + DING + DING.replace('"ding"', '"dong"') + ROUTE, "one channel, several routes"),
        (LINK + DING.replace("dingtalk", "slack") + ROUTE, "dingtalk, wecom, feishu, email"),
        (
            LINK + DING.replace("dingtalk", "wecom") + 'secret_env = "X_Y"\n' + ROUTE,
            "signs nothing",
        ),
        (LINK + DING + "messages = 5\n" + ROUTE, "`window_s`"),
        (LINK + '[[channel]]\nname = "d"\nkind = "wecom"\n' + ROUTE, "webhook_env"),
        (LINK + DING + MAIL + 'security = "none"\n' + ROUTE, "in clear"),
        (LINK + DING + MAIL + 'user = "p"\n' + ROUTE, "go together"),
        (LINK + DING + MAIL.replace("a@example.cn", "someone") + ROUTE, "mail addresses"),
        (LINK + DING + MAIL.replace("a@example.cn", "a@b.cn, c@d.cn") + ROUTE, "mail addresses"),
        ("link = \n", "it is no TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, said):
    assert said in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("entry", "secret"),
    [
        (f'webhook = "{HOOK}"\n', HOOK),
        (f'webhook_env = "{HOOK}"\n', HOOK),
        (f'url = "{HOOK}"\n', HOOK),
        ('secret = "SEC0123456789abcdef0123456789abcdef"\n', "SEC0123"),
        ('secret_env = "SEC0123456789abcdef0123456789abcdef"\n', "SEC0123"),
        ('secret_env = "SEC0123456789ABCDEF0123456789ABCDEF"\n', "SEC0123"),
        ('secret_env = "hunter2"\n', "hunter2"),
        ("SEC0123456789abcdef0123456789abcdef = 1\n", "SEC0123"),
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_shown(tmp_path, entry, secret):
    base = '[[channel]]\nname = "ding"\nkind = "dingtalk"\n'
    own = "" if entry.startswith("webhook") else 'webhook_env = "DING_HOOK"\n'
    line = refusal(tmp_path, LINK + base + own + entry + ROUTE)
    assert secret not in line
    assert "environment variable" in line or "no key known" in line


@pytest.mark.parametrize("key", ["host", "user", "sender"])
@pytest.mark.parametrize("value", [HOOK, "0123456789abcdef0123456789abcdef"])
def test_a_secret_under_another_key_is_refused_and_not_shown(tmp_path, key, value):
    lines = [line for line in MAIL.splitlines() if not line.startswith(f"{key} =")]
    line = refusal(tmp_path, "\n".join([LINK, DING, *lines, f'{key} = "{value}"', ROUTE]))
    assert value not in line


def test_no_file(tmp_path):
    with pytest.raises(NotifyError, match="there is no such file; write one"):
        read_settings(tmp_path / "notify.toml")


def test_what_lacks_in_the_environment_is_named_and_no_value_shown(tmp_path):
    channel = settings(tmp_path, LINK + DING + 'secret_env = "DING_SECRET"\n' + ROUTE).channels[
        "ding"
    ]
    assert missing(channel, {"DING_HOOK": HOOK, "DING_SECRET": "s"}) == []
    assert missing(channel, {"DING_HOOK": HOOK, "DING_SECRET": " "}) == [
        "ding: DING_SECRET is not set in the environment"
    ]
    (line,) = missing(channel, {"DING_HOOK": "http://far.example/x", "DING_SECRET": "s"})
    assert line == "ding: DING_HOOK holds no https address of a webhook"


@pytest.mark.parametrize(
    ("address", "is_one"),
    [
        (HOOK, True),
        ("http://127.0.0.1:8080/x", True),
        ("http://localhost/x", True),
        ("http://oapi.dingtalk.com/robot", False),
        ("http://127.0.0.1.evil.example/", False),
        ("https://user@host/x", False),
        ("https://", False),
        ("file:///etc/passwd", False),
        ("https://host:port/", False),
        ("https://host/a b", False),
        ("https://host/\r\nX: y", False),
    ],
)
def test_a_webhook_is_https_or_this_machine(address, is_one):
    assert is_webhook(address) == is_one


def test_the_guides_sample_is_sound(tmp_path):
    sample = GUIDE.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    found = settings(tmp_path, sample)
    assert {channel.kind for channel in found.channels.values()} == set(KINDS)
