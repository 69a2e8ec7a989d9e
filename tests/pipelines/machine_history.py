"""Machines of which the truth is known: what they made, and what of it was heard.

Pieces first, never faster than their planned run time; then the counters that show them, with
resets and wraps; then what reaches us, with holes in the coverage, nodes not heard and Bad spells.
"""

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from tests.pipelines.plant import BAD, Said

PRI = {"A": 7.0, "B": 11.5}
END = 4500
KINDS = ("parts_good", "parts_bad", "parts_rework")
COUNTERS = ("parts_total", *KINDS)
MOST = max(PRI.values())
EDGES = (600, 1000, 1200, 2400, 4200)
"""Where the busy intervals of test_bounds begin and end: half of the spells lie there."""


@dataclass(frozen=True)
class Piece:
    """One piece: when it was counted, of which product, and by which counter beside the total."""

    second: int
    product: str
    kind: str


@dataclass(frozen=True)
class Spell:
    """Seconds [start, end) without word: of all (measure None), one node, or Bad counters.

    When it ends a server tells what stands, with the time since when it is so; a node that was Bad
    says so anew.
    """

    start: int
    end: int
    measure: str | None = None
    is_bad: bool = False


@dataclass(frozen=True)
class History:
    """A machine's truth, and how it is heard."""

    pieces: list[Piece]
    products: list[tuple[int, str]]
    resets: list[int]
    spells: list[Spell]
    first: int = 0
    counter_max: int = 2**31 - 1
    measures: tuple[str, ...] = COUNTERS
    policy: str = "never"

    def said(self) -> list[Said]:
        """Everything that the machine says."""
        out = [Said(-500, "item_state", 3), Said(-500, "operation_mode", 3)]
        out += [Said(second, "product_id", product) for second, product in self.products]
        for measure in self.measures:
            out += [Said(s, measure, n) for s, n in self.shown(measure)]
        return out

    def shown(self, measure: str) -> list[tuple[int, int]]:
        """(second, count) of a counter: at first, at each of its pieces and at each reset."""
        mine = [p.second for p in self.pieces if measure in ("parts_total", p.kind)]
        count, out = self.first, [(-400, self.first)]
        for second, is_piece in sorted([(s, 1) for s in mine] + [(s, 0) for s in self.resets]):
            count = (count + 1) % (self.counter_max + 1) if is_piece else 0
            out.append((second, count))
        return out

    def heard(self) -> list[Said]:
        """What of it reaches us."""
        out = self.said()
        for spell in self.spells:
            out = _bad(out, spell) if spell.is_bad else _missed(out, spell)
        return out

    def coverage(self) -> list[tuple[int, int]]:
        """The seconds in which the whole machine was heard, as spans."""
        holes = sorted((s.start, s.end) for s in self.spells if s.measure is None)
        out, since = [], -600
        for start, end in holes:
            if start > since:
                out.append((since, start))
            since = max(since, end)
        return [*out, (since, END + 600)]

    def gaps(self) -> list[tuple[str, int, int]]:
        """The nodes that were not heard."""
        return [(s.measure, s.start, s.end) for s in self.spells if s.measure and not s.is_bad]

    def good(self, spans: list[tuple[int, int]]) -> float:
        """Seconds that the good pieces of these spans take as planned."""
        made = (p for p in self.pieces if p.kind == "parts_good")
        return sum(PRI[p.product] for p in made if any(a <= p.second < b for a, b in spans))

    def unseen(self, spans: list[tuple[int, int]]) -> int:
        """Pieces of the spells whose word comes in the spans, and for each one begun before.

        The word of a spell is the next piece of each kind: until then nothing says that the count
        has stood.
        """
        made, begun = set(), 0
        for spell in self.spells:
            after = [p for p in self.pieces if p.second > spell.end]
            told = {kind: p for kind in KINDS for p in reversed(after) if p.kind == kind}
            until = max([spell.end, *(p.second for p in told.values())])
            touched = sum(spell.start < b and until >= a for a, b in spans)
            begun += touched
            if touched:
                inside = (p for p in self.pieces if spell.start <= p.second <= spell.end)
                made |= {*inside, *told.values()}
        return len(made) + begun

    def judged_unseen(self) -> int:
        """Counts of scrap and rework told in time that was not heard."""
        holes = [spell for spell in self.spells if not spell.is_bad]
        beside = [s for s in self.heard() if s.measure in KINDS[1:]]
        return sum(any(a.start <= s.second < a.end for a in holes) for s in beside)


