"""What a park manager puts before a visitor: offline pages made of frames."""

from connectors.pages.frames import PageFrames
from connectors.pages.write import write_pages

__all__ = ["PageFrames", "write_pages"]
