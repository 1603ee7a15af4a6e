"""The service with a mirror: what the cloud gets is what gateways sent, and gateways get nothing of what it sends."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
import trio

from collector.client.dialogue import Dialogue
from collector.config.load import load
from collector.config.model import Config
from collector.journal import mirroring
from collector.journal.mirroring import Parcel, VendorCommand, last_tries, vendor_commands
from collector.journal.reading import JournalReader
from collector.journal.state import OutputHealth
from collector.journal.writing import Journal
from collector.outputs.mirror import _courier, _talk, _upstream, output
from collector.protocol.commands import MEANINGS
from collector.service import _heartbeat
from tests.outputs.cloud import Cloud, EmaCloud, Wrong
from tests.outputs.running import record_of_now
from tests.protocol.helpers import control
from tests.running import write_config
from tests.samples import ECU, yc600
from tests.service import test_service
from tests.service.test_service import ask, run_state, running
from tests.simulate.peers import own_time, right_answer

OTHER_ECU = "216000123457"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    # A busy machine takes its time, and several of these start a service twice.
    monkeypatch.setattr(test_service, "DEADLINE_S", 60)
    monkeypatch.setattr(_heartbeat, "BEAT_S", 0.02)
    monkeypatch.setattr(mirroring, "_AGAIN", "tried_at + 50000000")
    monkeypatch.setattr(output, "LINGER_S", 0.01)
    monkeypatch.setattr(output, "LOOK_S", 0.05)
    monkeypatch.setattr(output, "COUNT_S", 0.0)
    monkeypatch.setattr(_courier, "PACE_S", 0.01)
    monkeypatch.setattr(_upstream, "_FIRST_WAIT_S", 0.05)
    monkeypatch.setattr(_upstream, "_LONGEST_WAIT_S", 0.1)
    monkeypatch.setattr(_talk, "_AFTER_A_REPORT_S", 0.2)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as cloud:
        yield cloud


async def true(question: Callable[[], bool]) -> None:
    """Wait for what threads do, without keeping them from it."""
    while not question():  # noqa: ASYNC110 (nothing in this process tells of it)
        await trio.sleep(0.05)


def configured(folder: Path, cloud: Cloud, settings: str = "") -> Config:
    return load(write_config(folder, f'[journal]\npath = "{folder}/journal.db"\n{cloud.settings}{settings}'), {})


def health(config: Config) -> OutputHealth:
    return next(iter(run_state(config).outputs), OutputHealth(name="mirror"))


def states(config: Config) -> list[int]:
    """In the order of arrival."""
    with JournalReader(config.journal.path) as reader:
        return [row[0] for row in reader.rows("select state from mirror order by record")]


def tried_to(config: Config) -> list[VendorCommand]:
    with JournalReader(config.journal.path) as reader:
        return vendor_commands(reader, 0, 200)


def rounds(count: int, ecu: str = ECU) -> list[bytes]:
    """Records of the last rounds, the oldest first."""
    return [record_of_now(yc600(), ago_s=300 * (count - number), ecu=ecu) for number in range(count)]


async def sent(port: int, frames: list[bytes]) -> None:
    for frame in frames:
        assert await ask(port, frame) == b"101" + own_time(frame)


async def test_the_cloud_gets_the_bytes_of_the_gateway_and_they_are_stored_there(tmp_path: Path, cloud: Cloud) -> None:
    config = configured(tmp_path, cloud)
    frames = rounds(3)
    async with running(config) as ports:
        await sent(ports[0], frames)
        await true(lambda: states(config) == [0, 0, 0])
        await true(lambda: health(config).connected and health(config).waiting == 0)
    with JournalReader(config.journal.path) as reader:
        sent_at, _ = last_tries(reader)
    assert sorted(cloud.frames) == sorted(frames)
    assert cloud.most_at_once == {ECU.encode(): 1}
    async with running(config):
        await true(lambda: health(config).last_sent == sent_at > 0)
        assert not health(config).connected, "nothing was sent since the start"


async def test_it_is_off_until_it_is_switched_on(tmp_path: Path, cloud: Cloud) -> None:
    config = configured(tmp_path, cloud)
    config = config.model_copy(update={"mirror": config.mirror.model_copy(update={"enabled": False})})
    async with running(config) as ports:
        await sent(ports[0], rounds(2))
        assert run_state(config).outputs == ()
    assert cloud.opened == {}
    assert states(config) == []


async def test_what_comes_before_its_first_look_is_sent_as_well(
    tmp_path: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, may_look = output.MirrorOutput._look, trio.Event()

    async def held(mirror: output.MirrorOutput, nursery: trio.Nursery) -> None:
        await may_look.wait()
        await look(mirror, nursery)

    monkeypatch.setattr(output.MirrorOutput, "_look", held)
    config = configured(tmp_path, cloud)
    async with running(config) as ports:
        await sent(ports[0], rounds(1))
        may_look.set()
        await true(lambda: states(config) == [0])


async def test_switched_on_it_sends_nothing_of_before_but_from_a_day_on_if_told_so(
    tmp_path: Path, cloud: Cloud
) -> None:
    config = configured(tmp_path, cloud)
    off = config.model_copy(update={"mirror": config.mirror.model_copy(update={"enabled": False})})
    before, after = rounds(2), rounds(1, OTHER_ECU)
    async with running(off) as ports:
        await sent(ports[0], before)
    async with running(config) as ports:
        await true(lambda: bool(run_state(config).outputs))
        await sent(ports[0], after)
        await true(lambda: cloud.frames == after)
    yesterday = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86_400))
    since = configured(tmp_path, cloud, f"since = {yesterday}\n")
    async with running(since):
        await true(lambda: states(since) == [0, 0, 0])
    assert cloud.frames[1:] == before[::-1], "the newest first"


async def test_only_the_gateways_that_are_named_are_mirrored(tmp_path: Path, cloud: Cloud) -> None:
    config = configured(tmp_path, cloud, f'ecus = ["{OTHER_ECU}"]\n')
    async with running(config) as ports:
        await sent(ports[0], rounds(2))
        await sent(ports[0], theirs := rounds(1, OTHER_ECU))
        await true(lambda: cloud.frames == theirs)
        await true(lambda: health(config).waiting == 0)


async def test_a_cloud_that_confirms_the_record_before_leaves_the_last_one_received(tmp_path: Path) -> None:
    with Cloud(EmaCloud()) as cloud:
        config = configured(tmp_path, cloud)
        async with running(config) as ports:
            for number, frame in enumerate(rounds(4)):
                await sent(ports[0], [frame])
                await true(partial(lambda count: states(config) == [*[0] * count, 2], number))
            await true(lambda: health(config).waiting == 0)


def zone_where_it_is_night() -> str:
    """One whose clocks show an hour after one, now."""
    ahead = (25 - time.gmtime().tm_hour) % 24
    west = 24 - ahead if ahead > 14 else -ahead
    return f"Etc/GMT{west:+d}" if west else "Etc/GMT"


@pytest.mark.parametrize("is_known", [True, False])
async def test_by_night_it_asks_what_is_stored_and_sends_again_what_is_not_named(
    tmp_path: Path, *, is_known: bool
) -> None:
    ema = EmaCloud()
    with Cloud(ema) as cloud:
        night = f'[[ecu]]\nid = "{ECU}"\ntimezone = "{zone_where_it_is_night()}"\n'
        config = configured(tmp_path, cloud, night)
        frames = rounds(3)
        async with running(config) as ports:
            for number, frame in enumerate(frames):
                await sent(ports[0], [frame])
                await true(partial(lambda count: states(config) == [*[0] * count, 2], number))
            assert cloud.frames == frames, "what was sent by night is asked for the next one"
        if not is_known:
            ema.stored[ECU.encode()].pop()
        with contextlib.closing(Journal(config.journal.path)) as journal, journal.derived() as db:
            db.execute("update mirror set tried_at = tried_at - 7200000000000")
        async with running(config):
            await true(lambda: f"APS13AAA22{ECU}".encode() in cloud.frames)
            await true(lambda: states(config) == [0, 0, 0 if is_known else 2])
            await true(lambda: cloud.records == [*frames, *([] if is_known else frames[-1:])])


async def test_an_outage_of_the_cloud_loses_nothing(tmp_path: Path, cloud: Cloud) -> None:
    config = configured(tmp_path, cloud)
    cloud.answer = lambda _: Wrong.RESETS
    frames = rounds(5)
    async with running(config) as ports:
        await sent(ports[0], frames)
        await true(lambda: len(cloud.frames) >= 5)
        await true(lambda: health(config).refused > 0)
        cloud.answer = right_answer
        await true(lambda: states(config) == [0] * 5)
    assert set(cloud.frames) == set(frames)


async def test_reports_go_to_the_control_port_and_no_poll_does(tmp_path: Path, cloud: Cloud) -> None:
    config = configured(tmp_path, cloud)
    time_stamp = "20260401121530"
    report = control("A102", f"04M1.0001{'0' * 14}END4080000001010700012")
    status = control("A123", f"0001{time_stamp}END4080000001010710000".ljust(60, "0"), version="15")
    later = control("A131", f"0001{'0' * 14}END408000000101")
    poll = control("A101", "A10100000000000000")
    async with running(config) as ports:
        for frame in (report, later, poll, status):
            async with await trio.open_tcp_stream("127.0.0.1", ports[2]) as stream:
                await stream.send_all(frame + b"\n")
                if frame in (poll, status):
                    await stream.receive_some()
        await true(lambda: states(config) == [0, 0])
        await true(lambda: health(config).waiting == 0)
    assert sorted(cloud.frames) == sorted([report, status])
    assert cloud.opened.keys() == {cloud.ports[2]}


async def test_with_control_none_nothing_goes_to_the_control_port(tmp_path: Path, cloud: Cloud) -> None:
    config = configured(tmp_path, cloud, 'control = "none"\n')
    report = control("A102", f"04M1.0001{'0' * 14}END4080000001010700012")
    async with running(config) as ports:
        async with await trio.open_tcp_stream("127.0.0.1", ports[2]) as stream:
            await stream.send_all(report + b"\n")
        await sent(ports[0], rounds(1))
        await true(lambda: 0 in states(config))
    assert len(cloud.frames) == 1


def command(number: str) -> bytes:
    """As the vendor sends it: without a line feed."""
    return control(number, "2026040112153000000000000", ecu=ECU)


@pytest.mark.parametrize("place", ["uploads", "reports", "states"])
async def test_every_command_of_the_catalogue_is_kept_and_told_and_reaches_no_gateway(
    tmp_path: Path, cloud: Cloud, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_upstream, "_LONGEST_WAIT_S", 0.01)
    monkeypatch.setattr(_talk, "_AFTER_A_REPORT_S", 5.0)
    config = configured(tmp_path, cloud)
    numbers = iter(sorted(MEANINGS))
    cloud.answer = lambda _: command(next(numbers, "A103"))
    heard: list[bytes] = []
    frames: list[bytes] = []
    async with running(config) as ports:
        for number in range(len(MEANINGS)):
            match place:
                case "uploads":
                    frames.append(record_of_now(yc600(), ago_s=300 * number))
                case "reports":
                    frames.append(control("A104", f"2026{number:010d}{'0' * 14}Etc/GMT-1"))
                case _:
                    body = f"0001{20260401000000 + number}END4080000001010710000"
                    frames.append(control("A123", body.ljust(60, "0"), version="15"))
            async with await trio.open_tcp_stream("127.0.0.1", ports[0 if place == "uploads" else 2]) as stream:
                await stream.send_all(frames[-1] + b"\n")
                with trio.move_on_after(0.02 if place == "reports" else 5):
                    heard.append(bytes(await stream.receive_some()))
                # What else is there until the collector closes.
                with trio.move_on_after(0.01):
                    heard.append(bytes(await stream.receive_some()))
        await true(lambda: {one.command for one in tried_to(config)} >= set(MEANINGS))
        await true(lambda: health(config).commands_refused >= len(MEANINGS))
    expected = {right_answer(frame) for frame in frames} | {b""}
    assert set(heard) <= expected
    assert {one.port for one in tried_to(config)} <= set(cloud.ports)
    assert {one.ecu for one in tried_to(config)} == {ECU}


@pytest.mark.parametrize("wrong", Wrong)
async def test_whatever_the_cloud_does_wrong_gateways_get_their_answers_and_nothing_is_stored_there(
    tmp_path: Path, cloud: Cloud, wrong: Wrong, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_courier, "EXCHANGE_S", 0.2)
    cloud.answer = lambda _: wrong
    config = configured(tmp_path, cloud)
    async with running(config) as ports:
        await sent(ports[0], rounds(3))
        await true(lambda: len(cloud.frames) > 3)
        await true(lambda: health(config).refused == 3)
        await true(lambda: "does not acknowledge what it is sent" in health(config).last_error)
        assert not health(config).connected
        await sent(ports[0], rounds(3, OTHER_ECU))
        assert set(states(config)) == {1}
    assert max(cloud.most_at_once.values()) == 1 or wrong in (Wrong.HANGS, Wrong.DRIPS)


async def test_a_hanging_cloud_holds_up_neither_gateways_nor_the_end(tmp_path: Path, cloud: Cloud) -> None:
    cloud.answer = lambda _: Wrong.HANGS
    config = configured(tmp_path, cloud)
    async with running(config) as ports:
        await sent(ports[0], rounds(1))
        await true(lambda: len(cloud.frames) == 1)
        await sent(ports[0], rounds(3, OTHER_ECU))
        began = trio.current_time()
    assert trio.current_time() - began < 5


async def test_whatever_goes_wrong_with_one_gateway_the_others_are_mirrored(
    tmp_path: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[Parcel] = []

    def deliver(parcel: Parcel) -> Dialogue[_talk.Said]:
        if parcel.ecu == ECU:
            tries.append(parcel)
            raise RuntimeError("nobody thought of this")
        return _talk.deliver(parcel)

    monkeypatch.setattr(_courier, "deliver", deliver)
    config = configured(tmp_path, cloud, "since = 2020-01-01\n")
    async with running(config) as ports:
        await sent(ports[0], rounds(1))
        await true(lambda: len(tries) > 2)
        await sent(ports[0], rounds(2, OTHER_ECU))
        await true(lambda: states(config) == [1, 0, 0])
    told = [record for record in caplog.records if f"failed, tried again ecu={ECU}" in record.getMessage()]
    assert len(told) == len(tries)
    assert all(record.exc_info for record in told)


async def test_a_record_that_is_refused_again_and_again_keeps_no_other_one_waiting(
    tmp_path: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused, taken = rounds(2)
    cloud.answer = lambda frame: b"000" if frame == refused else right_answer(frame)
    config = configured(tmp_path, cloud, "since = 2020-01-01\n")

    def tries() -> int:
        with JournalReader(config.journal.path) as reader:
            return max((row[0] for row in reader.rows("select tries from mirror")), default=0)

    async with running(config) as ports:
        await sent(ports[0], [refused])
        await true(lambda: tries() >= 3)
    before = tries()
    # From now on whoever fails waits for longer than this test.
    monkeypatch.setattr(_upstream, "_FIRST_WAIT_S", 1000.0)
    monkeypatch.setattr(_upstream, "_LONGEST_WAIT_S", 1000.0)
    async with running(config) as ports:
        await true(lambda: tries() > before)
        await sent(ports[0], [taken])
        await true(lambda: states(config) == [1, 0])


async def test_an_answer_of_nothing_but_brackets_is_no_acknowledgement(tmp_path: Path, cloud: Cloud) -> None:
    brackets = b'{"a":' + b"[" * 4000
    cloud.answer = lambda frame: brackets if ECU.encode() in frame else right_answer(frame)
    config = configured(tmp_path, cloud, "since = 2020-01-01\n")
    async with running(config) as ports:
        await sent(ports[0], rounds(1))
        await true(lambda: any(one.raw.startswith(b'{"a":[') for one in tried_to(config)))
        await sent(ports[0], rounds(1, OTHER_ECU))
        await true(lambda: states(config) == [1, 0])


async def test_much_that_waits_is_not_counted_at_each_look(
    tmp_path: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []

    def standing(reader: JournalReader, ecus: Sequence[str], since_at: int) -> mirroring.Standing:
        found = mirroring.standing(reader, ecus, since_at)
        counted.append(found.waiting)
        return found

    monkeypatch.setattr(output, "standing", standing)
    monkeypatch.setattr(output, "COUNT_S", 10_000.0)
    monkeypatch.setattr(output, "_MANY", 3)
    cloud.answer = lambda _: b"000"
    config = configured(tmp_path, cloud, "since = 2020-01-01\n")
    async with running(config) as ports:
        await sent(ports[0], rounds(6))
        await true(lambda: max(counted, default=0) > 3)
        times = len(counted)
        tries = len(cloud.frames)
        await true(lambda: len(cloud.frames) > tries + 6)
    assert len(counted) == times


async def test_what_comes_back_to_the_collector_itself_ends_the_sending(tmp_path: Path) -> None:
    """Through a way that no address shows, as a router's."""
    back: list[Callable[[bytes], bytes]] = []

    def answer(frame: bytes) -> bytes:
        return back[0](frame)

    with Cloud(answer) as cloud:
        config = configured(tmp_path, cloud)
        async with running(config) as ports:
            token = trio.lowlevel.current_trio_token()
            back.append(lambda frame: trio.from_thread.run(ask, ports[0], frame, trio_token=token))
            await sent(ports[0], rounds(6))
            await true(lambda: "comes back to this collector" in health(config).last_error)
            assert set(states(config)) == {1}


async def test_this_collector_is_never_sent_to_even_if_the_owner_says_so(tmp_path: Path) -> None:
    with Cloud() as cloud:
        ports = cloud.ports
    text = f'{cloud.settings}[journal]\npath = "{tmp_path}/journal.db"\n'
    config = load(write_config(tmp_path, text, ports=ports), {})
    async with running(config):
        await sent(ports[0], rounds(2))
        await true(lambda: health(config).last_error == "mirror.address is this collector itself, 127.0.0.1")
        assert set(states(config)) == {1}