def _missed(said: list[Said], spell: Spell) -> list[Said]:
    inside = [s for s in said if _in(spell, s)]
    last = {s.measure: s for s in sorted(inside, key=lambda s: s.second)}
    return [s for s in said if not _in(spell, s) or s in last.values()]


def _bad(said: list[Said], spell: Spell) -> list[Said]:
    kept = [s for s in said if not _in(spell, s)]
    mine = [s for s in said if s.measure == spell.measure and s.second <= spell.end]
    last = max(mine, key=lambda s: s.second)
    bad = {spell.start, *(s.second for s in said if _in(spell, s))}
    again = [] if last.second == spell.end else [replace(last, second=spell.end)]
    return [*kept, *(Said(s, spell.measure, 0, BAD) for s in sorted(bad)), *again]


def _in(spell: Spell, word: Said) -> bool:
    mine = spell.measure in (None, word.measure)
    return mine and spell.start <= word.second < spell.end


@st.composite
def spells(draw, measures):
    near = st.sampled_from(EDGES).flatmap(lambda edge: st.integers(edge - 40, edge + 5))
    start = draw(st.one_of(near, st.integers(-100, END)))
    end = start + draw(st.one_of(st.integers(1, 60), st.integers(1, 900)))
    what = draw(st.sampled_from(["all", "all", "node", "bad"]))
    measure = None if what == "all" else draw(st.sampled_from([*measures, "product_id"]))
    is_bad = what == "bad" and measure != "product_id"
    return Spell(start, end, measure, is_bad)


@st.composite
def histories(draw, *, resets=True):
    """Machines that stand and run, change their product, and are heard with spells of silence.

    A counter that is near its end is not reset: nobody could tell the two apart; and none is reset
    in the very instant in which it counts.
    """
    changes = draw(st.lists(st.integers(0, END), max_size=3, unique=True))
    products = [(-500, "A")]
    products += [(s, draw(st.sampled_from("AB"))) for s in sorted(changes)]
    second, pieces, free = 0, [], -100.0
    waits = draw(st.lists(st.one_of(st.just(0), st.integers(0, 20), st.integers(0, 600)),
                          max_size=80))  # fmt: skip
    for wait in waits:
        second = _ceil(free) + wait
        product = [p for s, p in products if s <= second][-1]
        second = max(second, _ceil(free - min(PRI.values()) + PRI[product]))
        product = [p for s, p in products if s <= second][-1]
        second = max(second, _ceil(free - min(PRI.values()) + PRI[product]))
        if second >= END:
            break
        kind = draw(st.sampled_from(["parts_good"] * 4 + ["parts_bad", "parts_rework"]))
        pieces.append(Piece(second, [p for s, p in products if s <= second][-1], kind))
        free = second + min(PRI.values())
    measures = draw(st.sampled_from(
        [COUNTERS, COUNTERS[:1] + COUNTERS[2:], COUNTERS[1:]]))  # fmt: skip
    wraps = draw(st.booleans())
    first = draw(st.integers(900, 999) if wraps else st.integers(100, 10**6))
    drawn = draw(st.lists(st.integers(0, END), max_size=1)) if resets and not wraps else []
    return History(
        pieces,
        products,
        [at for at in drawn if at not in {piece.second for piece in pieces}],
        draw(st.lists(spells(measures), max_size=3)),
        first,
        999 if wraps else 2**31 - 1,
        measures,
    )


def _ceil(seconds: float) -> int:
    return -int(-seconds // 1)
