"""What goes wrong with a server: why, in a few words, and what to do."""

from typing import Final

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaStatusCodeError

from connectors.errors import ServerUnreachable


class SubscriptionLostError(ConnectionError):
    """The server no longer serves our subscription."""


def is_channel_lost(error: BaseException) -> bool:
    """Whether only the way to the server is gone: the session may live on."""
    if isinstance(error, UaStatusCodeError):
        return error.code in _CHANNEL_LOST
    if isinstance(error, SubscriptionLostError | ServerUnreachable):
        return False
    return isinstance(error, ConnectionError | TimeoutError)


def unreachable(url: str, error: BaseException) -> ServerUnreachable:
    """The error as one line that names the server and what to do."""
    if isinstance(error, ServerUnreachable):
        return error
    return ServerUnreachable(url, reason(error), _remedy(error))


def reason(error: BaseException) -> str:
    """Why, in a few words of one line."""
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    if isinstance(error, UaStatusCodeError):
        return status_name(error.code)
    return (str(error) or type(error).__name__).splitlines()[0]


def status_name(code: int) -> str:
    """The name of a status code, its number where it has none."""
    try:
        return str(ua.StatusCode(ua.UInt32(code)).name)
    except (KeyError, AttributeError):
        return f"{code:#010x}"


def _remedy(error: BaseException) -> str:
    if isinstance(error, SubscriptionLostError):
        return "we begin anew and read history; what it lacks is a gap in `parkpulse ledger`"
    if isinstance(error, OSError):
        return "start the server or correct its `url` in the fleet file; we keep trying"
    return "check the server; we keep trying"


_CHANNEL_LOST: Final = frozenset(
    {
        StatusCodes.BadSecureChannelIdInvalid,
        StatusCodes.BadSecureChannelClosed,
        StatusCodes.BadSecureChannelTokenUnknown,
        StatusCodes.BadTcpSecureChannelUnknown,
        StatusCodes.BadConnectionClosed,
        StatusCodes.BadCommunicationError,
        StatusCodes.BadRequestTimeout,
    }
)
