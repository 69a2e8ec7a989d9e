r"""Group robots: three payloads, two signatures, and what their answers mean.

DingTalk signs `timestamp\nsecret` (ms) with the secret; Feishu an empty text with
`timestamp\nsecret` (s); WeCom not at all. All three answer 200 with a code in the body.
"""

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from connectors.notify.answers import CONNECT_S, READ_S, SENT, Answer, coded
from connectors.notify.kinds import KINDS
from connectors.notify.settings import LOOPBACK, is_webhook
from connectors.notify.texts import Text

MOST_ANSWER: Final = 65_536
MOST_WAIT_S: Final = 3_600.0
logging.getLogger("urllib3.connectionpool").addFilter(
    lambda record: record.levelno >= logging.WARNING
)  # below that it tells the path of every request, and the path of a webhook is its secret


def dingtalk_sign(secret: str, timestamp_ms: int) -> str:
    r"""base64(HMAC-SHA256(secret, "timestamp\nsecret"))."""
    return _hmac64(secret, f"{timestamp_ms}\n{secret}")


def feishu_sign(secret: str, timestamp_s: int) -> str:
    r"""base64(HMAC-SHA256("timestamp\nsecret", ""))."""
    return _hmac64(f"{timestamp_s}\n{secret}", "")


def _hmac64(key: str, text: str) -> str:
    digest = hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def request_of(
    kind: str, secret: str | None, text: Text, at_s: float
) -> tuple[dict[str, str], dict[str, Any]]:
    """What is added to the webhook's query, and the body, of a message sent at a POSIX time."""
    if kind == "dingtalk":
        body = {"msgtype": "markdown", "markdown": {"title": text.title, "text": text.body}}
        timestamp_ms = round(at_s * 1000)
        signed = {"timestamp": str(timestamp_ms), "sign": dingtalk_sign(secret, timestamp_ms)} \
            if secret else {}  # fmt: skip
        return signed, body
    if kind == "wecom":
        return {}, {"msgtype": "markdown", "markdown": {"content": text.body}}
    title = {"tag": "plain_text", "content": text.title}
    card = {"header": {"title": title}, "elements": [{"tag": "markdown", "content": text.body}]}
    stamp = int(at_s)
    signed = {"timestamp": str(stamp), "sign": feishu_sign(secret, stamp)} if secret else {}
    return {}, {**signed, "msg_type": "interactive", "card": card}


def post(
    kind: str, webhook: str, secret: str | None, text: Text, message_id: str, at_s: float
) -> Answer:
    """Send one message to a robot; certificates are verified, and no redirect is followed."""
    if not is_webhook(webhook):
        return Answer("refused", "the environment holds no https address of its webhook")
    query, body = request_of(kind, secret, text, at_s)
    with requests.Session() as session:
        if urlsplit(webhook).hostname in LOOPBACK:
            session.trust_env = False  # a proxy is for the way out
        try:
            response = session.post(
                webhook,
                params=query,
                data=json.dumps(body, ensure_ascii=False).encode(),
                headers={
                    "Content-Type": "application/json; charset=utf-8",
                    "Idempotency-Key": message_id,
                },
                auth=_NoAuth(),
                timeout=(CONNECT_S, READ_S),
                allow_redirects=False,
                stream=True,
            )
            content = response.raw.read(MOST_ANSWER, decode_content=True)
        except requests.exceptions.SSLError:
            return Answer("failed", "its certificate is not trusted")
        except requests.exceptions.Timeout:
            return Answer("failed", f"no answer within {READ_S:g} s")
        except requests.exceptions.RequestException as error:
            return Answer("failed", f"it cannot be reached ({type(error).__name__})")
        return answer_of(kind, response.status_code, response.headers, content)


class _NoAuth(AuthBase):
    """Keeps `requests` from sending what ~/.netrc has for the host."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def answer_of(kind: str, status: int, headers: Mapping[str, str], content: bytes) -> Answer:
    """What a robot's answer means."""
    known = KINDS[kind]
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    code = coded(found) if isinstance(found, dict) else None
    if status == requests.codes.too_many_requests or code in known.busy:
        why = f"too many messages (code {code})" if code else "too many messages (HTTP 429)"
        return Answer("busy", why, _wait_s(headers, known.busy_s))
    if 300 <= status < 400:
        return Answer("refused", f"it redirects (HTTP {status}); give the address it moved to")
    if code in known.passing or status in (408, 425) or status >= 500:
        return Answer("failed", f"it fails (HTTP {status}" + (f", code {code})" if code else ")"))
    if status == requests.codes.ok and code == 0:
        return SENT
    if code:
        words = known.refusals.get(code, "it refuses the message")
        return Answer("refused", f"{words} (code {code})")
    if status != requests.codes.ok:
        return Answer("refused", f"it refuses the message (HTTP {status})")
    return Answer("failed", f"it does not answer as a {kind} robot does")


def _wait_s(headers: Mapping[str, str], least_s: float) -> float:
    """How long to wait: the platform's ban, or what the answer asks for where that is longer."""
    asked = headers.get("Retry-After", headers.get("x-ogw-ratelimit-reset", ""))
    seconds = float(asked) if asked.isascii() and asked.isdigit() else 0.0
    return min(max(seconds, least_s), MOST_WAIT_S)
