"""`python -m parkpulse`."""

from parkpulse.cli import main

main()
