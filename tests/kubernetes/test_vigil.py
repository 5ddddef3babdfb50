"""Judging from looks at Leases who is dead."""

from perdure.kubernetes.leases import Lease
from perdure.kubernetes.vigil import Vigil

A = "a_0000000000000001"
NAME = "perdure-a"


def watching() -> Vigil:
    vigil = Vigil(dead_seconds=15, longest_step=4)
    vigil.watch(A)
    return vigil


def look(vigil: Vigil, at: float, lease: Lease | None) -> list[str]:
    leases = {} if lease is None else {NAME: lease}
    return vigil.look(leases, of=vigil.watched, began=at, ended=at)


def test_one_that_renews_lives() -> None:
    vigil = watching()
    for version, at in enumerate(range(0, 100, 2)):
        assert look(vigil, at, Lease(A, str(version))) == []
    assert not vigil.is_dead(A, 99)


def test_a_lease_that_names_another_or_none_means_death_at_once() -> None:
    for holder in ("a_0000000000000002", ""):
        vigil = watching()
        assert look(vigil, 0, Lease(holder, "1")) == [A]
        assert vigil.is_dead(A, 1000)
        assert len(vigil) == 0


def test_one_heard_of_during_a_look_is_not_judged_by_it() -> None:
    before = Lease("a_0000000000000000", "1")
    vigil = Vigil(dead_seconds=15, longest_step=4)
    of = vigil.watched
    vigil.watch(A)
    assert vigil.look({NAME: before}, of=of, began=0, ended=1) == []
    assert not vigil.is_dead(A, 1)
    assert look(vigil, 2, Lease(A, "2")) == []


def test_silence_of_15_seconds_means_death_told_once() -> None:
    for lease in (Lease(A, "1"), None):
        vigil = watching()
        for at in range(0, 15, 2):
            assert look(vigil, at, lease) == []
        assert look(vigil, 16, lease) == [A]
        assert look(vigil, 18, lease) == []
        assert vigil.is_dead(A, 18)


def test_time_around_a_failed_look_does_not_count() -> None:
    vigil = watching()
    look(vigil, 0, Lease(A, "1"))
    look(vigil, 2, Lease(A, "1"))
    vigil.miss()
    look(vigil, 20, Lease(A, "1"))
    for at in (22, 24, 26, 28, 30, 32):
        assert look(vigil, at, Lease(A, "1")) == []
    assert look(vigil, 34, Lease(A, "1")) == [A]


def test_a_pause_of_our_own_kills_nobody() -> None:
    vigil = watching()
    look(vigil, 0, Lease(A, "1"))
    assert look(vigil, 600, Lease(A, "1")) == []


def test_only_the_time_between_the_looks_counts() -> None:
    vigil = Vigil(dead_seconds=2, longest_step=4)
    vigil.watch(A)
    leases = {NAME: Lease(A, "1")}
    assert vigil.look(leases, of=vigil.watched, began=0.0, ended=1.5) == []
    assert vigil.look(leases, of=vigil.watched, began=3.0, ended=3.5) == []
    assert vigil.look(leases, of=vigil.watched, began=4.0, ended=4.0) == [A]


def test_one_that_is_heard_of_again_lives_again_and_may_die_again() -> None:
    vigil = watching()
    for at in range(0, 18, 2):
        look(vigil, at, Lease(A, "1"))
    assert vigil.is_dead(A, 17)
    assert look(vigil, 20, Lease(A, "2")) == []
    assert not vigil.is_dead(A, 20)
    for at in range(22, 34, 2):
        assert look(vigil, at, Lease(A, "2")) == []
    assert look(vigil, 35, Lease(A, "2")) == [A]


def test_silence_that_was_found_too_long_ago_makes_nobody_dead() -> None:
    # Given one found silent at second 16,
    vigil = watching()
    for at in range(0, 18, 2):
        look(vigil, at, Lease(A, "1"))
    assert vigil.is_dead(A, 19.9)

    # when no look has succeeded for a while,
    vigil.miss()

    # then it may be alive again, until a look finds it silent still, and tells so again.
    assert not vigil.is_dead(A, 20)
    assert look(vigil, 40, Lease(A, "1")) == [A]
    assert vigil.is_dead(A, 40)
    assert look(vigil, 42, Lease(A, "1")) == []


def test_nobody_is_dead_before_a_look() -> None:
    assert not watching().is_dead(A, 0)
    assert not watching().is_dead("unknown_0000000000000001", 0)
