"""The mirror's parts without a service: where the cloud may be, what is said to it, and when it is asked."""

import contextlib
import re
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.client.dialogue import Close, Connect, Dialogue, Receive, Send
from collector.client.firmware import GENERATIONS
from collector.config.model import Listen, Mirror
from collector.journal.mirroring import Outcome, Parcel, begin, next_parcel, note, note_stored, take_in
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.outputs.faults import OutputError
from collector.outputs.mirror import _upstream
from collector.outputs.mirror._courier import night_began
from collector.outputs.mirror._talk import NOT_CONNECTED, Said, Stored, ask_for_status, ask_for_stored, deliver
from collector.outputs.mirror._upstream import Upstream, is_own, patience_s, why_not
from collector.protocol.commands import MEANINGS, meaning, named
from collector.protocol.control import REPORTS
from collector.simulate.device import Device
from collector.simulate.store import RECEIVED, STORED
from collector.simulate.tally import Tally
from tests.protocol.helpers import control
from tests.samples import ECU, TIME, arrival, frame, ns, yc600
from tests.simulate.peers import Peer, own_time, rounds
from tests.test_protocol_doc import PAGE, tables

T = TypeVar("T")

RECORD = frame(TIME, yc600())
KEY = b"20260401121530"
STATUS = control("A123", f"0001{KEY.decode()}END4080000001010710000".ljust(60, "0"), version="15")
REPORT = control("A104", f"{TIME}{'0' * 14}Etc/GMT-1")


def parcel(raw: bytes, command: str = "", time: str = TIME) -> Parcel:
    return Parcel(1, ECU, time, command, raw, 0, 0, None)


def performed(dialogue: Dialogue[object], *came: bytes | None, connects: bool = True) -> tuple[object, list[bytes]]:
    """What a dialogue comes to, and what it sent, where these are what each read brings; after them the other side is
    silent.
    """
    sent: list[bytes] = []
    waiting = list(came)
    step = next(dialogue)
    while True:
        match step:
            case Connect():
                outcome: bytes | None = b"" if connects else None
            case Send():
                sent.append(step.data)
                outcome = b""
            case Receive():
                outcome = waiting.pop(0) if waiting else None
                if outcome is not None and len(outcome) > step.most:
                    outcome, waiting = outcome[: step.most], [outcome[step.most :], *waiting]
            case Close():
                outcome = b""
            case _:
                raise AssertionError(step)
        try:
            step = dialogue.send(outcome)
        except StopIteration as end:
            return end.value, sent


# What is said


@pytest.mark.parametrize(
    ("came", "said"),
    [
        ([b"101" + TIME.encode()], Said(Outcome(received=True, times=(TIME,)))),
        ([b"1", b"01" + TIME.encode()], Said(Outcome(received=True, times=(TIME,)))),
        ([b"101" + KEY], Said(Outcome(received=True, times=(KEY.decode(),)))),
        ([b"100"], Said(Outcome(received=True))),
        ([b"101" + TIME.encode() + b"\n"], Said(Outcome(received=True, times=(TIME,)))),
        ([b"101" + TIME.encode() + b"?!"], Said(Outcome(received=True, times=(TIME,)), b"?!")),
        ([b'{"F":"1","DN":"01","DT":["' + TIME.encode() + b'"]}'], Said(Outcome(received=True, times=(TIME,)))),
        ([b"000"], Said(Outcome(fault="an answer that does not say received"), b"000")),
        ([b"HTTP/1.1 400"], Said(Outcome(fault="an answer that no gateway accepts"), b"HTTP/1.1 400")),
        ([b"10", b""], Said(Outcome(fault="an answer that no gateway accepts"), b"10")),
        ([b""], Said(Outcome(fault="closed"))),
        ([None], Said(Outcome(fault="silent"))),
    ],
)
def test_only_an_acknowledgement_counts_and_all_else_is_kept(came: list[bytes | None], said: Said) -> None:
    assert performed(deliver(parcel(RECORD)), *came) == (said, [RECORD + b"\n"])


def test_a_cloud_that_can_not_be_reached_is_no_failure_of_the_record() -> None:
    assert performed(deliver(parcel(RECORD)), connects=False) == (NOT_CONNECTED, [])
    assert performed(ask_for_stored(ECU, as_json=False), connects=False) == (None, [])
    assert performed(ask_for_status(ECU), connects=False) == (None, [])


def test_a_flood_is_read_no_further_than_what_is_kept_of_it() -> None:
    said, _ = performed(deliver(parcel(RECORD)), *[b"1" * 60_000] * 50)
    assert isinstance(said, Said)
    assert len(said.foreign) == 4096


