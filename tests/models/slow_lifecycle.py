"""Part 9 minute by minute, as a clerk would keep it: the slow twin of `models.lifecycle.states`."""

from datetime import timedelta

MINUTE = timedelta(minutes=1)
ORDER = {"low": 0, "medium": 1, "high": 2}


class Clerk:
    """One machine's events and what is written of each; entries name events that exist."""

    def __init__(self, events):
        self.events = {e["event_id"]: e for e in events}
        self.acked = dict.fromkeys(self.events, False)
        self.confirmed = dict.fromkeys(self.events, False)
        self.acked_at = dict.fromkeys(self.events)
        self.closed = dict.fromkeys(self.events, False)
        self.first = dict.fromkeys(self.events)
        self.verdict = dict.fromkeys(self.events)
        self.asked = {i: [] for i in self.events}
        self.shelves = []

    def active(self, i, t):
        end = self.events[i]["end"]
        return self.events[i]["start"] <= t and (end is None or t < end)

    def shelf(self, i):
        kind = self.events[i]["kind"]
        for s in self.shelves:
            if s["id"] == i or (s["until"] and s["kind"] == kind):
                return s
        return None

    def minute(self, t, entries, until, worse):
        """`worse` has the sequences of acknowledgements of what turned out worse."""
        wants = set()
        for i, e in self.events.items():
            if e["start"] == t and not e["suppressed_by"]:
                wants.add(i)
            due = self.acked_at[i] and t >= self.acked_at[i] + timedelta(hours=8)
            if due and not self.closed[i] and self.active(i, t) and t <= until and self.acked[i]:
                self.acked[i] = self.confirmed[i] = False
                wants.add(i)
        over = [
            s for s in self.shelves
            if (s["until"] and t >= s["until"]) or (not s["until"] and not self.active(s["id"], t))
        ]  # fmt: skip
        self.shelves = [s for s in self.shelves if s not in over]
        for entry in entries:
            over += self.write(entry, t, worse, wants)
        for s in over:
            for i, e in self.events.items():
                mine = s["id"] == i or (s["until"] and s["kind"] == e["kind"])
                if mine and self.active(i, t) and e["start"] < t and not self.acked[i]:
                    wants.add(i)
        for i in wants:
            if not self.shelf(i) and not self.events[i]["suppressed_by"]:
                self.asked[i].append(t)

    def write(self, entry, t, worse, wants):
        i, action = entry["event_id"], entry["action"]
        if action in ("shelve", "unshelve"):
            kind = self.events[i]["kind"]
            over = [s for s in self.shelves if s["id"] == i or (s["until"] and s["kind"] == kind)]
            self.shelves = [s for s in self.shelves if s not in over]
            if action == "shelve" and (entry["until"] or self.active(i, t)):
                shelf = {"id": i, "kind": kind, "until": entry["until"], "since": t}
                self.shelves.append(shelf)
            return [s for s in over if s["since"] < t]
        self.first[i] = self.first[i] or t
        self.acked_at[i] = t
        self.acked[i] = True
        if action in ("confirm", "verdict"):
            self.confirmed[i] = True
        if action == "verdict":
            self.verdict[i] = entry["verdict"]
        self.closed[i] = entry["verdict"] in ("false", "duplicate")
        if entry["sequence"] in worse:
            self.acked[i] = self.confirmed[i] = False
            self.acked_at[i] = None
            wants.add(i)
        return []


def worse(events, entries):
    """Sequences of acknowledgements after which priority rose or the peak grew by half."""
    found = set()
    acks = [e for e in entries if e["action"] in ("acknowledge", "confirm", "verdict")]
    for n, ack in enumerate(acks):
        later = [e for e in acks[n + 1 :] if e["event_id"] == ack["event_id"]]
        now = later[0] if later else next(e for e in events if e["event_id"] == ack["event_id"])
        graver = ORDER[now["priority"]] > ORDER[ack["priority"]]
        if graver or now["peak_score"] >= 1.5 * ack["peak_score"]:
            found.add(ack["sequence"])
    return found


def states(events, entries, at, until):
    """Per event id of what began: the words, and when it asked."""
    entries = sorted((e for e in entries if e["time"] <= at), key=lambda e: e["time"])
    events = [e for e in events if e["start"] <= at]
    entries = [e for e in entries if any(x["event_id"] == e["event_id"] for x in events)]
    clerk, bad = Clerk(events), worse(events, entries)
    times = [e["start"] for e in events] + [e["time"] for e in entries]
    t = min(times, default=at)
    while t <= at:
        clerk.minute(t, [e for e in entries if e["time"] == t], until, bad)
        t += MINUTE
    found = {}
    for i, e in clerk.events.items():
        shelf, active = clerk.shelf(i), clerk.active(i, at)
        found[i] = {
            "active_state": "Active" if active else "Inactive",
            "acked_state": "Acknowledged" if clerk.acked[i] else "Unacknowledged",
            "confirmed_state": "Confirmed" if clerk.confirmed[i] else "Unconfirmed",
            "shelving_state": "Unshelved" if not shelf
            else "TimedShelved" if shelf["until"] else "OneShotShelved",
            "retain": not e["suppressed_by"]
            and (active or not clerk.acked[i] or not clerk.confirmed[i]),
            "verdict": clerk.verdict[i],
            "ack_min": clerk.first[i] and max(0.0, (clerk.first[i] - e["start"]) / MINUTE),
            "asked": sorted(clerk.asked[i]),
        }  # fmt: skip
    return found
