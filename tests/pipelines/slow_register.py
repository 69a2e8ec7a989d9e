"""The register in plain loops: codes, sections, pairs of rows and what stands of many sources."""

from datetime import date

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
SECTIONS = [
    ("A", 1, 5), ("B", 6, 12), ("C", 13, 43), ("D", 44, 46), ("E", 47, 50), ("F", 51, 52),
    ("G", 53, 60), ("H", 61, 62), ("I", 63, 65), ("J", 66, 69), ("K", 70, 70), ("L", 71, 72),
    ("M", 73, 75), ("N", 76, 79), ("O", 80, 82), ("P", 83, 83), ("Q", 84, 85), ("R", 86, 90),
    ("S", 91, 96), ("T", 97, 97),
]  # fmt: skip


def code(body):
    """The 18 characters of the first 17."""
    total = sum(ALPHABET.index(c) * pow(3, i, 31) for i, c in enumerate(body))
    return body + ALPHABET[-total % 31]


def industry(text):
    """The code, or None where it is none."""
    letter, digits = (text[0], text[1:]) if text[:1].isalpha() else (None, text)
    if not digits.isdigit() or not 1 <= len(digits) <= 4:
        return None
    if letter is None and len(digits) != 4:
        return None
    for section, first, last in SECTIONS:
        divisions = [f"{n:02}" for n in range(first, last + 1)]
        if len(digits) == 1:
            if letter == section and any(d[0] == digits for d in divisions):
                return text
        elif digits[:2] in divisions and letter in (None, section):
            return section + digits
    return None


def refused(rows):
    """Lines of `(line, key, valid_from, valid_to, content)` that are refused as pairs."""
    bad = set()
    for a in rows:
        for b in rows:
            if a[0] != b[0] and a[1:3] == b[1:3] and a[3:] != b[3:]:
                bad |= {a[0], b[0]}
    left = [row for row in rows if row[0] not in bad]
    for a in left:
        for b in left:
            if a[1] == b[1] and a[2] < b[2] and a[3] is not None and a[3] > b[2]:
                bad |= {a[0], b[0]}
    return bad


def standing(rows):
    """What stands of rows (dicts with key, since, until, content, source, seq, rank), and fates.

    Rank by rank; in a rank day by day: of what each source said last of a day, the latest import
    stands, if no row of a higher rank holds on the day.
    """
    fates = {}
    newest = {}
    for n, row in enumerate(rows):
        at = (row["key"], row["since"], row["source"])
        old = newest.get(at)
        if old is None or row["seq"] >= rows[old]["seq"]:
            if old is not None:
                fates[old] = "superseded"
            newest[at] = n
        else:
            fates[n] = "superseded"
    stands = []
    for rank in sorted({row["rank"] for row in rows}):
        chosen = []
        for at in sorted({(rows[n]["key"], rows[n]["since"]) for n in newest.values()}):
            here = [
                n
                for n in newest.values()
                if rows[n]["rank"] == rank and (rows[n]["key"], rows[n]["since"]) == at
            ]
            if not here:
                continue
            kept = _holding(rows, stands, *at)
            if kept is None:
                here.sort(key=lambda n: (-rows[n]["seq"], rows[n]["source"]))
                kept, *here = here
                chosen.append(kept)
                fates[kept] = "standing"
            for n in here:
                fates[n] = "conflict" if _differs(rows[n], rows[kept]) else "superseded"
        stands += chosen
    return _versions(rows, stands), [fates[n] for n in range(len(rows))]


def _holding(rows, stands, key, since):
    for n in stands:
        row = rows[n]
        later = [
            rows[m]["since"]
            for m in stands
            if rows[m]["key"] == key and rows[m]["since"] > row["since"]
        ]
        ends = [day for day in (row["until"], min(later, default=None)) if day is not None]
        if row["key"] == key and row["since"] <= since < min(ends, default=date.max):
            return n
    return None


def _differs(row, kept):
    pairs = [*zip(row["content"], kept["content"], strict=True), (row["until"], kept["until"])]
    return any(said is not None and said != stands for said, stands in pairs)


def _versions(rows, stands):
    found = []
    for n in sorted(stands, key=lambda n: (rows[n]["key"], rows[n]["since"])):
        row = rows[n]
        last = found[-1] if found else None
        if (
            last is not None
            and last[0] == row["key"]
            and (last[2] is None or last[2] > row["since"])
        ):
            last[2] = row["since"]
        is_next = last is not None and last[0] == row["key"] and last[2] == row["since"]
        if is_next and last[3] == row["content"]:
            last[2] = row["until"]
        else:
            found.append([row["key"], row["since"], row["until"], row["content"]])
    return [tuple(one) for one in found]
