"""The nodes of one connection: the place of each is its handle, and its code in every column."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from asyncua import ua
from asyncua.ua.uaerrors import UaError

from connectors.opcua.browse import Variable
from connectors.opcua.nodeids import parsed
from connectors.opcua.session import Attribute

UNKNOWN: Final = int(np.iinfo(np.int64).min)
"""The mark of a node that never sent a source time."""
_NAMED: Final = 3
"""Nodes named in one warning line; the ledger has them all."""


class Nodes:
    """None at first; `arrange` gives every variable its place, which it keeps."""

    def __init__(self) -> None:
        self.variables: list[Variable] = []
        self.texts: pa.Array = pa.array([], pa.string())
        """Their NodeIds."""
        self.marks: npt.NDArray[np.int64] = np.array([], np.int64)
        """The newest durable source ticks of each."""
        self.unbrowsed: dict[str, int] = {}
        """The status of nodes below which the server does not tell what lies."""
        self.refused: dict[int, int] = {}
        """The status of nodes that the server will not monitor."""

    def arrange(self, variables: list[Variable], marks: dict[str, int]) -> None:
        """Take these variables, in this order; `marks` are known source ticks by NodeId."""
        texts = [variable.text for variable in variables]
        self.variables, self.texts = variables, pa.array(texts, pa.string())
        self.marks = np.array([marks.get(text, UNKNOWN) for text in texts], np.int64)

    @property
    def historized(self) -> list[int]:
        """The nodes whose history can be asked for."""
        return [code for code, variable in enumerate(self.variables) if variable.historized]

    @property
    def readable(self) -> list[tuple[int, ua.NodeId]]:
        """The nodes that can be monitored, with their handles."""
        return [(code, one.node_id) for code, one in enumerate(self.variables) if one.readable]

    @property
    def quarantined(self) -> int:
        """How many nodes are on record as refused or not browsed."""
        return len(self.refused) + len(self.unbrowsed)

    def text(self, code: int) -> str:
        """The NodeId of a node."""
        return self.variables[code].text

    def raise_marks(self, codes: npt.NDArray[np.int32], ticks: npt.NDArray[np.int64]) -> None:
        """Values of these nodes with these source ticks are durable."""
        np.maximum.at(self.marks, codes, ticks)

    def keep_marks(self, marks: dict[str, int]) -> None:
        """Bring what is durable into `marks`, which outlive the connection."""
        for variable, mark in zip(self.variables, self.marks.tolist(), strict=True):
            if mark != UNKNOWN:
                marks[variable.text] = max(mark, marks.get(variable.text, mark))


def arranged(
    listed: Sequence[Variable], texts: Sequence[str], namespaces: Sequence[str]
) -> list[Variable]:
    """The variables with those named by `texts` first and in that order, vanished ones too."""
    by_text = {variable.text: variable for variable in listed}
    known = [
        by_text.pop(text) if text in by_text else _vanished(text, namespaces) for text in texts
    ]
    return known + list(by_text.values())


def _vanished(text: str, namespaces: Sequence[str]) -> Variable:
    try:
        node_id = parsed(text, namespaces)
    except (ValueError, UaError):
        node_id = ua.NodeId()
    return Variable(node_id, text, (), Attribute(None, 0, 0, None), readable=False)


def some_of(named: list[str]) -> str:
    """The first few, and how many more there are."""
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + more
