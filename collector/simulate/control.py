"""A gateway's side of the control port: the poll, what it pushes, and the records that wait for a receipt.

Promises what `device` promises: the firmware's own behaviour, its endless loops cut short and noted.
"""

from collections.abc import Callable
from datetime import datetime

from collector.client.acceptance import (
    Receipt,
    Unacceptable,
    check_reply,
    command,
    gateway_receipt,
    is_update_confirmed,
    status_receipt,
)
from collector.client.dialogue import Close, Connect, Dialogue, Pause, Receive, Send
from collector.client.exchange import read_reply, status_question
from collector.client.firmware import Reading
from collector.simulate import _reports
from collector.simulate.device import MOST_TURNS, Device
from collector.simulate.store import PENDING, RECEIVED, Record, Store

_QUERIES = {"A156": "A157", "A158": "A159"}
_QUERY_HOURS = {"A156": 23, "A158": 22}
_STATUS_QUERY_HOUR = 1
_UPDATE = "A147"
_UNSUPPORTED = 2
_REPORTS = range(102, 175)


class ControlPort:
    """The control client of one gateway. `on_stored` is told of every record that may be forgotten."""

    def __init__(
        self, device: Device, on_stored: Callable[[Device, Record], None] = lambda _device, _record: None
    ) -> None:
        self.first_contact = bool(device.firmware.bundle)
        self._device = device
        self._firmware = device.firmware
        self._ecu = device.ecu
        self._tally = device.tally
        self.store = Store(self._note_stored)
        self._report_stored = on_stored

    def _note_stored(self, record: Record) -> None:
        self._tally.status_records += 1
        self._report_stored(self._device, record)

    def add_status(self, at: datetime, uids: tuple[str, ...] = ()) -> None:
        """Keep a record of inverters in an abnormal state, all that are known by default, if this firmware has such
        records.
        """
        time = self._device.digits(at)
        known = self._device.uids
        inverters = {uid: known[uid] for uid in uids or known}
        if not inverters or self.store.has(time):
            return
        if self._firmware.status_records:
            self.store.add(Record(time, _reports.status_record(self._ecu, time, inverters), "A123"))
        if self._firmware.gateway_records:
            self.store.add(Record(time, _reports.gateway_record("A158", self._ecu, time, inverters), "A158"))

    def add_update(self, at: datetime, uid: str) -> None:
        """Keep what an inverter's update at this time came to, if this firmware wants to have that confirmed."""
        time = self._device.digits(at)
        if self._firmware.confirms_updates and not self.store.has(time):
            self.store.add(Record(time, _reports.update_result(self._ecu, time, uid), _UPDATE))

    def round(self, at: datetime) -> Dialogue[None]:
        """What is done when a poll is due: records first, and without any the bundle and the poll. What updates came to
        is told in either case.
        """
        hour = self._device.local(at).hour
        yield from self._ask_for_stored(hour, self._device.digits(at))
        waiting = [record for record in self.store.in_state(PENDING) if record.command != _UPDATE]
        if waiting:
            yield from self._deliver(waiting)
        yield from self._tell_of_updates()
        # A gateway for optimizers sends these in a loop of its own, beside the poll.
        if waiting and self._firmware.status_records:
            return
        if self.first_contact:
            yield from self._push_bundle(self._device.digits(at))
        if (yield from self._poll(self._device.digits(at))):
            self.first_contact = False

    def _push_bundle(self, now: str) -> Dialogue[None]:
        self._tally.bundles += 1
        for name in self._firmware.bundle:
            if (yield Connect(control=True)) is None:
                return
            message = _reports.report(name, self._ecu, now, self._device.uids, self._firmware.name)
            yield Send(message + b"\n")
            yield Close()
            yield Pause()

    def _poll(self, now: str) -> Dialogue[bool]:
        """Poll until there is nothing more to do; True when the end was the right one."""
        question = _reports.poll(self._ecu, self._firmware.poll)
        for _ in range(MOST_TURNS):
            if (yield Connect(control=True)) is None:
                self._tally.unanswered["not connected"] += 1
                return False
            self._tally.polls += 1
            reply = b""
            if (yield Send(question + b"\n")) is not None:
                reply = yield from read_reply(self._firmware)
            if not reply:
                self._tally.unanswered["control"] += 1
                yield Close()
                return False
            try:
                check_reply(reply, self._firmware, self._ecu)
            except Unacceptable as exc:
                self._tally.fault(self._ecu, f"the reply to the poll is thrown away: {exc}", question, reply)
                yield Close()
                if self._firmware.reading is Reading.TO_THE_COUNT:
                    return False
                continue
            number = command(reply)
            if number == 100:
                yield Close()
                return True
            yield from self._obey(number, question, reply, now)
            yield Close()
        self._tally.fault(self._ecu, f"polled {MOST_TURNS} times at once, and on without end", question, b"")
        return False

    def _obey(self, number: int, question: bytes, reply: bytes, now: str) -> Dialogue[None]:
        """Answer a command: only one is harmless, and none is this simulated gateway's to carry out."""
        if number == 102:
            yield Send(_reports.report("A102", self._ecu, now, self._device.uids, self._firmware.name) + b"\n")
            return
        self._tally.fault(self._ecu, f"a command that only the vendor gives: A{number}", question, reply)
        time = reply[34:48].decode("latin-1") if number in _REPORTS else "0" * 14
        yield Send(_reports.acknowledgement(self._ecu, max(number, 0), time, _UNSUPPORTED) + b"\n")

    def _deliver(self, waiting: list[Record]) -> Dialogue[None]:
        """Send the records one after the other on one connection, the oldest first, until one gets no receipt."""
        if (yield Connect(control=True)) is None:
            self._tally.unanswered["not connected"] += 1
            return
        for record in waiting:
            if not (yield from self._deliver_one(record)):
                break
        yield Close()

    def _deliver_one(self, record: Record) -> Dialogue[bool]:
        for _ in range(MOST_TURNS):
            receipt, rejected = yield from self._exchange(record)
            if receipt is not None:
                self._take(record, receipt)
                return True
            # The optimizer gateways come back in their next loop instead.
            if not rejected or record.command != "A123":
                return False
        rule = f"the same A123 {MOST_TURNS} times at once, and on without end"
        self._tally.fault(self._ecu, rule, record.frame, b"")
        return False

    def _exchange(self, record: Record) -> Dialogue[tuple[Receipt | None, bool]]:
        """The receipt, or None; and whether there was a reply that the firmware throws away."""
        record.attempts += 1
        if not record.sent:
            record.sent.append(record.frame)
        reply = b""
        if (yield Send(record.frame + b"\n")) is not None:
            reply = yield from read_reply(self._firmware)
        if not reply:
            self._tally.unanswered["control"] += 1
            return None, False
        try:
            if record.command == "A123":
                return status_receipt(reply, self._firmware), False
            return gateway_receipt(reply, query=False), False
        except Unacceptable as exc:
            self._tally.fault(self._ecu, f"the reply to an {record.command} is thrown away: {exc}", record.frame, reply)
            return None, True

    def _take(self, record: Record, receipt: Receipt) -> None:
        if receipt.stored or (record.command == "A123" and self._firmware.checks_reply):
            record.state = RECEIVED
        if record.time not in receipt.times or not receipt.stored:
            self._tally.fault(
                self._ecu, f"an {record.command} whose own time stamp is not confirmed", record.frame, b""
            )
        if receipt.stored:
            self.store.clear(receipt.times)

    def _tell_of_updates(self) -> Dialogue[None]:
        """Each on a connection of its own, and again before every poll until the reply is what was sent."""
        for record in self.store.in_state(PENDING):
            if record.command != _UPDATE:
                continue
            if (yield Connect(control=True)) is None:
                self._tally.unanswered["not connected"] += 1
                return
            record.attempts += 1
            if not record.sent:
                record.sent.append(record.frame)
            reply = None
            if (yield Send(record.frame + b"\n")) is not None:
                reply = yield Receive(self._firmware.reply_s, 2048)
            yield Close()
            if not reply:
                self._tally.unanswered["control"] += 1
            elif is_update_confirmed(reply, record.time):
                if len(reply) > len(record.time):
                    self._tally.fault(self._ecu, "bytes behind the confirmation of an A147", record.frame, reply)
                self.store.clear([record.time])
            else:
                rule = "the reply to an A147 is not its own time stamp: it comes again with every poll"
                self._tally.fault(self._ecu, rule, record.frame, reply)

    def _ask_for_stored(self, hour: int, now: str) -> Dialogue[None]:
        received = self.store.in_state(RECEIVED)
        if any(record.command == "A123" for record in received) and hour == _STATUS_QUERY_HOUR:
            yield from self._ask(status_question(self._ecu), "A123")
        for kept, query in _QUERIES.items():
            if any(record.command == kept for record in received) and hour == _QUERY_HOURS[kept]:
                yield from self._ask(_reports.gateway_query(query, self._ecu, now), kept)

    def _ask(self, query: bytes, kept: str) -> Dialogue[None]:
        self._tally.queries += 1
        if (yield Connect(control=True)) is None:
            return
        reply = b""
        if (yield Send(query + b"\n")) is not None:
            reply = yield from read_reply(self._firmware)
        yield Close()
        if not reply:
            return
        try:
            receipt = status_receipt(reply, self._firmware) if kept == "A123" else gateway_receipt(reply, query=True)
        except Unacceptable as exc:
            self._tally.fault(self._ecu, f"the reply to the question for {kept} is thrown away: {exc}", query, reply)
            return
        if receipt.stored:
            self.store.clear(receipt.times)
        if kept == "A123":
            for record in self.store.in_state(RECEIVED):
                record.state = PENDING
