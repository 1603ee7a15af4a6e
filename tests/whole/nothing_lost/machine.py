"""What one run knows, and what must hold at each moment of it; `steps` has what is done to the installation.

**What is promised.** Each frame that was answered counts from then on. One that was not (the service was killed, or was
not there) may be in the journal or not; like a gateway, the machine sends it again, before all others, until it is
answered. So at rest nothing is in doubt.

- After a step `status --json` tells how many records and days wait, and of an unfinished job. No more records lack
  points in InfluxDB than wait by its word; and when it says that nothing waits, both buckets are exactly what they
  should be.
- At rest (`settle`) the journal holds every frame byte for byte, but for what it was allowed to purge, and both buckets
  equal what `expected` computes from the frames. What was purged is still in both.

**What is left alone**, because it has no one right outcome that an owner could rely on:

- Between a change of names or zones and the next whole `replay --all`, points may stand under either. So buckets are
  not compared meanwhile, `status` has to ask for the replay, and `settle` runs it.
- Names and zones no longer change once something may be purged: what is not in the journal keeps the names it had.
- A backup is restored only while nothing was acknowledged since it was begun; what is younger would be lost rightly.
- Nothing is sent of hours that spring leaves out, of the minutes around a restore, or of a day that has not ended on
  the machine's clock, whose roll-up may be two minutes old.
"""

import json
import signal
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from tests.influxdb_server import InfluxServer
from tests.whole.nothing_lost.expected import Points, Settings, daily_points, differences, points_of, raw_points
from tests.whole.nothing_lost.gateways import ROOFS, Gateway, first_days
from tests.whole.nothing_lost.site import NO_FAULT, Ended, Fault, Kept, Lost, Running, Site
from tests.whole.nothing_lost.wire import Frame

QUIET_S = 180.0
HEALTHY_S = 30.0
_DYING_S = 0.5

# Behind both changes of the clock, on two continents each.
_BEGINNINGS = (datetime(2024, 11, 9, 12, tzinfo=UTC), datetime(2025, 4, 5, 12, tzinfo=UTC))

_AS_FIRST = Settings("Europe/Amsterdam", {"216000000002": "Etc/GMT-1"})

# How a command says that there is nothing of what it was asked for.
_NOTHING_THERE = ("no records of an ECU", "has nothing of an ECU", "there is no journal")