@pytest.mark.parametrize(
    ("came", "said"),
    [
        (b"APS13AAA38A123AAA0101" + KEY + b"END", Said(Outcome(received=True, times=(KEY.decode(),)))),
        (b"APS13AAA24A123AAA0100END", Said(Outcome(received=True))),
        (b"APS13AAA24A123AAA0000END", Said(Outcome(received=True))),
        (b"", Said(Outcome(fault="no reply"))),
    ],
)
def test_a_record_of_states_has_an_acknowledgement_of_its_own(came: bytes, said: Said) -> None:
    assert performed(deliver(parcel(STATUS, "A123", KEY.decode())), came) == (said, [STATUS + b"\n"])


def test_a_command_behind_an_acknowledgement_is_kept_and_nothing_is_acknowledged() -> None:
    command = control("A110", f"00000{KEY.decode()}END020")
    behind = f"{38 + len(command):A>5}".encode()
    reply = b"APS13" + behind + b"A123AAA0101" + KEY + b"END" + command
    said, _ = performed(deliver(parcel(STATUS, "A123", KEY.decode())), reply)
    assert isinstance(said, Said)
    assert said.outcome is not None
    assert not said.outcome.received
    assert (said.foreign, named(said.foreign)) == (reply, "A110")


def test_a_report_is_settled_without_an_answer_and_what_comes_all_the_same_is_kept() -> None:
    settled = Outcome(received=True, settled=True)
    for came in (b"", None):
        assert performed(deliver(parcel(REPORT, "A104")), came) == (Said(settled), [REPORT + b"\n"])
    command = control("A105", f"{TIME}Etc/GMT-1")
    assert performed(deliver(parcel(REPORT, "A104")), command) == (Said(settled, command), [REPORT + b"\n"])


def test_the_question_is_asked_until_nothing_new_is_named() -> None:
    question = f"APS13AAA22{ECU}\n".encode()
    stored, sent = performed(ask_for_stored(ECU, as_json=False), b"101" + KEY, b"101" + TIME.encode(), b"100")
    assert (stored, sent) == (Stored(frozenset({KEY.decode(), TIME})), [question] * 3)
    # One that always names the same is not asked for ever.
    stored, sent = performed(ask_for_stored(ECU, as_json=False), *[b"101" + KEY] * 99)
    assert (stored, sent) == (Stored(frozenset({KEY.decode()})), [question] * 2)
    _, sent = performed(ask_for_stored(ECU, as_json=True), b"100")
    assert sent == [f'{{"EID":"{ECU}",}}\n'.encode()]


@pytest.mark.parametrize("came", [[b""], [None], [b"101" + KEY, b""], [b"nonsense", b""]])
def test_without_an_answer_to_the_question_nothing_is_known_to_be_missing(came: list[bytes | None]) -> None:
    stored, _ = performed(ask_for_stored(ECU, as_json=False), *came)
    assert isinstance(stored, Stored)
    assert stored.times is None


def test_the_question_for_states_goes_to_the_control_port() -> None:
    stored, sent = performed(ask_for_status(ECU), b"APS13AAA38A123AAA0101" + KEY + b"END")
    assert (stored, sent) == (Stored(frozenset({KEY.decode()})), [f"APS1300051A123AAA0{ECU}{'0' * 18}END\n".encode()])
    stored, _ = performed(ask_for_status(ECU), control("A103", ""))
    assert isinstance(stored, Stored)
    assert (stored.times, named(stored.foreign)) == (None, "A103")


@given(st.lists(st.one_of(st.binary(max_size=60), st.none()), max_size=6), st.sampled_from(["", "A104", "A123"]))
def test_whatever_comes_a_record_is_stored_only_by_its_time_stamp(came: list[bytes | None], command: str) -> None:
    raw = {"": RECORD, "A104": REPORT, "A123": STATUS}[command]
    said, sent = performed(deliver(parcel(raw, command)), *came)
    assert sent == [raw + b"\n"]
    assert isinstance(said, Said)
    outcome = said.outcome
    assert outcome is not None
    assert bool(outcome.fault) != outcome.received
    assert outcome.settled == (command == "A104")
    assert TIME not in outcome.times or TIME.encode() in b"".join(part or b"" for part in came)


# As a gateway of the vendor's own


