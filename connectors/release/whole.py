"""Is a release whole and untampered? Needs nothing but its folder."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from connectors.errors import ReleaseBroken

SUMS: Final = "SHA256SUMS"
_DIGEST_LENGTH: Final = 64
_REMEDY: Final = "ask the issuer for this release again"


def sums_of(files: Mapping[str, bytes]) -> bytes:
    """The lines `sha256sum --check` reads, by file name."""
    lines = [f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)]
    return "".join(lines).encode()


def check(folder: Path) -> None:
    """Raise ReleaseBroken naming the first file that is missing, changed or does not belong."""
    listed = _listed(folder / SUMS)
    for name, digest in listed.items():
        path = folder / name
        if not path.is_file():
            raise ReleaseBroken(path, "is missing", _REMEDY)
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise ReleaseBroken(path, "was changed after the release", _REMEDY)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name not in listed and name != SUMS:
            raise ReleaseBroken(path, "does not belong to the release", "take it out of the folder")


def _listed(path: Path) -> dict[str, str]:
    """File name to digest."""
    if not path.is_file():
        raise ReleaseBroken(
            path, "is missing", "name the folder of one release, with its SHA256SUMS"
        )
    lines = path.read_text("utf-8", errors="replace").splitlines()
    listed = {line[_DIGEST_LENGTH + 2 :]: line[:_DIGEST_LENGTH] for line in lines}
    if not listed or any(not _is_plain(*item) for item in listed.items()):
        raise ReleaseBroken(path, "is not a list of SHA-256 sums of plain file names", _REMEDY)
    return listed


def _is_plain(name: str, digest: str) -> bool:
    is_digest = len(digest) == _DIGEST_LENGTH and set(digest) <= set("0123456789abcdef")
    return is_digest and name == Path(name).name and name not in ("", "..")
