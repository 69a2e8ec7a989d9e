"""Is a text a NodeId? Told without a server, by the ranges of OPC UA Part 6, 5.2.2.9."""

import base64
import binascii
import re
from typing import Final
from uuid import UUID

_TEXT: Final = re.compile(
    r"(?:ns=(?P<index>[0-9]{1,5});|nsu=[^;]+;)?(?P<kind>[isgb])=(?P<identifier>.+)", re.DOTALL
)
_MAX_INDEX: Final = 2**16 - 1
_MAX_NUMBER: Final = 2**32 - 1
_MAX_TEXT: Final = 4096
"""Part 3, 8.2.4: no server may have a longer identifier of text or bytes."""


def is_node_id(text: str) -> bool:
    """True for `i=…`, `s=…`, `g=…` or `b=…`, after `ns=…;` or `nsu=…;` or alone."""
    found = _TEXT.fullmatch(text)
    if found is None or int(found["index"] or 0) > _MAX_INDEX:
        return False
    identifier = found["identifier"]
    match found["kind"]:
        case "i":
            return re.fullmatch("[0-9]{1,10}", identifier) is not None and (
                int(identifier) <= _MAX_NUMBER
            )
        case "g":
            return _is_guid(identifier)
        case "b":
            return _is_base64(identifier)
        case _:
            return len(identifier) <= _MAX_TEXT and "\0" not in identifier


def _is_guid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _is_base64(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) <= _MAX_TEXT
    except (binascii.Error, ValueError):
        return False
