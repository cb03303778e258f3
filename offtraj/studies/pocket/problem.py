"""The pocket models' problems: a person has some things, events change their number, how many are there now?

A problem is drawn from a seeded generator. It has

- a person (24 names) and a thing (16 that are counted, 8 that are measured);
- 2 to 9 events, each in a month of its own, in the months' order. Of the amounts, 60 % are 1 to 9, 30 % are 10 to
  20, and 10 % are 21 to 60; where the thing is measured, half of them have `.5` added. One event in ten doubles
  or halves the number, which always stays between 0 and 99;
- for a quarter of the problems, a second person with the same things and one to three events of their own, in
  further months: a decoy;
- for a sixth of the events, a remark in parentheses that changes nothing.

Difficulty depends on the number of events, the size of the amounts, and the decoy.

**Train and test do not overlap.** A problem's *skeleton* is its computation: the start and the events' kinds and
amounts, without names, things, months, remarks and the decoy. The skeleton's hash determines the split, so no test
problem is a rephrased training problem.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Literal

from offtraj._util.digest import content_id

__all__ = [
    "MONTHS",
    "MOST_EVENTS",
    "NAMES",
    "THINGS",
    "Event",
    "Kind",
    "Problem",
    "Split",
    "benchmark_rows",
    "draw",
    "draw_amount",
    "problems",
    "show",
]

Kind = Literal["gain", "lose", "double", "halve"]
Split = Literal["train", "test"]

NAMES = (
    "Ben", "Ana", "Tom", "Lea", "Max", "Ida", "Sam", "Eva", "Leo", "Mia", "Jon", "Zoe",
    "Kim", "Ray", "Amy", "Dan", "Joy", "Ali", "Noa", "Gus", "Pia", "Rex", "Una", "Vic",
)  # fmt: skip
_COUNTED = (
    "cookies", "shells", "coins", "cards", "stamps", "marbles", "books", "apples",
    "pencils", "stickers", "buttons", "stones", "plums", "roses", "kites", "eggs",
)  # fmt: skip
_MEASURED = (
    "litres of milk", "kilos of rice", "metres of rope", "hours of music",
    "litres of paint", "kilos of clay", "metres of wire", "hours of film",
)  # fmt: skip
THINGS = _COUNTED + _MEASURED
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_VERBS: dict[Kind, tuple[str, ...]] = {
    "gain": ("gets", "finds", "buys", "wins"),
    "lose": ("loses", "sells", "uses", "drops"),
    "double": ("doubles it all",),
    "halve": ("gives half away",),
}
_REMARKS = ("at the fair", "a gift", "by mistake", "on a Monday", "for a friend", "just in time")
MOST_EVENTS = 9
_MOST = 2 * 99  # halves
_TEST_SHARE = 10  # one in ten skeletons belongs to the test split


@dataclass(frozen=True, slots=True)
class Event:
    """A change of a person's number of things, in a month."""

    month: str
    who: str
    kind: Kind
    verb: str
    amount: int
    """In halves; 0 for `double` and `halve`."""
    remark: str = ""

    def apply(self, held: int) -> int:
        """The number afterwards, in halves, given the number before."""
        match self.kind:
            case "gain":
                return held + self.amount
            case "lose":
                return held - self.amount
            case "double":
                return 2 * held
            case "halve":
                return held // 2

    @property
    def text(self) -> str:
        """`In March Ben gets 5`, without the remark."""
        amount = f" {show(self.amount)}" if self.amount else ""
        return f"In {self.month} {self.who} {self.verb}{amount}"


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem with its events and decoy."""

    who: str
    thing: str
    start: int
    """In halves."""
    events: tuple[Event, ...]
    """The person's own events, in the order of months."""
    decoy: tuple[str, int] | None
    """Another person and their number of things at the start, in halves."""
    told: tuple[Event, ...]
    """All events, including the decoy's, in the order of months."""

    @property
    def question(self) -> str:
        """The text of the problem."""
        sentences = [f"{self.who} has {show(self.start)} {self.thing}."]
        if self.decoy is not None:
            sentences.append(f"{self.decoy[0]} has {show(self.decoy[1])}.")
        sentences += [f"{e.text} ({e.remark})." if e.remark else f"{e.text}." for e in self.told]
        return " ".join([*sentences, f"How many {self.thing} does {self.who} have now?"])

    @property
    def answer(self) -> str:
        """The gold answer."""
        held = self.start
        for event in self.events:
            held = event.apply(held)
        return show(held)

    @property
    def skeleton(self) -> tuple[int, ...]:
        """The computation: start and events, as integers."""
        kinds = {"gain": 1, "lose": -1}
        return (
            self.start,
            *(
                kinds[e.kind] * e.amount if e.kind in kinds else {"double": 1000, "halve": -1000}[e.kind]
                for e in self.events
            ),
        )

    @property
    def split(self) -> Split:
        """The split of the problem, determined by its skeleton's hash."""
        return "test" if int(content_id("pocket/1", self.skeleton)[:8], 16) % _TEST_SHARE == 0 else "train"


