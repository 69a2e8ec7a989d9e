"""What every asset says of itself: kinds, owners, and descriptions in Chinese and English."""

from typing import Final

OWNERS: Final = ["team:parkpulse"]
INCOMPLETE: Final = "数据不完整"
"""What stands in place of a figure that is not reliable."""


def both(chinese: str, english: str) -> str:
    """One description in both languages, Chinese first."""
    return f"{chinese}\n\n{english}"
