"""Group robots and a mail server on 127.0.0.1 that really enforce limits, sizes and signatures.

Written from the platforms' published rules, not from our client: windows slide, DingTalk closes a
robot for ten minutes, stale timestamps are refused, and nothing but what was accepted is delivered.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import socketserver
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Delivery:
    """One request: when it came, what was answered, and what it said."""

    at: datetime
    code: int
    text: str
    id: str
    path: str = ""


@dataclass
class Fake:
    """What all fakes share: a clock, what came, and orders to misbehave."""

    clock: Callable[[], datetime]
    requests: list[Delivery] = field(default_factory=list)
    troubles: list[Callable[["Robot", BaseHTTPRequestHandler], bool]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def accepted(self) -> list[Delivery]:
        return [one for one in self.requests if one.code == 0]

    @property
    def refused(self) -> list[Delivery]:
        return [one for one in self.requests if one.code != 0]

    def within(self, seconds: float, now: datetime) -> int:
        return sum(one.at > now - timedelta(seconds=seconds) for one in self.accepted)


class Robot(Fake):
    """A robot behind an HTTP server of its own; `judge` gives the code of a request."""

    path = "/hook"
    code_key = "errcode"
    token = "7f3e1c9a5b2d4e6f8a0b1c2d3e4f5a6b"

    def __init__(
        self, clock: Callable[[], datetime], secret: str = "", tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(clock)
        self.secret = secret
        self.before_answer: Callable[[], object] = lambda: None
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.scheme = "https" if tls else "http"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def origin(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server.server_port}"

    @property
    def webhook(self) -> str:
        return f"{self.origin}{self.path}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def judge(self, now: datetime, query: dict[str, str], body: dict[str, Any]) -> int:
        raise NotImplementedError

    def text_of(self, body: dict[str, Any]) -> str:
        raise NotImplementedError

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        content = handler.rfile.read(int(handler.headers["Content-Length"]))
        with self.lock:
            for trouble in list(self.troubles):
                if trouble(self, handler):
                    return
            now = self.clock()
            parts = urlsplit(handler.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            body = json.loads(content)
            code = self.judge(now, query, body)
            message = handler.headers["Idempotency-Key"]
            self.requests.append(Delivery(now, code, self.text_of(body), message, handler.path))
        self.before_answer()
        # an answer that repeats what is secret, as some gateways do
        answer(handler, 200, {self.code_key: code, "errmsg": f"{handler.path} {self.secret}"})


class DingTalk(Robot):
    """20 messages a minute, or closed for ten; HMAC-SHA256 over `timestamp\\nsecret`, one hour."""

    path = f"/robot/send?access_token={Robot.token}"
    closed_until: datetime | None = None

    def judge(self, now: datetime, query: dict[str, str], body: dict[str, Any]) -> int:
        if query.get("access_token") != self.token:
            return 300005
        if self.secret and not self._is_signed(now, query):
            return 310000
        if self.closed_until and now < self.closed_until:
            return 130101
        if self.within(60, now) >= 20:
            self.closed_until = now + timedelta(minutes=10)
            return 130101
        markdown = body.get("markdown", {})
        known = body["msgtype"] == "markdown" and markdown.get("title") and markdown.get("text")
        return 0 if known and len(json.dumps(body).encode()) <= 20_000 * 4 else 40035

    def _is_signed(self, now: datetime, query: dict[str, str]) -> bool:
        timestamp = query.get("timestamp", "0")
        if abs(now.timestamp() * 1000 - int(timestamp)) > HOUR / timedelta(milliseconds=1):
            return False
        key, text = self.secret.encode(), f"{timestamp}\n{self.secret}".encode()
        expected = base64.b64encode(hmac.digest(key, text, "sha256")).decode()
        return hmac.compare_digest(expected, query.get("sign", ""))

    def text_of(self, body: dict[str, Any]) -> str:
        return str(body["markdown"]["text"])


class WeCom(Robot):
    """20 messages a minute, 4,096 bytes of markdown; the key is all its secret."""

    path = f"/cgi-bin/webhook/send?key={Robot.token}"

    def judge(self, now: datetime, query: dict[str, str], body: dict[str, Any]) -> int:
        if query.get("key") != self.token:
            return 93000
        if body["msgtype"] != "markdown" or len(body["markdown"]["content"].encode()) > 4_096:
            return 40058
        return 45009 if self.within(60, now) >= 20 else 0

    def text_of(self, body: dict[str, Any]) -> str:
        return str(body["markdown"]["content"])


class Feishu(Robot):
    """5 messages a second and 100 a minute; the key of the HMAC is `timestamp\\nsecret`."""

    path = f"/open-apis/bot/v2/hook/{Robot.token}"
    code_key = "code"

    def judge(self, now: datetime, query: dict[str, str], body: dict[str, Any]) -> int:
        if self.secret and not self._is_signed(now, body):
            return 19021
        if self.within(1, now) >= 5 or self.within(60, now) >= 100:
            return 11232
        known = body["msg_type"] == "interactive" and body["card"]["elements"][0]["content"]
        return 0 if known and len(json.dumps(body).encode()) <= 20_000 * 4 else 9499

    def _is_signed(self, now: datetime, body: dict[str, Any]) -> bool:
        timestamp = body.get("timestamp", "0")
        if abs(now.timestamp() - int(timestamp)) > HOUR.total_seconds():
            return False
        digest = hmac.new(f"{timestamp}\n{self.secret}".encode(), b"", hashlib.sha256).digest()
        return body.get("sign") == base64.b64encode(digest).decode()

    def text_of(self, body: dict[str, Any]) -> str:
        return str(body["card"]["elements"][0]["content"])


def _handler(robot: Robot) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            robot.take(self)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def answer(
    handler: BaseHTTPRequestHandler,
    status: int,
    body: object,
    headers: dict[str, str] | None = None,
) -> bool:
    """Answer a request; True, for nobody else is to."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with contextlib.suppress(OSError):  # who asked may have been killed
        handler.send_response(status)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)
    return True


