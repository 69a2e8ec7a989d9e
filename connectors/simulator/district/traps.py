"""The planted cases of enterprises: sizes, comings and goings, declarations, use and accounts.

Letters are those of the edge rules: (a) denominators move, (c) group accounts, (d) two parks, (e)
machine hours, (f) rest, (j) claims; `size`, `E1` and `E2` for the classes and the evidence.
"""

from datetime import date, timedelta

from connectors.simulator.district import traps_devices
from connectors.simulator.district.draft import Draft
from connectors.simulator.district.names import GROUPS
from connectors.simulator.district.planter import Columns, Planter

OUTSIDE, VERIFIED, DECLARED, UNKNOWN, NOT = "outside", "verified", "declared", "unknown", "not"
GROUP_IN_USE, GROUP_BEFORE = GROUPS[0], GROUPS[4]

SIZES = (
    (1500, 39_999.0, NOT), (5000, 500.0, NOT), (1000, 40_000.0, OUTSIDE), (299, 900_000.0, NOT),
    (19, 900_000.0, NOT), (300, 1_999.0, NOT), (300, 2_000.0, NOT), (999, 40_000.0, NOT),
    (20, 300.0, NOT), (20, 299.9, NOT), (None, None, OUTSIDE), (None, 50_000.0, OUTSIDE),
    (None, 299.0, NOT), (19, None, NOT),
)  # fmt: skip
"""Staff, revenue (万元) on and beside every bound; without one the other alone may tell micro."""


def plant(draft: Draft) -> None:
    """Add every planted case."""
    planter = Planter(draft)
    for staff, revenue, expected in SIZES:
        uscc = planter.firm(staff=staff, revenue_wan=revenue)
        says = f"{staff} staff and {revenue} (10,000 yuan)"
        planter.trap("size", f"size {staff} {revenue}", says, expected, uscc)
    _kinds(planter)
    _moves(planter)
    _declared(planter)
    _mixed(planter)
    _used(planter)
    _groups(planter)
    _platforms(planter)
    traps_devices.plant(planter)


def _kinds(p: Planter) -> None:
    """Who is no industrial SME of the New City."""
    cases: dict[str, Columns] = {
        "household": {"register_status": "个体工商户"}, "revoked": {"register_status": "吊销"},
        "outside": {"in_new_city": False}, "trade": {"industry_code": "F5171"},
        "no code": {"industry_code": None},
    }  # fmt: skip
    for name, first in cases.items():
        uscc = p.firm(**first)
        p.use(uscc, 3)
        p.trap("a", f"kind {name}", f"{name}: used, but in no scope", OUTSIDE, uscc)
    for code in ("B1019", "D4415"):
        p.trap(
            "a", f"sector {code}", "mining and supply are industry", NOT, p.firm(industry_code=code)
        )


