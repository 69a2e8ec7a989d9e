"""What every asset says of itself: kinds, owners, and descriptions in Chinese and English."""

from typing import Final

OWNERS: Final = ["team:parkpulse"]


def both(chinese: str, english: str) -> str:
    """One description in both languages, Chinese first."""
    return f"{chinese}\n\n{english}"