class EmaOf:
    """Answers each record as its place in the list says, and names every second one by night."""

    def __init__(self, times: list[str], kinds: list[str]) -> None:
        self._times = times
        self._kinds = kinds
        self._is_asked = False

    def __call__(self, frame: bytes) -> bytes:
        if frame.startswith(b"APS13AAA22"):
            self._is_asked = not self._is_asked
            named = self._times[::2] if self._is_asked else []
        else:
            own = own_time(frame).decode()
            place = self._times.index(own)
            before = self._times[place - 1 : place] if place else []
            named = {"own": [own], "before": before, "nothing": [], "both": [own, *before]}[self._kinds[place]]
        return f"1{len(named):02d}{''.join(named)}".encode()


def through(peer: Peer, dialogue: Dialogue[T]) -> T:
    """What a dialogue comes to with a cloud."""
    step = next(dialogue)
    while True:
        try:
            step = dialogue.send(peer._outcome(step))
        except StopIteration as end:
            result: T = end.value
            return result


def mirrored(journal: Journal, reader: JournalReader, peer: Peer, now: int) -> None:
    """Send all that is due."""
    while take_in(journal):
        pass
    while (parcel := next_parcel(reader, ECU, 0, now, pushes=True)) is not None:
        said = through(peer, deliver(parcel))
        assert said.outcome is not None
        note(journal, parcel, said.outcome, now)


@settings(max_examples=40)
@given(st.lists(st.sampled_from(["own", "before", "nothing", "both"]), min_size=1, max_size=7))
def test_the_same_records_and_answers_leave_the_same_states_as_in_the_vendors_linux_client(kinds: list[str]) -> None:
    made = rounds(len(kinds))
    gateway = Device(GENERATIONS["linux-2017"], ECU, Tally())
    times = [gateway.digits(one.at) for one in made]

    def held() -> list[int]:
        found = {record.time: record.state for record in gateway.store.records}
        return [found.get(one, STORED) for one in times]

    with tempfile.TemporaryDirectory() as folder, contextlib.closing(Journal(Path(folder) / "journal.db")) as journal:
        begin(journal, "now", 0)
        with JournalReader(journal.path) as reader:

            def states() -> list[int]:
                return [row[0] for row in reader.rows("select state from mirror order by time")]

            theirs, ours = Peer(EmaOf(times, kinds)), Peer(EmaOf(times, kinds))
            for number, one in enumerate(made):
                gateway.add(one)
                journal.append([arrival(gateway.store.records[-1].frame, number)])
                theirs.perform(gateway.upload())
                mirrored(journal, reader, ours, number)
                assert states() == held()[: number + 1]
            assert ours.frames == theirs.frames
            # By night.
            received = [time for time, state in zip(times, held(), strict=True) if state == RECEIVED]
            theirs.perform(gateway.night())
            if received:
                stored = through(ours, ask_for_stored(ECU, as_json=False))
                assert stored is not None
                assert stored.times == frozenset(times[::2])
                note_stored(journal, reader.file, ECU, stored.times, 10**9, control=False)
                mirrored(journal, reader, ours, 10**9)
            assert states() == held()
            # The gateway sends the oldest of a day first, we the newest.
            assert sorted(ours.frames) == sorted(theirs.frames)


# What commands are called


def commands_of_the_page() -> dict[str, str]:
    """Number and class of each in the catalogue of docs/protocol.md."""
    (table,) = (rows for rows in tables(PAGE) if rows[0][:3] == ["command", "class", "meaning"])
    return {number: row[1] for row in table[1:] for number in row[0].split(", ")}


def test_every_command_that_the_page_knows_has_a_meaning() -> None:
    page = commands_of_the_page()
    answered = {"A100", "A101", "A123", "A156", "A157", "A158", "A159"}
    assert page.keys() - answered == MEANINGS.keys()
    assert MEANINGS.keys() >= {number for number in REPORTS if number not in answered}
    assert {meaning("A999"), meaning("")} & set(MEANINGS.values()) == set()


@pytest.mark.parametrize(
    ("raw", "command"),
    [
        (control("A105", f"{TIME}Etc/GMT-1"), "A105"),
        (b"APS13AAA51A101AAA0" + ECU.encode() + b"A118" + KEY + b"END", "A118"),
        (b"101" + KEY + control("A108", f"{TIME}ENDreboot"), "A108"),
        (b"APS13AAA52A100AAA0" + ECU.encode() + b"A101000000000000000END", "A100"),
        (b"APS13", ""),
        (b"\xff" * 99, ""),
        (b"", ""),
    ],
)
def test_a_command_is_named_wherever_it_stands(raw: bytes, command: str) -> None:
    assert named(raw) == command


@given(st.binary(max_size=200))
def test_naming_never_raises(raw: bytes) -> None:
    assert meaning(named(raw))


# When


