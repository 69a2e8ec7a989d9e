"""ParkPulse 园区脉搏: the command line of the pipeline. `main` runs a command."""

from parkpulse.cli import main

__all__ = ["main"]
