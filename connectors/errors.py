"""Errors that name the culprit and the remedy.

* ParkPulseError            bad input or a world that does not answer; exit code 2
  x FleetFileError          the fleet file or a file it names
  x ServerUnreachable       an OPC UA server
    - ServerRefused         it refuses us or we refuse it: a person must act
      · CredentialsRefused  a key, certificate or password of ours, before anything was sent
  x SegmentUnreadable       a file of received rows
  x HomeRefused             a folder that is not ours to write
  x ReleaseBroken           a release that is not whole
  x RegisterFileError       a file for the park register, as a whole
  x NotifyError             notify.toml, or what is kept of messages
"""


class ParkPulseError(Exception):
    """Something outside is wrong: says what (`culprit`), why, and what to do (`remedy`)."""

    def __init__(self, culprit: object, why: str, remedy: str) -> None:
        super().__init__(f"{culprit}: {why}; {remedy}")
        self.culprit, self.why, self.remedy = str(culprit), why, remedy


class FleetFileError(ParkPulseError):
    """The fleet file, or a CSV that it names, cannot be used."""


class ServerUnreachable(ParkPulseError):
    """An OPC UA server does not answer, or refuses us."""


class ServerRefused(ServerUnreachable):
    """A server answers, but it refuses us or we refuse it: trying again sooner will not help."""


class CredentialsRefused(ServerRefused):
    """A certificate, key or password of ours cannot be used; the culprit is the file."""


class SegmentUnreadable(ParkPulseError):
    """A segment cannot be read beyond what was rescued."""


class HomeRefused(ParkPulseError):
    """The folder given as home is not one that ParkPulse made."""


class ReleaseBroken(ParkPulseError):
    """A release folder is not whole or was changed."""


class RegisterFileError(ParkPulseError):
    """A file for the park register cannot be read at all; a bad row of one is no such error."""


class NotifyError(ParkPulseError):
    """The notification settings, the outbox or a table of events to tell cannot be used."""
