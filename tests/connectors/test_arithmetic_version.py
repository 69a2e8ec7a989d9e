import ast

from connectors.arithmetic_version import ADOPTION, arithmetic_version, sources, wordless

CODE = 'X = 2\n"""words"""\n\ndef f(a):\n    """words"""\n    return a + X  # words\n'


def test_words_are_no_arithmetic():
    one = wordless(ast.parse(CODE))
    assert one == wordless(ast.parse(CODE.replace("words", "others") + "\n\n"))
    assert one != wordless(ast.parse(CODE.replace("a + X", "a - X")))
    assert one != wordless(ast.parse(CODE.replace("X = 2", "X = 3")))


def test_every_module_that_a_figure_is_made_by_counts(monkeypatch):
    seen = []
    monkeypatch.setattr(ast, "parse", lambda source, f=ast.parse: seen.append(source) or f(source))
    arithmetic_version.cache_clear()
    assert len(arithmetic_version()) == 32
    told = "".join(seen)
    for name in ("def increments", "def element_times", "def heard", "def with_pri", "def correct"):
        assert name in told
    assert "def adoption" not in told


def test_adoption_is_made_by_its_own_modules():
    found = set(sources(*ADOPTION))
    assert {"cloud.units", "cloud.seen", "cloud.firms", "cloud.identity", "versions"} <= found
    assert "oee" not in found
    assert arithmetic_version(*ADOPTION) != arithmetic_version()