def _moves(p: Planter) -> None:
    """Comings, goings, growth and moves."""
    new_year = date(p.on.year, 1, 1)
    old_year = new_year - timedelta(days=1)
    big: Columns = {"staff": 1_200, "revenue_wan": 50_000.0}
    small: Columns = {"staff": 60, "revenue_wan": 900.0}
    gone: Columns = {"register_status": "注销"}
    into = p.firm()
    cases: dict[str, tuple[str, str, str]] = {
        "came": ("in the register for ten days", NOT, p.firm(valid_from=p.back(10))),
        "tomorrow": ("in the register from tomorrow on", "", p.firm(valid_from=p.back(-1))),
        "closed": ("注销 twenty days ago", OUTSIDE, p.firm((p.back(20), gone))),
        "closed today": ("注销 from the reference date on", OUTSIDE, p.firm((p.on, gone))),
        "closes tomorrow": ("注销 from the day after", NOT, p.firm((p.back(-1), gone))),
        "moved out": (
            "迁出 forty days ago", OUTSIDE, p.firm((p.back(40), {"register_status": "迁出"})),
        ),
        "merged": (
            "合并 into another fifty days ago", OUTSIDE,
            p.firm((p.back(50), {"register_status": "合并", "successor_uscc": into})),
        ),
        "grown this year": (
            "large since 1 January: the class of 31 December stays", NOT, p.firm((new_year, big)),
        ),
        "grown last year": (
            "large from 31 December on", OUTSIDE, p.firm((old_year, big)),
        ),
        "came and grew": (
            "came small this year, large now: the class of its first version", NOT,
            p.firm((p.on, big), valid_from=new_year, **small) if p.on > new_year
            else p.firm(valid_from=new_year, **small),
        ),
        "came large": (
            "came large this year and shrank", OUTSIDE,
            p.firm((p.on, small), valid_from=new_year, **big) if p.on > new_year
            else p.firm(valid_from=new_year, **big),
        ),
        "changed trade": (
            "a trader since sixty days", OUTSIDE, p.firm((p.back(60), {"industry_code": "F5171"})),
        ),
    }  # fmt: skip
    for name, (says, expected, uscc) in cases.items():
        p.trap("a", name, says, expected, uscc)
    mover = p.firm(parks=())
    p.site(mover, "P01", 1, ended=30)
    p.site(mover, "P02", 2, begun=30)
    p.trap("a", "moved park", "from P01 to P02 thirty days ago", NOT, mover)
    both = p.firm(parks=("P01", "P02"))
    p.use(both, 5)
    p.trap("d", "two parks", "once in P01, once in P02, once in the New City", VERIFIED, both)
    p.trap("d", "no park", "a site outside every park", NOT, p.firm(parks=(None,)))


def _declared(p: Planter) -> None:
    """The edges of one declaration."""
    cases: dict[str, tuple[str, dict[str, int | None], str]] = {
        "ended 90 ago": ("in the window by a day", {"since": 400, "until": 90}, DECLARED),
        "ended 91 ago": ("before the window by a day", {"since": 400, "until": 91}, NOT),
        "begins today": ("begun on the reference date", {"since": 0}, DECLARED),
        "begins tomorrow": ("not begun yet", {"since": -1}, NOT),
        "undated": ("yes, nobody knows since when", {}, UNKNOWN),
        "undated, ended": ("no beginning, ended before the window", {"until": 91}, NOT),
        "undated, ends": ("no beginning, ended in the window", {"until": 90}, UNKNOWN),
        "stale": ("last confirmed five years ago", {"since": 1_900}, DECLARED),
    }  # fmt: skip
    for name, (says, days, expected) in cases.items():
        uscc = p.firm(says=None)
        p.says(
            uscc, "yes", level="C2", since=days.get("since"), until=days.get("until"),
            confirmed=1_830 if name == "stale" else 40, valid_from=1_900,
        )  # fmt: skip
        p.trap("E1", name, says, expected, uscc)
    p.trap("E1", "no row", "declared nothing at all", UNKNOWN, p.firm(says=None))
    p.trap("E1", "unknown", "says that it does not know", UNKNOWN, p.firm(says="unknown"))
    p.trap("E1", "no", "says no", NOT, p.firm())


def _mixed(p: Planter) -> None:
    """Several rows of one enterprise, and rows that were replaced."""
    both = p.firm(says=None)
    p.says(both, "yes", level="C1", since=300)
    p.says(both, "unknown", level="C3")
    p.trap("E1", "yes and unknown", "one row claims: yes", DECLARED, both)
    expired = p.firm(says=None)
    p.says(expired, "yes", level="C1", since=500, until=200)
    p.says(expired, "no", level="C2")
    p.trap("E1", "expired and no", "a row says yes and has ended: expired", NOT, expired)
    withdrawn = p.firm(says=None)
    p.says(withdrawn, "yes", level="C2", since=300, valid_to=10)
    p.says(withdrawn, "no", level="C2", valid_from=10)
    p.trap("E1", "withdrawn", "yes until ten days ago, no since", NOT, withdrawn)
    several = p.firm(says=None)
    for level in ("C1", "C2", "C4"):
        p.says(several, "yes", level=level, since=200)
    p.use(several, 8, "C2")
    p.trap("E1", "level not seen", "claims up to C4, seen at C2", VERIFIED, several)
    bare = p.firm(says=None)
    p.says(bare, "yes", since=200)
    p.trap("E1", "no level", "claims without a level: unknown at each", DECLARED, bare)
    liar = p.firm(says=None)
    p.says(liar, "yes", level="C3", since=200)
    p.trap("E1", "liar", "claims what is not so", DECLARED, liar)
    denied = p.firm()
    p.use(denied, 12, "C1")
    p.trap("E1", "denied", "says no, and is seen", VERIFIED, denied)
    over = p.firm(says=None)
    p.says(over, "yes", level="C2", since=500, until=120)
    p.use(over, 1)
    p.trap("E1", "expired, seen", "its declaration ended, its use did not", VERIFIED, over)


