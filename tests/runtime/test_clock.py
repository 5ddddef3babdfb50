"""The machine's clock."""

from datetime import UTC

from perdure.runtime.clock import SystemClock


def test_now_is_aware_utc_and_monotonic_never_goes_back() -> None:
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()


def test_tokens_are_16_hex_digits_and_differ() -> None:
    tokens = {SystemClock().token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(each) == 16 and int(each, 16) >= 0 for each in tokens)


def test_a_clock_is_trusted_up_to_two_seconds_of_skew() -> None:
    skew = 0.0
    clock = SystemClock(lambda: skew)
    for skew, is_trusted in ((0.0, True), (2.0, True), (2.1, False), (0.5, True)):  # noqa: B007 - read by the lambda
        assert clock.is_trusted() is is_trusted


async def test_a_sleep_of_less_than_nothing_ends() -> None:
    await SystemClock().sleep(-1)