@dataclass(slots=True)
class Counts:
    """What a run did; `compared` counts how often `status` said that nothing waits, and both buckets were right."""

    steps: int = 0
    acknowledged: int = 0
    commands: int = 0
    cut_off: int = 0
    purged: int = 0
    rests: int = 0
    compared: int = 0

    def add(self, other: "Counts") -> None:
        """Sum up."""
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Machine:
    """One run on one installation. Every method raises Lost for what does not hold."""

    def __init__(self, folder: Path, influx: InfluxServer, clock: Path, seed: int) -> None:
        self.counts = Counts()
        rng = Random(f"{seed} beginning")  # noqa: S311
        beginning = rng.choice(_BEGINNINGS)
        self.days = first_days(beginning.date(), rng)
        self.site = Site(folder, influx, clock, round(beginning.timestamp() - time.time()))
        self.gateways = [Gateway(ecu, devices) for ecu, devices in ROOFS.items()]
        self.settings = _AS_FIRST
        self.frames: list[Frame] = []
        # Those that share their time stamp with another.
        self.pairs: set[bytes] = set()
        # What was received before is allowed to be purged, in s on the machine's clock.
        self.purgeable_s = 0.0
        self.wants_service = False
        # The settings that everything was written under last.
        self._written_under = _AS_FIRST
        # Those that a command asked for which was cut off: the service may have done it since.
        self._asked_under = _AS_FIRST
        self._influx = influx
        self._received_s: dict[bytes, float] = {}
        self._waiting: list[Frame] = []
        self._unanswered: list[Frame] = []
        self._influx_back_in = 0

    # The service and the database

    def start(self, fault: Fault = NO_FAULT) -> None:
        """Start the service and send what waits; a fault may end it at any time from now on."""
        self.wants_service = True
        if not self.site.start(self.settings, fault):
            self.counts.cut_off += 1
            self.site.start(self.settings)
        self._send_waiting()

    def end_service(self, number: int) -> None:
        """By a signal, if it runs."""
        if self.site.service is not None:
            self.counts.cut_off += number == signal.SIGKILL
            self.site.stop(number)

    def influx_away(self, steps: int) -> None:
        """Stop InfluxDB for so many steps."""
        self._influx.stop()
        self._influx_back_in = steps

    def influx_back(self) -> None:
        """Start it unless it runs."""
        if self._influx_back_in:
            self._influx.start()
            self._influx_back_in = 0

    @property
    def is_influx_away(self) -> bool:
        """Whether it was stopped."""
        return self._influx_back_in > 0

    def after_step(self) -> None:
        """What goes on by itself: InfluxDB comes back, and whatever runs the service starts it again."""
        if self._influx_back_in > 1:
            self._influx_back_in -= 1
        else:
            self.influx_back()
        self._mind_service()

    def _mind_service(self) -> None:
        if self.site.service is not None and not self.site.is_running():
            self.end_service(signal.SIGKILL)
        if self.site.service is None and self.wants_service:
            self.start()

    # Gateways

    def send(self, frames: Sequence[Frame]) -> None:
        """Send until each is answered, as far as that goes now; the others wait for the service."""
        self._waiting += frames
        self._send_waiting()

    @property
    def is_anything_unsent(self) -> bool:
        """Whether some frame has no answer yet."""
        return bool(self._waiting)

    def _send_waiting(self) -> None:
        while self._waiting and self.site.is_running():
            is_upload = self._waiting[0].is_upload
            alike = [frame.is_upload == is_upload for frame in self._waiting]
            count = alike.index(False) if False in alike else len(alike)
            port_index = 0 if is_upload else 2
            answered = self.site.send(self._waiting[:count], port_index)
            if answered == 0:
                # A process that is being killed still looks alive for a moment.
                threading.Event().wait(_DYING_S)
                if not self.site.is_running():
                    return
                answered = self.site.send(self._waiting[:count], port_index)
                if answered == 0 and self.site.is_running():
                    raise Lost(f"the service runs and gives no answer to {self._waiting[0].raw!r}")
            for frame in self._waiting[:answered]:
                self._note(frame)
            self._waiting = self._waiting[answered:]

    def _note(self, frame: Frame) -> None:
        if not frame.answer:
            self._unanswered.append(frame)
            return
        self.counts.acknowledged += 1
        if frame.raw not in self._received_s:
            self.frames.append(frame)
            self._received_s[frame.raw] = self.site.now

    # Commands

    def command(self, *arguments: str, fault: Fault = NO_FAULT) -> Running:
        """Begin a command; nobody waits for one for as long as InfluxDB is away."""
        if self.is_influx_away and not fault.signal:
            fault = Fault(signal.SIGINT, 2.0)
        return self.site.command(*arguments, fault=fault)

    def finish(self, running: Running) -> str:
        """Wait for the end of a command that is about InfluxDB; says how it ended."""
        ended = running.end()
        self.counts.commands += 1
        self.counts.cut_off += ended.cut
        said = ended.out + ended.err
        if not ended.cut and ended.code not in (0, 1):
            raise Lost(f"{running} ended with {ended.code}: {said}")
        if ended.code == 1 and not self.is_influx_away and not any(text in said for text in _NOTHING_THERE):
            raise Lost(f"{running} failed though InfluxDB is there: {said}")
        if running.arguments == ("replay", "--all"):
            self._asked_under = self.settings
            if ended.code == 0:
                self._written_under = self.settings
        return f"{running} -> {ended.code}"

    def succeed(self, *arguments: str, fault: Fault = NO_FAULT) -> Ended:
        """Run a command that has to succeed; after one that its fault has cut off it is run again, if it has to be."""
        ended = self.site.command(*arguments, fault=fault).end()
        self.counts.commands += 1
        self.counts.cut_off += ended.cut
        if ended.code != 0 and not ended.cut:
            raise Lost(f"`{' '.join(arguments)}` failed: {ended.out}{ended.err}")
        return ended

    # What must hold

    @property
    def _is_between(self) -> bool:
        """Whether names or zones changed since everything was written under them."""
        return self.settings != self._written_under

    def _status(self) -> tuple[int, dict[str, Any]]:
        ended = self.site.command("status", "--json").end()
        if ended.code not in (0, 1):
            raise Lost(f"`status --json` ended with {ended.code}: {ended.err}")
        return ended.code, json.loads(ended.out)

    def look(self) -> None:
        """Compare what `status` says with the journal and with InfluxDB."""
        before = self.site.kept()
        if not before.raws:
            return
        _, status = self._status()
        after = self.site.kept()
        # A report gets no answer, so it may have been stored only after the first look.
        fewest, most = sorted((before.waiting, after.waiting))
        if not before.jobs and not after.jobs and not fewest <= status["pending"] <= most:
            raise Lost(f"{before.waiting} records wait, then {after.waiting}; status says {status['pending']}")
        if before.jobs and after.jobs and not status["jobs"]:
            raise Lost(f"status tells of no unfinished job: {json.dumps(status)}")
        is_asked = self.settings == self._asked_under
        if (
            self._is_between
            and not is_asked
            and not before.jobs
            and "replay" not in json.dumps(status["problems"] + status["warnings"])
        ):
            raise Lost(f"status does not ask for a replay after names or zones changed: {json.dumps(status)}")
        # Behind a job that goes on, InfluxDB is further than what was said of it.
        if self._is_between or self.is_influx_away or (before.jobs and self.site.is_running()):
            return
        expected = raw_points(self.frames, self.settings)
        found = self.site.raw()
        lacking = self._lacking(expected, found)
        if len(lacking) > status["pending"]:
            raise Lost(
                f"{len(lacking)} records lack points in InfluxDB, and status says that {status['pending']} wait:"
                f" {lacking[:5]}"
            )
        if not (status["pending"] or status["rollups_pending"] or before.jobs):
            self._compare(found, "status says that nothing waits")
            self.counts.compared += 1

    def _lacking(self, expected: Points, found: Points) -> list[str]:
        """The frames of which some point is not there."""
        lost = expected.keys() - found.keys()
        return [
            frame.raw[:80].decode()
            for frame in self.frames
            if lost and not lost.isdisjoint(points_of(frame, self.settings))
        ]

    def settle(self) -> None:
        """Let it come to rest, and compare everything."""
        self.influx_back()
        self.wants_service = True
        self._mind_service()
        self._send_waiting()
        if self._is_between:
            self._replay_all()
        kept = self._quiet()
        self._compare_journal(kept)
        self._compare(self.site.raw(), "at rest")
        self._compare_events(kept.raws)
        self._is_healthy()
        self.counts.rests += 1

    def _replay_all(self) -> None:
        for _ in range(3):
            self.finish(self.site.command("replay", "--all"))
            if not self._is_between:
                return
            # Its service was killed meanwhile by a fault of before.
            self._mind_service()
        raise Lost("`replay --all` does not succeed")

    def _quiet(self) -> Kept:
        deadline = time.monotonic() + QUIET_S
        while True:
            self._mind_service()
            self._send_waiting()
            kept = self.site.kept()
            if kept.is_quiet and not self._waiting:
                return kept
            if time.monotonic() > deadline:
                raise Lost(f"no rest: {kept.waiting} records, {kept.days} days and {kept.jobs} jobs wait")
            threading.Event().wait(0.2)

    def _compare_journal(self, kept: Kept) -> None:
        gone = [frame for frame in self.frames if frame.raw not in kept.raws]
        lost = [frame for frame in gone if self._received_s[frame.raw] > self.purgeable_s]
        self.counts.purged = max(self.counts.purged, len(gone))
        if lost:
            raise Lost(f"{len(lost)} acknowledged records are not in the journal: {[f.raw[:80] for f in lost[:5]]}")
        known = {frame.raw for frame in (*self.frames, *self._unanswered)}
        if strange := kept.raws.keys() - known:
            raise Lost(f"the journal holds what was never sent: {list(strange)[:5]}")
        if kept.set_aside:
            raise Lost(f"{kept.set_aside} records were set aside")

    def _compare(self, found: Points, when: str) -> None:
        expected = raw_points(self.frames, self.settings)
        if wrong := differences(expected, found):
            raise Lost("\n".join([f"{when}, and the points are wrong:", *wrong]))
        if wrong := differences(daily_points(expected, self.settings), self.site.daily()):
            raise Lost("\n".join([f"{when}, and the roll-ups are wrong:", *wrong]))

    def _compare_events(self, raws: Collection[bytes]) -> None:
        """Each report and each new inverter has its event. What is too much stays: a replay deletes no events."""
        rows = self.site.events()
        instants = {(row["ecu"], row["source"], datetime.fromisoformat(row["_time"]).timestamp()) for row in rows}
        values = {(row["ecu"], row["_field"], row["_value"]) for row in rows}
        wanted = [(frame.ecu, "version", frame.version) for frame in self._unanswered if frame.raw in raws]
        # Of two records with one time stamp only one can have such an event.
        paired = {frame.ecu for frame in self.frames if frame.raw in self.pairs}
        for frame in self.frames:
            if frame.event and (frame.ecu, "A123", self.settings.instant(frame.ecu, frame.event[0])) not in instants:
                raise Lost(f"no event of {frame.raw!r}")
            if frame.own and frame.ecu not in paired:
                wanted += [(frame.ecu, "inverter", reading.device.uid) for reading in frame.own[1]]
        if missing := set(wanted) - values:
            raise Lost(f"no events of {sorted(missing)}")

    def _is_healthy(self) -> None:
        """An outage that is over may be told of until the next sign of life."""
        deadline = time.monotonic() + HEALTHY_S
        while True:
            code, status = self._status()
            if code == 0 and not (status["pending"] or status["rollups_pending"] or status["set_aside"]):
                return
            if time.monotonic() > deadline:
                raise Lost(f"all is at rest, and status says {json.dumps(status)}")
            threading.Event().wait(1)


def run(machine: Machine, steps: Sequence[Callable[[Machine], object]], rest_every: int, deadline: float) -> None:
    """Do the steps that can be begun before `deadline` (monotonic), with a rest now and then and at the end."""
    try:
        machine.start()
        for number, step in enumerate(steps, 1):
            if time.monotonic() > deadline:
                break
            step(machine)
            machine.counts.steps += 1
            if number % rest_every == 0:
                machine.settle()
        machine.settle()
        machine.end_service(signal.SIGTERM)
        machine.site.check_file()
    except Lost as exc:
        words = "\n".join(machine.site.last_words())
        raise Lost(f"{exc}\nthe service's last words:\n{words}") from None
    finally:
        machine.influx_back()
        machine.site.close()
