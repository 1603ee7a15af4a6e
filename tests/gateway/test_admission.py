"""How many connections there may be, and who has to go when there is one too many."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from collector.gateway.admission import TOLD_EVERY_S, Admission, Seat


class Guests:
    """Connections that do nothing but sit; `present` are those that still do."""

    def __init__(self, admission: Admission, nursery: trio.Nursery) -> None:
        self.present: list[str] = []
        self.seats: dict[str, Seat] = {}
        self._admission = admission
        self._nursery = nursery

    async def arrive(self, *names: str) -> None:
        """Take a seat; a name is an address and a letter."""
        for name in names:
            self._nursery.start_soon(self._sit, name)
            await wait_all_tasks_blocked()

    async def leave(self, name: str) -> None:
        """End of one's own accord."""
        self.seats[name].scope.cancel()
        await wait_all_tasks_blocked()

    async def _sit(self, name: str) -> None:
        with self._admission.seat(name[:-1]) as seat:
            self.seats[name] = seat
            self.present.append(name)
            try:
                await trio.sleep_forever()
            finally:
                self.present.remove(name)


async def test_up_to_the_limit_nobody_has_to_go(nursery: trio.Nursery) -> None:
    admission = Admission(total=4, per_address=2)
    guests = Guests(admission, nursery)
    await guests.arrive("10.a", "10.b", "11.a", "11.b")
    assert guests.present == ["10.a", "10.b", "11.a", "11.b"]
    assert len(admission) == 4
    assert admission.evicted == 0
    nursery.cancel_scope.cancel()


async def test_one_too_many_from_an_address_costs_the_one_that_was_silent_for_the_longest(
    nursery: trio.Nursery,
) -> None:
    admission = Admission(total=10, per_address=2)
    guests = Guests(admission, nursery)
    await guests.arrive("10.a", "11.a", "10.b", "10.c")
    assert guests.present == ["11.a", "10.b", "10.c"]
    assert admission.evicted == 1
    nursery.cancel_scope.cancel()


async def test_one_too_many_in_all_costs_the_one_that_was_silent_for_the_longest(nursery: trio.Nursery) -> None:
    admission = Admission(total=3, per_address=3)
    guests = Guests(admission, nursery)
    await guests.arrive("10.a", "11.a", "12.a", "13.a")
    assert guests.present == ["11.a", "12.a", "13.a"]
    assert len(admission) == 3
    nursery.cancel_scope.cancel()


async def test_who_has_just_spoken_keeps_his_seat(nursery: trio.Nursery) -> None:
    guests = Guests(Admission(total=2, per_address=2), nursery)
    await guests.arrive("10.a", "10.b")
    guests.seats["10.a"].renew()
    await guests.arrive("11.a")
    assert guests.present == ["10.a", "11.a"]
    nursery.cancel_scope.cancel()


async def test_a_free_seat_is_given_again(nursery: trio.Nursery) -> None:
    admission = Admission(total=2, per_address=2)
    guests = Guests(admission, nursery)
    await guests.arrive("10.a", "10.b")
    await guests.leave("10.a")
    await guests.arrive("10.c")
    assert guests.present == ["10.b", "10.c"]
    assert admission.evicted == 0
    nursery.cancel_scope.cancel()


async def test_who_was_sent_away_does_not_leave_a_second_time(nursery: trio.Nursery) -> None:
    admission = Admission(total=9, per_address=1)
    guests = Guests(admission, nursery)
    await guests.arrive("10.a", "10.b", "10.c")
    assert guests.present == ["10.c"]
    assert len(admission) == 1
    assert admission.evicted == 2
    guests.seats["10.a"].renew()
    assert len(admission) == 1
    nursery.cancel_scope.cancel()


async def test_when_all_have_left_nothing_is_remembered(nursery: trio.Nursery) -> None:
    admission = Admission(total=2, per_address=1)
    guests = Guests(admission, nursery)
    await guests.arrive("10.a", "10.b", "11.a", "12.a")
    for name in ("11.a", "12.a"):
        await guests.leave(name)
    assert guests.present == []
    assert len(admission) == 0
    # No public name tells; an address that stayed behind would be a leak that any scanner can widen.
    assert not vars(admission)["_by_address"]


async def test_a_seat_is_free_again_after_a_fault_in_the_block() -> None:
    admission = Admission(total=2, per_address=2)
    with pytest.raises(ValueError, match="a fault"), admission.seat("10."):
        raise ValueError("a fault")
    assert len(admission) == 0


async def test_the_eviction_is_logged_with_the_address(nursery: trio.Nursery, caplog: pytest.LogCaptureFixture) -> None:
    guests = Guests(Admission(total=1, per_address=1), nursery)
    await guests.arrive("10.a", "11.a")
    (line,) = caplog.messages
    assert line.endswith("peer=10.")
    nursery.cancel_scope.cancel()


