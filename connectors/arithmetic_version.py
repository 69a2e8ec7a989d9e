"""Which arithmetic made a figure: one hash over the source of what silver and gold are made by."""

import ast
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Final

from pipelines.fingerprints import digest

ROOTS: Final = [
    "bronze", "raw", "clock", "carry", "states", "counters", "process", "oee", "losses", "lines",
    "reliability", "semi", "conventions",
]  # fmt: skip
"""Modules of `pipelines` from which all others of raw -> silver -> gold are imported."""

_PACKAGE: Final = "pipelines"


@cache
def arithmetic_version() -> str:
    """The hash of the syntax trees of ROOTS and what they import: words in them play no part."""
    found: dict[str, str] = {}
    open_names = list(ROOTS)
    while open_names:
        name = open_names.pop()
        if name not in found:
            tree = ast.parse(resources.files(_PACKAGE).joinpath(f"{name}.py").read_text("utf-8"))
            open_names += _imported(tree)
            found[name] = wordless(tree)
    return digest(f"{name}\n{tree}" for name, tree in sorted(found.items()))


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
            if package == _PACKAGE:
                yield from [module] if module else [one.name for one in node.names]