def _used(p: Planter) -> None:
    """Edges of use, accounts that change hands, machine hours."""
    for back, expected in ((90, VERIFIED), (91, NOT), (0, VERIFIED), (-1, NOT)):
        uscc = p.firm()
        p.use(uscc, back)
        p.trap("E2", f"used {back} ago", f"one record, {back} days ago", expected, uscc)
    account = p.firm()
    p.tenant("T-own", account)
    p.use(None, 4, tenant="T-own", really=account)
    p.trap("c", "own account", "the row names no enterprise, its account does", VERIFIED, account)
    old, new = p.firm(), p.firm()
    p.tenant("T-sold", old, ended=50)
    p.tenant("T-sold", new, begun=50)
    p.use(None, 51, tenant="T-sold", really=old)
    p.trap("c", "sold account", "whose it was on the day of the use", VERIFIED, old)
    p.trap("c", "bought account", "not used since it was bought", NOT, new)
    p.use(None, 5, tenant="T-nobody")
    hours = p.firm()
    p.use(hours, 6, "C3", service="machine_hours")
    p.trap("e", "machine hours", "hours on shared machines are no device: C2", VERIFIED, hours)
    bare = p.firm()
    p.use(bare, 6, None, service="cloud_server")
    p.trap("E2", "use without level", "verified, at no level", VERIFIED, bare)


def _groups(p: Planter) -> None:
    """One account of a group for many legal units: only who is seen by itself is verified."""
    p.tenant("T-group", None, GROUP_IN_USE)
    p.use(None, 7, "C4", tenant="T-group")
    own = p.firm(legal_group=GROUP_IN_USE)
    p.use(own, 9, "C4")
    p.trap("c", "group, own use", "of a group in use, and seen itself", VERIFIED, own)
    denies = p.firm(legal_group=GROUP_IN_USE)
    p.trap("c", "group, no", "says no, its group is in use: nobody knows", UNKNOWN, denies)
    p.draft.levels[denies] = {"C4"}
    claims = p.firm(says=None, legal_group=GROUP_IN_USE)
    p.says(claims, "yes", level="C4", since=100)
    p.trap("c", "group, yes", "declared; unknown on the basis verified", DECLARED, claims)
    left = p.firm((p.back(5), {"legal_group": None}), legal_group=GROUP_IN_USE)
    p.trap("c", "left the group", "its group is that of the reference date", NOT, left)
    joined = p.firm((p.back(5), {"legal_group": GROUP_IN_USE}))
    p.trap("c", "joined the group", "in it now: nobody knows", UNKNOWN, joined)
    p.tenant("T-before", None, GROUP_BEFORE)
    p.use(None, 91, "C2", tenant="T-before")
    before = p.firm(legal_group=GROUP_BEFORE)
    p.trap("c", "group before", "the group's use lies before the window", NOT, before)


def _platforms(p: Planter) -> None:
    """CA-5: enterprises above the scale and platform applications."""
    cases = {
        "scale 2000": (2_000.0, "C4", None), "scale 1999.9": (1_999.9, "C4", None),
        "scale C3": (9_000.0, "C3", None), "scale hours": (9_000.0, "C4", "machine_hours"),
        "scale no level": (9_000.0, None, "cloud_server"),
    }  # fmt: skip
    for name, (revenue, level, service) in cases.items():
        uscc = p.firm(revenue_wan=revenue, staff=120)
        p.use(uscc, 15, level, service=service)
        if service == "machine_hours":
            p.draft.levels[uscc] = {"C2"}
        p.trap("e", name, f"revenue {revenue}, used at {level}", VERIFIED, uscc)