async def test_a_crowd_of_newcomers_is_one_line_a_minute(
    nursery: trio.Nursery, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    admission = Admission(total=1, per_address=1)
    guests = Guests(admission, nursery)
    await guests.arrive("10.a", "11.a", "12.a", "13.a")
    autojump_clock.jump(TOLD_EVERY_S)
    await guests.arrive("14.a", "15.a")
    assert [line.partition("closed_so_far=")[2] for line in caplog.messages] == ["1 peer=10.", "4 peer=13."]
    nursery.cancel_scope.cancel()


async def test_a_connection_whose_message_is_being_stored_keeps_its_place(nursery: trio.Nursery) -> None:
    admission = Admission(total=10, per_address=2)
    guests = Guests(admission, nursery)
    await guests.arrive("10.a", "10.b")
    guests.seats["10.a"].busy = True
    await guests.arrive("10.c")
    assert guests.present == ["10.a", "10.c"]
    nursery.cancel_scope.cancel()


async def test_where_all_are_being_served_the_newcomer_has_to_wait_for_another_time(nursery: trio.Nursery) -> None:
    admission = Admission(total=10, per_address=2)
    guests = Guests(admission, nursery)
    await guests.arrive("10.a", "10.b")
    guests.seats["10.a"].busy = guests.seats["10.b"].busy = True
    await guests.arrive("10.c")
    assert guests.present == ["10.a", "10.b"]
    nursery.cancel_scope.cancel()


async def test_when_all_hold_too_many_bytes_the_one_that_holds_the_most_is_closed(nursery: trio.Nursery) -> None:
    admission = Admission(total=10, per_address=10, most_held_bytes=1000)
    guests = Guests(admission, nursery)
    await guests.arrive("10.a", "10.b", "11.a", "11.b")
    for name, held_bytes in (("10.a", 150), ("10.b", 500), ("11.a", 350)):
        admission.hold(guests.seats[name], held_bytes)
    await wait_all_tasks_blocked()
    assert guests.present == ["10.a", "10.b", "11.a", "11.b"]
    admission.hold(guests.seats["11.b"], 1)
    await wait_all_tasks_blocked()
    assert guests.present == ["10.a", "11.a", "11.b"]
    assert (admission.held_bytes, admission.evicted) == (501, 1)
    nursery.cancel_scope.cancel()


async def test_of_those_that_hold_the_same_the_one_that_was_silent_for_the_longest_is_closed(
    nursery: trio.Nursery,
) -> None:
    admission = Admission(total=10, per_address=10, most_held_bytes=1000)
    guests = Guests(admission, nursery)
    await guests.arrive("10.a", "10.b", "10.c")
    for name in ("10.a", "10.b", "10.c"):
        admission.hold(guests.seats[name], 330)
    guests.seats["10.a"].renew()
    await guests.arrive("11.a")
    admission.hold(guests.seats["11.a"], 100)
    await wait_all_tasks_blocked()
    assert guests.present == ["10.a", "10.c", "11.a"]
    nursery.cancel_scope.cancel()


async def test_the_bytes_of_a_message_that_is_being_stored_count_and_cost_another_its_place(
    nursery: trio.Nursery,
) -> None:
    admission = Admission(total=10, per_address=10, most_held_bytes=1000)
    guests = Guests(admission, nursery)
    await guests.arrive("10.a", "10.b", "10.c")
    for name, held_bytes in (("10.a", 600), ("10.b", 200), ("10.c", 150)):
        admission.hold(guests.seats[name], held_bytes)
    guests.seats["10.a"].busy = True
    admission.hold(guests.seats["10.c"], 250)
    await wait_all_tasks_blocked()
    assert guests.present == ["10.a", "10.b"]
    nursery.cancel_scope.cancel()


async def test_a_connection_that_holds_no_more_than_its_share_is_never_closed_for_its_bytes(
    nursery: trio.Nursery,
) -> None:
    admission = Admission(total=10, per_address=10, most_held_bytes=1000)
    guests = Guests(admission, nursery)
    await guests.arrive("10.a", "10.b")
    guests.seats["10.a"].busy = True
    admission.hold(guests.seats["10.a"], 5000)
    admission.hold(guests.seats["10.b"], 100)
    await wait_all_tasks_blocked()
    assert guests.present == ["10.a", "10.b"]
    admission.hold(guests.seats["10.b"], 101)
    await wait_all_tasks_blocked()
    assert guests.present == ["10.a"]
    nursery.cancel_scope.cancel()


async def test_bytes_go_with_the_connection_that_held_them(nursery: trio.Nursery) -> None:
    admission = Admission(total=2, per_address=2, most_held_bytes=1000)
    guests = Guests(admission, nursery)
    await guests.arrive("10.a", "11.a")
    for name in ("10.a", "11.a"):
        admission.hold(guests.seats[name], 500)
    await guests.leave("10.a")
    assert admission.held_bytes == 500
    await guests.arrive("12.a", "13.a")
    # The one that made room for the last to come, and can still say what it held.
    assert guests.present == ["12.a", "13.a"]
    admission.hold(guests.seats["11.a"], 700)
    assert admission.held_bytes == 0
    nursery.cancel_scope.cancel()


async def test_closing_for_too_many_bytes_is_one_line_a_minute(
    nursery: trio.Nursery, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    admission = Admission(total=10, per_address=10, most_held_bytes=1000)
    guests = Guests(admission, nursery)
    await guests.arrive("10.a", "11.a", "12.a", "13.a")
    for name in ("10.a", "11.a", "12.a"):
        admission.hold(guests.seats[name], 2000)
    autojump_clock.jump(TOLD_EVERY_S)
    admission.hold(guests.seats["13.a"], 2000)
    assert [line.partition(" closed_so_far=")[::2] for line in caplog.messages] == [
        ("too many bytes of messages that are not complete, the connection that holds the most is closed", said)
        for said in ("1 peer=10.", "4 peer=13.")
    ]
    nursery.cancel_scope.cancel()