class Mail(Fake):
    """An SMTP server: STARTTLS and AUTH PLAIN where asked for, and a digest in ten minutes."""

    def __init__(
        self,
        clock: Callable[[], datetime],
        *,
        tls: ssl.SSLContext | None = None,
        password: str = "",
        refuse: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(clock)
        self.tls, self.password, self.refuse, self.data_code = tls, password, refuse, 250
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _smtp(self))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def _smtp(mail: Mail) -> type[socketserver.BaseRequestHandler]:
    class Session(socketserver.StreamRequestHandler):
        def say(self, text: str) -> None:
            self.wfile.write(text.encode() + b"\r\n")

        def handle(self) -> None:
            self.is_known = not mail.password
            self.to: list[str] = []
            self.say("220 fake ESMTP")
            with contextlib.suppress(OSError):  # who does not trust us hangs up
                while line := self.rfile.readline().decode().strip():
                    if not self.answer(line):
                        return

        def finish(self) -> None:
            with contextlib.suppress(OSError):
                super().finish()
            self.connection.close()

        def answer(self, line: str) -> bool:
            verb = line.split()[0].upper()
            if verb == "EHLO":
                self.say("250-fake")
                if mail.tls and not isinstance(self.connection, ssl.SSLSocket):
                    self.say("250-STARTTLS")
                self.say("250 AUTH PLAIN" if mail.password else "250 8BITMIME")
            elif verb == "STARTTLS" and mail.tls:
                self.say("220 go")
                self.connection = mail.tls.wrap_socket(self.request, server_side=True)
                self.rfile = self.connection.makefile("rb", -1)
                self.wfile = self.connection.makefile("wb", 0)
            elif verb == "AUTH":
                password = base64.b64decode(line.split()[2]).split(b"\0")[2].decode()
                self.is_known = password == mail.password
                self.say("235 welcome" if self.is_known else "535 who are you")
            elif verb == "MAIL":
                self.to = []
                self.say("250 ok" if self.is_known else "530 log in first")
            elif verb == "RCPT":
                address = line.split("<")[1].split(">")[0]
                self.say("550 nobody" if address in mail.refuse else "250 ok")
            elif verb == "DATA":
                self.say("354 go on")
                self.take()
            elif verb == "QUIT":
                self.say("221 bye")
                return False
            else:
                self.say("250 ok")
            return True

        def take(self) -> None:
            import email
            import email.policy

            lines = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line)
            letter = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
            part = letter.get_body()
            text = part.get_content() if part else ""
            with mail.lock:
                now = mail.clock()
                busy = mail.within(600, now) >= 1
                code = 0 if mail.data_code == 250 and not busy else 451 if busy else mail.data_code
                mail.requests.append(Delivery(now, code, str(text), str(letter["Message-ID"])))
            self.say("250 kept" if not code else f"{code} not now")

    return Session
