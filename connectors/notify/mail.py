"""Digests by mail: SMTP over TLS, with the machine's own trust in certificates."""

import contextlib
import smtplib
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

from connectors.notify.answers import READ_S, SENT, Answer
from connectors.notify.settings import Channel
from connectors.notify.texts import Text


def mail_of(channel: Channel, text: Text, message_id: str, at_s: float) -> EmailMessage:
    """The mail; its Message-ID is the message's own, so that a repeat is known as one."""
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = text.title, channel.sender, ", ".join(channel.to)
    mail["Date"] = format_datetime(datetime.fromtimestamp(at_s, UTC))
    mail["Message-ID"] = f"<{message_id}@parkpulse>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text.body)
    return mail


def send(channel: Channel, password: str | None, mail: EmailMessage) -> Answer:
    """Send one mail; what the server says is told by its number alone."""
    try:
        server = _connected(channel)
        try:
            if channel.user and password:
                server.login(channel.user, password)
            refused = server.send_message(mail)
        finally:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                server.quit()
    except ssl.SSLError:
        return Answer("failed", "its certificate is not trusted")
    except smtplib.SMTPRecipientsRefused as error:
        return _by_code(max(code for code, _ in error.recipients.values()))
    except smtplib.SMTPResponseException as error:
        return _by_code(error.smtp_code)
    except smtplib.SMTPNotSupportedError:
        return Answer("refused", "it does not offer what `security` or `user` asks for")
    except (smtplib.SMTPException, OSError) as error:
        return Answer("failed", f"it cannot be reached ({type(error).__name__})")
    if refused:
        return Answer("sent", f"{len(refused)} of {len(channel.to)} recipients were refused")
    return SENT


def _connected(channel: Channel) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if channel.security == "tls":
        return smtplib.SMTP_SSL(channel.host, channel.port, timeout=READ_S, context=context)
    server = smtplib.SMTP(channel.host, channel.port, timeout=READ_S)
    if channel.security == "starttls":
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
    return server


def _by_code(code: int) -> Answer:
    """4xx may pass, 5xx will not (RFC 5321, 4.2.1)."""
    if code == 535:
        return Answer("refused", "it refuses user and password (code 535)")
    fate, why = ("refused", "refuses") if code >= 500 else ("failed", "puts off")
    return Answer(fate, f"it {why} the mail (code {code})")  # type: ignore[arg-type]
