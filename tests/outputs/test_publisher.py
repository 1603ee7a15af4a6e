"""What is sent, and when again: without a network, in a time of its own."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from collector.config.names import Names
from collector.journal.threaded import ThreadedJournal
from collector.journal.writing import Journal
from collector.outputs.mqtt._broker import Message
from collector.outputs.mqtt._picture import DARK_REFRESH_S, Wanted
from collector.outputs.mqtt._publisher import Publisher, Wish
from collector.outputs.mqtt.output import MqttOutput
from tests.samples import config


class Taker:
    """A link whose other side takes what it is sent when it is told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.on_taken: Callable[[int], None] = lambda _: None
        self._open: list[int] = []

    def publish(self, message: Message) -> int:
        self.sent.append((message.topic, message.payload))
        self._open.append(len(self.sent))
        return len(self.sent)

    def take(self) -> None:
        """Take all that is under way."""
        taken, self._open = self._open, []
        for number in taken:
            self.on_taken(number)


def wanted(*states: tuple[str, str], refresh_s: float | None = None) -> list[Wanted]:
    return [Wanted(Message(topic, payload.encode()), refresh_s) for topic, payload in states]


class Leaver(Taker):
    """A link on whose other side Home Assistant starts while leave is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.on_message: Callable[[str, bytes], None] = lambda *_: None
        self.has_left = False

    def subscribe(self, topic: str) -> None:
        assert topic == "homeassistant/status"

    async def take_leave(self, _: Message) -> None:
        for _number in range(2):
            self.on_message("homeassistant/status", b"online")
        self.has_left = True


async def publishing(wish: Wish, link: Taker, nursery: trio.Nursery) -> Publisher:
    publisher = Publisher(wish, link, lambda _: None)  # type: ignore[arg-type]
    nursery.start_soon(publisher.run)
    await wait_all_tasks_blocked()
    return publisher


@pytest.mark.usefixtures("mock_clock")
async def test_what_is_replaced_before_it_was_sent_is_never_sent() -> None:
    wish, link = Wish(), Taker()
    wish.put(wanted(("a", "1"), ("status", "online")))
    async with trio.open_nursery() as nursery:
        publisher = await publishing(wish, link, nursery)
        assert link.sent == [("a", b"1")]
        for number in (2, 3, 4):
            wish.put(wanted(("a", str(number)), ("status", "online")))
            await wait_all_tasks_blocked()
        # A broker that takes its time holds one message for each topic, and no queue.
        assert link.sent == [("a", b"1")]
        assert [message.payload for message in publisher.unsent()] == [b"4", b"online"]
        link.take()
        await wait_all_tasks_blocked()
        assert link.sent[1:] == [("a", b"4")]
        link.take()
        await wait_all_tasks_blocked()
        assert link.sent[2:] == [("status", b"online")]
        link.take()
        assert publisher.unsent() == []
        nursery.cancel_scope.cancel()


@pytest.mark.usefixtures("mock_clock")
async def test_what_changes_back_while_it_is_under_way_is_put_right_at_once() -> None:
    wish, link = Wish(), Taker()
    async with trio.open_nursery() as nursery:
        publisher = await publishing(wish, link, nursery)
        for payload in ("1", "2"):
            wish.put(wanted(("a", payload), ("b", payload)))
            await wait_all_tasks_blocked()
            if payload == "1":
                for _ in range(2):
                    link.take()
                    await wait_all_tasks_blocked()
        assert link.sent[2:] == [("a", b"2")]
        wish.put(wanted(("a", "1"), ("b", "1")))
        await wait_all_tasks_blocked()
        link.take()
        await wait_all_tasks_blocked()
        assert link.sent[3:] == [("a", b"1")]
        link.take()
        assert publisher.unsent() == []
        nursery.cancel_scope.cancel()


@pytest.mark.usefixtures("mock_clock")
async def test_whatever_is_wanted_meanwhile_the_broker_has_it_in_the_end() -> None:
    chance = random.Random(1)  # noqa: S311
    topics = [str(number) for number in range(60)]
    for _ in range(20):
        wish, link = Wish(), Taker()
        async with trio.open_nursery() as nursery:
            publisher = await publishing(wish, link, nursery)
            for _step in range(12):
                states = [(topic, chance.choice("12")) for topic in topics if chance.random() < 0.9]
                wish.put(wanted(*states, ("status", chance.choice("12"))))
                for _taken in range(chance.randrange(4)):
                    link.take()
                    await wait_all_tasks_blocked()
            while publisher.unsent():
                link.take()
                await wait_all_tasks_blocked()
            has = dict(link.sent)
            assert all(has[topic] == one.message.payload for topic, one in wish.wanted.items())
            nursery.cancel_scope.cancel()


async def test_what_has_not_changed_is_sent_again_only_after_its_time(mock_clock: MockClock) -> None:
    wish, link = Wish(), Taker()
    wish.put(wanted(("a", "0"), refresh_s=DARK_REFRESH_S) + wanted(("b", "1"), ("status", "online")))
    async with trio.open_nursery() as nursery:
        await publishing(wish, link, nursery)
        for _ in range(2):
            link.take()
            await wait_all_tasks_blocked()
        link.take()
        assert len(link.sent) == 3
        wish.put(wanted(("a", "0"), refresh_s=DARK_REFRESH_S) + wanted(("b", "1"), ("status", "online")))
        mock_clock.jump(DARK_REFRESH_S - 60)
        await wait_all_tasks_blocked()
        assert len(link.sent) == 3
        mock_clock.jump(120)
        await wait_all_tasks_blocked()
        assert link.sent[3:] == [("a", b"0")]
        nursery.cancel_scope.cancel()


@pytest.mark.usefixtures("mock_clock")
async def test_all_of_it_is_sent_once_more_when_asked_for() -> None:
    wish, link = Wish(), Taker()
    wish.put(wanted(("a", "1"), ("status", "online")))
    async with trio.open_nursery() as nursery:
        publisher = await publishing(wish, link, nursery)
        for _ in range(2):
            link.take()
            await wait_all_tasks_blocked()
        publisher.again()
        for _ in range(2):
            await wait_all_tasks_blocked()
            link.take()
        await wait_all_tasks_blocked()
        assert link.sent[2:] == [("a", b"1"), ("status", b"online")]
        nursery.cancel_scope.cancel()


@pytest.mark.usefixtures("mock_clock")
async def test_home_assistant_may_start_while_leave_is_taken(tmp_path: Path) -> None:
    link, home = Leaver(), config(tmp_path / "journal.db", mqtt={"host": "broker"})
    journal = ThreadedJournal(Journal(home.journal.path), trio.CapacityLimiter(1))
    output = MqttOutput(home, Names(home), journal)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(output._serve, link)  # type: ignore[arg-type]
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert link.has_left


@pytest.mark.usefixtures("mock_clock")
async def test_no_more_than_a_few_are_under_way_at_once() -> None:
    count = 50
    wish, link = Wish(), Taker()
    wish.put(wanted(*((f"t/{number}", "1") for number in range(count)), ("status", "online")))
    async with trio.open_nursery() as nursery:
        await publishing(wish, link, nursery)
        assert len(link.sent) == 20
        while len(link.sent) <= count:
            link.take()
            await wait_all_tasks_blocked()
        assert len(set(link.sent)) == count + 1
        nursery.cancel_scope.cancel()
