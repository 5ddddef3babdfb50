import math
from random import Random  # noqa: TID251 - seeded

from perdure.kubernetes.log.agenda import Agenda, Kind, Pace


class Naive:
    """An agenda that looks at everything each time."""

    def __init__(self) -> None:
        self.waiting: dict[str, tuple[bool, float, float, float]] = {}
        self.running: dict[str, tuple[bool, float, float, float]] = {}
        self.again: dict[str, tuple[bool, float, float, float]] = {}

    def want(self, uid: str, now: float, within: float) -> None:
        wishes = self.again if uid in self.running else self.waiting
        self.join(wishes, uid, (within <= 0, now, now + within, -math.inf))

    @staticmethod
    def join(
        wishes: dict[str, tuple[bool, float, float, float]],
        uid: str,
        wish: tuple[bool, float, float, float],
    ) -> None:
        urgent, since, due, until = wishes.get(uid, wish)
        wishes[uid] = urgent or wish[0], min(since, wish[1]), min(due, wish[2]), until

    def due(self, kind: Kind, now: float) -> dict[str, float]:
        """Return who may begin, and since when it is due."""
        times = {
            uid: max(due, until)
            for uid, (urgent, _, due, until) in self.waiting.items()
            if urgent is (kind is Kind.URGENT)
        }
        return {uid: at for uid, at in times.items() if at <= now}

    def begin(self, uid: str) -> None:
        self.running[uid] = self.waiting.pop(uid)

    def end(self, uid: str) -> None:
        del self.running[uid]
        if uid in self.again:
            self.waiting[uid] = self.again.pop(uid)

    def put_off(self, uid: str, until: float) -> None:
        urgent, since, due, _ = self.running.pop(uid)
        self.waiting[uid] = urgent, since, due, until
        if uid in self.again:
            self.join(self.waiting, uid, self.again.pop(uid))

    def oldest(self) -> float | None:
        wishes = (*self.waiting.values(), *self.running.values(), *self.again.values())
        return min((since for _, since, _, _ in wishes), default=None)


def test_it_does_what_one_that_looks_at_everything_does() -> None:
    for seed in range(30):
        random, agenda, naive = Random(seed), Agenda(), Naive()
        now = 0.0
        for _ in range(400):
            now += random.choice((0.0, 0.25, 1.0))
            uid = f"uid-{random.randrange(20)}"
            match random.randrange(5):
                case 0 | 1:
                    within = random.choice((0.0, 1.0, 5.0))
                    agenda.want(uid, now, within)
                    naive.want(uid, now, within)
                case 2:
                    begin(agenda, naive, random.choice(list(Kind)), now)
                case 3 if uid in naive.running:
                    agenda.end(uid)
                    naive.end(uid)
                case 4 if uid in naive.running:
                    until = now + random.choice((0.0, 0.5, 7.0))
                    agenda.put_off(uid, until)
                    naive.put_off(uid, until)
                case _:
                    pass
            assert agenda.oldest() == naive.oldest()
            assert (uid in agenda) == (uid in naive.waiting or uid in naive.running)


def begin(agenda: Agenda, naive: Naive, kind: Kind, now: float) -> None:
    due = naive.due(kind, now)
    uid = agenda.begin(kind, now)
    assert (uid is None) == (not due)
    if uid is not None:
        assert due[uid] == min(due.values())
        naive.begin(uid)


def test_it_forgets_deadlines_that_were_moved() -> None:
    agenda = Agenda()
    for number in range(10_000):
        agenda.want("uid-1", now=0.0, within=20_000.0 - number)
    assert agenda.next_at(Kind.PACED) == 10_001.0
    assert sum(len(heap) for heap in agenda._heaps.values()) < 100


def test_a_pace_is_a_burst_and_then_so_many_in_a_second() -> None:
    pace, now, taken = Pace(per_second=50.0, most=5, now=100.0), 100.0, []
    while now < 102.0:
        pace.take(now)
        taken.append(now)
        now = pace.next_at(now)
    assert taken[:5] == [100.0] * 5
    assert len(taken) == 5 + 99
    assert abs(taken[-1] - taken[5] - 98 / 50.0) < 1e-6


def test_what_was_not_used_is_lost() -> None:
    pace = Pace(per_second=50.0, most=5, now=0.0)
    for _ in range(5):
        assert pace.next_at(1000.0) == 1000.0
        pace.take(1000.0)
    assert pace.next_at(1000.0) > 1000.0
