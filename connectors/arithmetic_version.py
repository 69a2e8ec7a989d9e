"""Which arithmetic made a figure: one hash over the source of what it is made by."""

import ast
from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from pipelines.fingerprints import digest

ROOTS: Final = [
    "bronze", "raw", "clock", "carry", "states", "counters", "process", "oee", "losses", "lines",
    "reliability", "semi", "conventions",
]  # fmt: skip
"""Modules of `pipelines` from which all others of raw -> silver -> gold are imported."""

ADOPTION: Final = ["cloud.many_days"]
"""The same of cloud adoption."""

_PACKAGE: Final = "pipelines"


@cache
def arithmetic_version(*roots: str) -> str:
    """The hash of `sources`: a change in words or layout is none."""
    return digest(f"{name}\n{tree}" for name, tree in sorted(sources(*roots).items()))


def sources(*roots: str) -> dict[str, str]:
    """The syntax of modules of `pipelines` (by default ROOTS) and of all that they import of it."""
    found: dict[str, str] = {}
    open_names = list(roots or ROOTS)
    while open_names:
        name = open_names.pop()
        if name not in found:
            file = _files().joinpath(f"{name.replace('.', '/')}.py")
            tree = ast.parse(file.read_text("utf-8"))
            open_names += _imported(tree)
            found[name] = wordless(tree)
    return found


def wordless(tree: ast.Module) -> str:
    """A module's syntax without docstrings, comments and layout."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [one for one in node.body if not _is_words(one)]
    return ast.dump(tree)


def _is_words(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _imported(tree: ast.Module) -> Iterator[str]:
    """Modules of the package that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            package, _, module = node.module.partition(".")
            if package != _PACKAGE:
                continue
            if module and not _files().joinpath(module.replace(".", "/")).is_dir():
                yield module
            else:
                yield from (".".join(filter(None, (module, one.name))) for one in node.names)


def _files() -> Traversable:
    return resources.files(_PACKAGE)