def show(halves: int) -> str:
    """A number of halves as a decimal numeral, such as `7` or `3.5`."""
    return f"{halves // 2}.5" if halves % 2 else str(halves // 2)


def draw(rng: Random, *, most_events: int = MOST_EVENTS) -> Problem:
    """One problem, of either split, drawn from a generator."""
    who, other = rng.sample(NAMES, 2)
    thing = rng.choice(THINGS)
    measured = thing in _MEASURED
    count = rng.randint(2, most_events)
    decoys = rng.randint(1, 3) if rng.random() < 0.25 else 0
    months = sorted(rng.sample(range(12), count + decoys))
    owners = [who] * count + [other] * decoys
    rng.shuffle(owners)
    held = {who: _start(rng, measured=measured), other: _start(rng, measured=measured)}
    start = dict(held)
    told = []
    for month, owner in zip(months, owners, strict=True):
        event = _event(rng, MONTHS[month], owner, held[owner], measured)
        held[owner] = event.apply(held[owner])
        told.append(event)
    own = tuple(event for event in told if event.who == who)
    decoy = (other, start[other]) if decoys else None
    return Problem(who, thing, start[who], own, decoy, tuple(told))


def problems(split: Split, seed: int, *, most_events: int = MOST_EVENTS) -> Iterator[Problem]:
    """An endless iterator over problems of a split, determined by the seed."""
    rng = Random(f"{split}/{seed}")
    while True:
        problem = draw(rng, most_events=most_events)
        if problem.split == split:
            yield problem


def benchmark_rows(count: int, *, seed: int = 0) -> list[dict[str, str]]:
    """Distinct test problems as rows of a benchmark: `id`, `question`, `answer`."""
    drawn = dict.fromkeys(islice(problems("test", seed), 2 * count))
    chosen = islice(drawn, count)
    return [{"id": f"{n:03}", "question": p.question, "answer": p.answer} for n, p in enumerate(chosen)]


def _event(rng: Random, month: str, who: str, held: int, measured: bool) -> Event:
    remark = rng.choice(_REMARKS) if rng.random() < 1 / 6 else ""
    while True:
        kind: Kind = rng.choice(("double", "halve")) if rng.random() < 0.1 else rng.choice(("gain", "lose"))
        amount = draw_amount(rng, measured=measured) if kind in ("gain", "lose") else 0
        event = Event(month, who, kind, rng.choice(_VERBS[kind]), amount, remark)
        whole = kind != "halve" or held % (2 if measured else 4) == 0
        if whole and held > 0 and 0 <= event.apply(held) <= _MOST:
            return event
        if held == 0:
            held_amount = draw_amount(rng, measured=measured)
            return Event(month, who, "gain", rng.choice(_VERBS["gain"]), held_amount, remark)


def _start(rng: Random, *, measured: bool) -> int:
    return 2 * rng.randint(1, 40) + (1 if measured and rng.random() < 0.5 else 0)


def draw_amount(rng: Random, *, measured: bool) -> int:
    """The amount of an event, in halves."""
    low, high = rng.choices(((1, 9), (10, 20), (21, 60)), (6, 3, 1))[0]
    return 2 * rng.randint(low, high) + (1 if measured and rng.random() < 0.5 else 0)