def test_the_question_is_for_two_hours_of_the_night_by_the_gateways_clock() -> None:
    zone = ZoneInfo("Etc/GMT-8")
    assert night_began(ns("2026-06-20T16:59:59Z"), zone) is None
    assert night_began(ns("2026-06-20T17:00:00Z"), zone) == ns("2026-06-20T17:00:00Z")
    assert night_began(ns("2026-06-20T18:59:59.5Z"), zone) == ns("2026-06-20T17:00:00Z")
    assert night_began(ns("2026-06-20T19:00:00Z"), zone) is None


def test_patience_grows_up_to_an_hour() -> None:
    assert [patience_s(failures) for failures in (0, 1, 2, 3)] == [0, 5, 10, 20]
    assert patience_s(11) == patience_s(10**6) == 3600


# Where


class Resolver:
    """A DNS server on loopback that answers every question with the same addresses."""

    def __init__(self, answer: Callable[[dns.message.Message], dns.message.Message]) -> None:
        self._answer = answer
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                question, sender = self._socket.recvfrom(4096)
                self._socket.sendto(self._answer(dns.message.from_wire(question)).to_wire(), sender)
            except OSError:
                return

    def close(self) -> None:
        self._socket.close()


def leads_to(*addresses: str) -> Callable[[dns.message.Message], dns.message.Message]:
    def answer(question: dns.message.Message) -> dns.message.Message:
        found = dns.message.make_response(question)
        if not addresses:
            found.set_rcode(dns.rcode.NXDOMAIN)
            return found
        found.answer.append(dns.rrset.from_text_list(question.question[0].name, 60, "IN", "A", addresses))
        return found

    return answer


@pytest.fixture
def led(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Upstream]]:
    servers: list[Resolver] = []

    def upstream(*addresses: str) -> Upstream:
        servers.append(Resolver(leads_to(*addresses)))
        monkeypatch.setattr(_upstream, "_DNS_PORT", servers[-1].port)
        return Upstream(Mirror(enabled=True, resolver="127.0.0.1"), Listen())

    yield upstream
    for server in servers:
        server.close()


async def test_the_clouds_name_is_asked_of_the_resolver(led: Callable[..., Upstream]) -> None:
    target = await led("3.67.1.32").target()
    assert (target.host, target.data_ports, target.control_port) == ("3.67.1.32", (8995, 8996), 8997)


@pytest.mark.parametrize(
    ("addresses", "fault"),
    [
        (("192.168.1.10",), "which is no address of the internet"),
        (("3.67.1.32", "10.0.0.3"), "which is no address of the internet"),
        (("169.254.1.1",), "which is no address of the internet"),
        (("100.64.0.1",), "which is no address of the internet"),
        (("0.0.0.0",), "which is this machine itself"),  # noqa: S104
        (("127.0.0.1",), "which is this machine itself"),
        ((), "does not tell where ecu.apsystemsema.com is (there is no such name)"),
    ],
)
async def test_a_name_that_leads_anywhere_but_to_the_internet_is_refused(
    led: Callable[..., Upstream], addresses: tuple[str, ...], fault: str
) -> None:
    with pytest.raises(OutputError, match=re.escape(fault)):
        await led(*addresses).target()


async def test_a_resolver_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_upstream, "_PATIENCE_S", 0.2)
    monkeypatch.setattr(_upstream, "_DNS_PORT", 9)
    with pytest.raises(OutputError, match="does not tell where"):
        await Upstream(Mirror(enabled=True, resolver="127.0.0.1"), Listen()).target()


def test_this_machines_own_addresses_are_known_and_no_others() -> None:
    assert all(map(is_own, ("127.0.0.1", "127.9.9.9")))
    assert not any(map(is_own, ("192.0.2.1", "3.67.1.32", "2001:db8::1")))
    assert why_not("3.67.1.32") == ""


async def test_an_address_of_the_owners_may_be_in_the_home_but_not_where_this_collector_listens() -> None:
    there = Upstream(Mirror(enabled=True, address="192.168.1.77"), Listen())
    assert await there.address() == "192.168.1.77"
    beside = Upstream(Mirror(enabled=True, address="127.0.0.1", data_ports=(1995,), control_port=1997), Listen())
    assert await beside.address() == "127.0.0.1"
    for mirror in (
        Mirror(enabled=True, address="127.0.0.1"),
        Mirror(enabled=True, address="127.0.0.1", data_ports=(1995,)),
        Mirror(enabled=True, address="127.0.0.1", data_ports=(1995, 8996), control_port=1997),
    ):
        with pytest.raises(OutputError, match="is this collector itself"):
            await Upstream(mirror, Listen()).address()
