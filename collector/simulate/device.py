"""One gateway: rounds in, dialogues out. No socket, no clock but the one it is given.

Promises to behave towards the other side as its firmware does, also where that is to its own harm, but for two limits:
a loop that the firmware would turn without end is left after MOST_TURNS and noted as a fault; and an answer that this
firmware forgives but another would not is noted as well.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from time import perf_counter

from collector.client.acceptance import Answer
from collector.client.dialogue import Close, Connect, Dialogue, Send
from collector.client.exchange import BROKEN, read_answer, stored_question
from collector.client.firmware import Firmware
from collector.protocol.blocks import Inverter
from collector.protocol.fields import total, with_length
from collector.protocol.upload import LateGroup, Upload, encode
from collector.simulate.equipment import UNREADABLE
from collector.simulate.rounds import Round
from collector.simulate.store import PENDING, RECEIVED, Record, Store
from collector.simulate.tally import Tally

# The firmware has no limit here; more turns than this show nothing new.
MOST_TURNS = 20

_MORE_FLAG = {86: 78, 96: 88}

# When the fill-up message is made, by the gateway's own clock; and how its key is told from any time.
_FILL_UP_HOUR, _FILL_UP_YEARS = 1, 1000

# What stands behind the last channel of an inverter that nobody can read: no known layout has room for it.
_MORE_THAN_IS_KNOWN = "000000000"


class Device:
    """A gateway of one generation. `on_stored` is told of every upload record that reached state 0.

    `zone` is what its clock shows, `clock_error_s` how far it is ahead.
    """

    def __init__(
        self,
        firmware: Firmware,
        ecu: str,
        tally: Tally,
        *,
        zone: tzinfo = UTC,
        clock_error_s: float = 0.0,
        lifetime_kwh: float = 100.0,
        on_stored: Callable[["Device", Record], None] = lambda _device, _record: None,
        now: Callable[[], float] = perf_counter,
    ) -> None:
        self.firmware = firmware
        self.ecu = ecu
        self.tally = tally
        self.uids: dict[str, str] = {}
        self._zone = zone
        self._clock_error = timedelta(seconds=clock_error_s)
        self._lifetime_kwh = lifetime_kwh
        self._on_stored = on_stored
        self._now = now
        self._waiting: tuple[LateGroup, ...] = ()
        self.store = Store(self._note_stored)

    def local(self, at: datetime) -> datetime:
        """What this gateway's clock shows at an instant."""
        return (at + self._clock_error).astimezone(self._zone)

    def digits(self, at: datetime) -> str:
        """The same as the 14 digits of a time stamp."""
        return f"{self.local(at):%Y%m%d%H%M%S}"

    def add(self, polled: Round) -> None:
        """Make the records of a polling round. Raises FieldError for an inverter that this firmware has no words for.

        Late data that come without an inverter that answers wait: for `fill_up`, or where the firmware has no message
        for them, for the next record.
        """
        firmware = self.firmware
        late = polled.late
        if firmware.late_rounds:
            for group in polled.missed:
                # What it had counted by then is not known any more.
                self._make(group.time, group.inverters, lifetime_kwh=0)
        else:
            late = tuple(sorted((*late, *polled.missed), key=lambda group: group.time))
        if not polled.inverters:
            self._waiting += late
            return
        if not firmware.fill_up:
            late, self._waiting = (*self._waiting, *late), ()
        self.uids |= {inverter.uid: inverter.model for inverter in polled.inverters}
        self._lifetime_kwh += total(inverter.energy_wh or 0.0 for inverter in polled.inverters) / 1000
        self._make(self.digits(polled.at), polled.inverters, lifetime_kwh=self._lifetime_kwh, late=late)

    def _make(
        self, time: str, inverters: tuple[Inverter, ...], *, lifetime_kwh: float, late: tuple[LateGroup, ...] = ()
    ) -> None:
        firmware = self.firmware
        upload = Upload(
            version=firmware.version,
            ecu=self.ecu,
            time=time,
            inverters=inverters,
            power_w=total(inverter.dc_power_w or 0.0 for inverter in inverters),
            lifetime_kwh=lifetime_kwh,
            late=late if firmware.late_groups else (),
        )
        text = encode(
            upload,
            system=firmware.system,
            sequence=firmware.sequence,
            hundredths=firmware.hundredths,
            interval_energy=firmware.interval_energy,
            length_pad=firmware.length_pad,
        )
        text = _in_layouts_of_their_own(text, upload, firmware.length_pad)
        if firmware.json:
            text = f'{{"F":"0","EST":"{time}","APS":"{text}"}}'
        self._keep(time, text)

    def _keep(self, time: str, text: str) -> None:
        self.tally.produced += 1
        self.store.add(Record(time, text.encode("ascii")))

    def fill_up_after(self, at: datetime) -> datetime | None:
        """When the late data that wait after `at` are due to be made a message; None when there are none."""
        if not self._waiting or not self.firmware.fill_up:
            return None
        local = self.local(at)
        due = local.replace(hour=_FILL_UP_HOUR, minute=local.minute % 5, fold=0)
        if local.hour >= _FILL_UP_HOUR:
            due += timedelta(days=1)
        return due.astimezone(UTC) - self._clock_error

    def fill_up(self, at: datetime) -> None:
        """Make the message of the late data that wait, if there are any."""
        firmware, local = self.firmware, self.local(at)
        if not self._waiting or not firmware.fill_up:
            return
        key = f"{local.year + _FILL_UP_YEARS}{local:%m%d%H%M%S}"
        upload = Upload(version=firmware.version, ecu=self.ecu, time=key, late=self._waiting, has_round=False)
        self._waiting = ()
        text = encode(upload, system=firmware.fill_up, sequence="0001", length_pad=firmware.length_pad)
        self._keep(key, _in_layouts_of_their_own(text, upload, firmware.length_pad))

    def _note_stored(self, record: Record) -> None:
        if not record.attempts:
            # Cleared by a key that it shares with another record, so it never left the gateway.
            self.tally.dropped += 1
            return
        self.tally.acknowledged += 1
        self._on_stored(self, record)

    def upload(self) -> Dialogue[None]:
        """One upload loop: all in state 1, in this firmware's order, until something fails."""
        waiting = self.store.in_state(PENDING, self.firmware.order)
        if not waiting:
            if self.firmware.empty_connections and (yield Connect()) is not None:
                yield Close()
            return
        is_open = False
        for place, record in enumerate(waiting):
            if record.state != PENDING:
                continue
            if not is_open:
                if (yield Connect()) is None:
                    self.tally.unanswered["not connected"] += 1
                    return
                is_open = True
            accepted = yield from self._deliver(record, PENDING, more=place + 1 < len(waiting))
            if self.firmware.per_record or not accepted:
                yield Close()
                is_open = False
            if not accepted:
                return
        yield Close()

    def _deliver(self, record: Record, state: int, *, more: bool) -> Dialogue[bool]:
        """Send until the record has left its state, or the exchange failed."""
        for _ in range(MOST_TURNS):
            answer = yield from self._exchange(record, more=more)
            if answer is None:
                return False
            if record.state != state:
                return True
            if answer.received or not self.firmware.repeats_at_once:
                return True
        self.tally.fault(self.ecu, f"the same record {MOST_TURNS} times at once, and on without end", record.frame, b"")
        return False

    def _exchange(self, record: Record, *, more: bool, stale: bytes = b"") -> Dialogue[Answer | None]:
        frame = self._with_more_flag(record.frame) if more and self.firmware.more_flag else record.frame
        self.tally.sent += 1
        self.tally.resent += record.attempts > 0
        record.attempts += 1
        if frame not in record.sent:
            record.sent.append(frame)
        early = yield Send(frame + b"\n" + stale, self.firmware.piece_bytes)
        if early is None:
            self.tally.unanswered[BROKEN] += 1
            return None
        if early:
            self.tally.fault(self.ecu, "an answer before the whole record was sent", frame, early)
        sent_at = self._now()
        answer, raw = yield from self._read_answer(frame, early, 65_536)
        if answer is None:
            return None
        self.tally.latencies.append(self._now() - sent_at)
        if not answer.received:
            self.tally.fault(self.ecu, "a complete answer that does not say received", frame, raw)
            return answer
        if record.state == PENDING:
            record.state = RECEIVED
        if record.time not in answer.times:
            self.tally.fault(
                self.ecu, "received, but the record's own time stamp is not confirmed: it stays in state 2", frame, raw
            )
        strangers = [time for time in answer.times if time != record.time]
        if strangers and record.time in answer.times:
            self.tally.fault(self.ecu, f"time stamps beside the record's own: {strangers[:3]}", frame, raw)
        self.store.clear(answer.times)
        return answer

    def _with_more_flag(self, frame: bytes) -> bytes:
        place = _MORE_FLAG[96 if self.firmware.version == 16 else 86]
        return frame[:place] + b"1" + frame[place + 1 :]

    def _read_answer(self, sent: bytes, buffer: bytes, most: int) -> Dialogue[tuple[Answer | None, bytes]]:
        """The answer, None when there is none; and the bytes."""
        heard = yield from read_answer(self.firmware, buffer, most)
        if heard.ended:
            self.tally.unanswered[heard.ended] += 1
        if heard.fault:
            self.tally.fault(self.ecu, heard.fault, sent, heard.raw)
        return heard.answer, heard.raw

    def night(self) -> Dialogue[None]:
        """What is done at night about records in state 2: ask which are stored, then send the rest again."""
        if not self.store.in_state(RECEIVED):
            return
        if (yield Connect()) is None:
            self.tally.unanswered["not connected"] += 1
            return
        yield from self._ask_for_stored()
        yield Close()
        waiting = self.store.in_state(RECEIVED)
        buffer = b""
        if self.firmware.night_resets:
            for record in waiting:
                record.state = PENDING
            yield from self.upload()
            return
        for record in waiting:
            if record.state != RECEIVED:
                continue
            if (yield Connect()) is None:
                self.tally.unanswered["not connected"] += 1
                return
            stale = buffer[len(record.frame) + 1 :] if self.firmware.stale_tails else b""
            buffer = record.frame + b"\n" + stale
            delivered = yield from self._resend(record, stale)
            yield Close()
            if not delivered:
                return

    def _resend(self, record: Record, stale: bytes) -> Dialogue[bool]:
        """Send a record in state 2; RT-Thread builds don't let go of it while it is received and not confirmed.

        `stale` is what an older, longer record left in the buffer behind this one.
        """
        for _ in range(MOST_TURNS if self.firmware.repeats_at_once else 1):
            if (yield from self._exchange(record, more=False, stale=stale)) is None:
                return False
            if record.state != RECEIVED:
                return True
        if self.firmware.repeats_at_once:
            self.tally.fault(
                self.ecu,
                f"received and not confirmed {MOST_TURNS} times at night, and on without end",
                record.frame,
                b"",
            )
        return False

    def _ask_for_stored(self) -> Dialogue[None]:
        query, raw = stored_question(self.ecu, as_json=self.firmware.json), b""
        for _ in range(MOST_TURNS):
            self.tally.queries += 1
            if (yield Send(query + b"\n")) is None:
                self.tally.unanswered[BROKEN] += 1
                return
            _, raw = yield from self._read_query_answer(query)
            if len(raw) <= 3 or not self.firmware.query_loops:
                return
        self.tally.fault(self.ecu, f"{MOST_TURNS} night queries, each answered with more than 3 bytes", query, raw)

    def _read_query_answer(self, query: bytes) -> Dialogue[tuple[Answer | None, bytes]]:
        answer, raw = yield from self._read_answer(query, b"", self.firmware.query_bytes)
        if answer is None:
            # A failure ends the questions, whatever came before it.
            return None, b""
        self.store.clear(answer.times)
        return answer, raw


def _in_layouts_of_their_own(text: str, upload: Upload, pad: str) -> str:
    """A record whose blocks of unreadable inverters are in a layout that nobody knows; all the rest is as it was."""
    blocks = (*upload.inverters, *(inverter for group in upload.late for inverter in group.inverters))
    for uid in {inverter.uid for inverter in blocks if inverter.model == UNREADABLE.name}:
        text = re.sub(rf"(?<=END|UND)({uid}[0-9AB]+)", rf"\g<1>{_MORE_THAN_IS_KNOWN}", text)
    return with_length(text, pad)
