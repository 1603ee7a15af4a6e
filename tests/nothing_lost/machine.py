"""Steps in any order, and what must hold behind each of them.

Written by hand and not as Hypothesis' state machine: a step here takes from milliseconds to seconds, in processes whose
timing is never the same twice, so that there is no use in the many repetitions by which Hypothesis shrinks, and its
replay of recorded choices would fail as flaky. Each step draws from a generator of its own, seeded by the run's seed
and the step's number: so a list of numbers is a whole run, and leaving some out leaves the others what they were.

**What is promised.** Each frame that was answered counts from then on. One that was not (the service was killed, or was
not there) may be in the journal or not; like a gateway, the machine sends it again, before all others, until it is
answered. So at rest nothing is in doubt.

- After every step `status --json` tells how many records and days wait, and of an unfinished job. While it says that
  there is no job, no more records lack points in InfluxDB than wait by its word; and when it says that nothing waits,
  both buckets are exactly what they should be.
- At rest (`settle`) the journal holds every frame byte for byte, but for what it was allowed to purge, and both buckets
  equal what `expected` computes from the frames. What was purged is still in both.

**What is left alone**, because it has no one right outcome that the owner could rely on:

- Between a change of names or zones and the next whole `replay --all`, points may stand under either. So buckets are
  not compared meanwhile, `status` has to ask for the replay, and `settle` runs it.
- Names and zones no longer change once something may be purged: what is not in the journal keeps the names it had.
- A backup is restored only while nothing was acknowledged since it was begun; what is younger would be lost rightly.
- Hours that spring leaves out are not sent, nor times around a restore, and no day that has not ended on the machine's
  clock: its roll-up may be two minutes old.
"""

import json
import signal
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from tests.influxdb_server import InfluxServer
from tests.nothing_lost import wire
from tests.nothing_lost.expected import Points, Settings, daily_points, differences, points_of, raw_points
from tests.nothing_lost.site import NO_FAULT, Ended, Fault, Lost, Running, Site
from tests.nothing_lost.wire import Device, Frame, Reading

QUIET_S = 180.0
_RETAIN_DAYS = 30
_DAY_S = 24 * 3600

# When the days of a run end: behind both changes of the clock, of two continents.
_BEGINNINGS = (datetime(2024, 11, 9, 12, tzinfo=UTC), datetime(2025, 4, 5, 12, tzinfo=UTC))
_ZONES = ("Europe/Amsterdam", "America/New_York", "Asia/Kolkata", "Etc/GMT-1", "Pacific/Auckland")

_ROOFS: dict[str, tuple[Device, ...]] = {
    "216000000001": (Device("408000000011", "07"), Device("408000000012", "07"), Device("502000000013", "04")),
    "216000000002": (Device("408000000021", "07"), Device("408000000022", "07")),
    "215000000003": (Device("502000000031", "04"),),
}

# The calls between two statements that matter: what the journal writes and syncs, what InfluxDB is sent and has
# answered, and what a backup or a restore puts into place.
_CALLS = ("fdatasync", "fdatasync", "pwrite64", "pwrite64", "sendto", "sendto", "recvfrom", "recvfrom", "rename", "unlink")


@dataclass(slots=True)
class Counts:
    """What a run did."""

    steps: int = 0
    acknowledged: int = 0
    commands: int = 0
    kills: int = 0
    purged: int = 0
    rests: int = 0
    compared: int = 0

    def add(self, other: "Counts") -> None:
        """Sum up."""
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class _Gateway:
    ecu: str
    devices: tuple[Device, ...]
    used: set[str] = field(default_factory=set)
    missing: list[tuple[str, Device]] = field(default_factory=list)
    lifetime_tenths: int = 100_000


class Machine:
    """One run on one installation. `tell` is given a line for each step."""

    def __init__(
        self, folder: Path, influx: InfluxServer, clock: Path, seed: int, tell: Callable[[str], object] = lambda _: None
    ) -> None:
        self.counts = Counts()
        self.done: list[str] = []
        self._seed = seed
        self._tell = tell
        self._influx = influx
        rng = Random(f"{seed} beginning")
        beginning = rng.choice(_BEGINNINGS)
        self._days = _first_days(beginning.date(), rng)
        self._site = Site(folder, influx, clock, round(beginning.timestamp() - time.time()))
        self._settings = Settings("Europe/Amsterdam", {"216000000002": "Etc/GMT-1"})
        # As of the last replay of everything, or of the first start.
        self._settled = self._settings
        self._gateways = [_Gateway(ecu, devices) for ecu, devices in _ROOFS.items()]
        self._frames: list[Frame] = []
        self._received_s: dict[bytes, float] = {}
        self._waiting: list[Frame] = []
        self._unanswered: list[Frame] = []
        self._pairs: set[bytes] = set()
        self._purgeable_s = 0.0
        self._down_for = 0
        self._wants_service = False

    # Running

    def run(self, numbers: Sequence[int], rest_every: int) -> None:
        """Do the steps with these numbers and then rest; rests also in between. Raises Lost."""
        try:
            self._influx_up()
            self._start(NO_FAULT)
            for count, number in enumerate(numbers, 1):
                self._step(number)
                if count % rest_every == 0:
                    self.settle()
            self.settle()
            self._site.stop()
            if not self._site.is_sound():
                raise Lost("the journal's file is damaged")
        except Lost as exc:
            words = "\n".join(self._site.last_words())
            raise Lost(f"{exc}\nthe service's last words:\n{words}") from None
        finally:
            self._influx_up()
            self._site.close()

    def _step(self, number: int) -> None:
        rng = Random(f"{self._seed} step {number}")
        step = rng.choices(list(_STEPS), [weight for weight in _STEPS.values()])[0]
        began = time.monotonic()
        said = step(self, rng)
        name = step.__name__.strip("_").replace("_", " ")
        self.done.append(f"{number}: {name} {said or ''}".strip())
        self.counts.steps += 1
        self._mind_influx()
        self._mind_service()
        # Most steps are uploads, and a look takes longer than one.
        if step is not Machine._upload or rng.random() < 0.2:
            self._look()
        self._tell(f"{self.done[-1]} ({time.monotonic() - began:.1f} s)")

    def _mind_influx(self) -> None:
        if self._down_for:
            self._down_for -= 1
            if not self._down_for:
                self._influx_up()

    def _mind_service(self) -> None:
        """Start a service that its fault has ended, or that a step has left for the next one to start."""
        if self._site.service is not None and not self._site.is_running():
            self._end_service(signal.SIGKILL)
        if self._site.service is None and self._wants_service:
            self._start(NO_FAULT)

    def _influx_up(self) -> None:
        if self._influx_is_down:
            self._influx.start()
            self._influx_is_down = False
        self._down_for = 0

    _influx_is_down = False

    def _start(self, fault: Fault) -> None:
        self._wants_service = True
        if not self._site.start(self._settings, fault):
            self.counts.kills += 1
            self._site.service = None
            self._site.start(self._settings)
        self._send_waiting()

    def _end_service(self, number: int) -> None:
        if self._site.service is not None:
            self.counts.kills += number == signal.SIGKILL
            self._site.stop(number)

    # Gateways

    def _send(self, frames: Sequence[Frame]) -> None:
        self._waiting += frames
        self._send_waiting()

    def _send_waiting(self) -> None:
        """In order, as far as it goes."""
        while self._waiting and self._site.is_running():
            port_index = 0 if self._waiting[0].is_upload else 2
            count = next(
                (n for n, frame in enumerate(self._waiting) if frame.is_upload != self._waiting[0].is_upload),
                len(self._waiting),
            )
            answered = self._site.send(self._waiting[:count], port_index)
            for frame in self._waiting[:answered]:
                self._note(frame)
            self._waiting = self._waiting[answered:]
            if answered < count:
                if self._site.is_running():
                    # A process that is being killed still looks alive for a moment.
                    threading.Event().wait(0.5)
                    if self._site.is_running() and not self._site.send(self._waiting[:1], port_index):
                        raise Lost(f"the service runs and gives no answer to {self._waiting[0].raw!r}")
                    continue
                return

    def _note(self, frame: Frame) -> None:
        if not frame.answer:
            self._unanswered.append(frame)
            return
        self.counts.acknowledged += 1
        if frame.raw not in self._received_s:
            self._frames.append(frame)
            self._received_s[frame.raw] = self._site.now

    def _time(self, gateway: _Gateway, rng: Random) -> str:
        """A time stamp that this gateway has not used."""
        while True:
            day = rng.choice(self._days)
            # Noon and the like, both ends of a day, and the hour that some zones repeat.
            hour = rng.choices([rng.randrange(6, 21), 0, 23, 1], [8, 1, 1, 1])[0]
            own_time = f"{day:%Y%m%d}{hour:02d}{rng.randrange(0, 12) * 5:02d}{rng.randrange(0, 10):02d}"
            if own_time not in gateway.used:
                gateway.used.add(own_time)
                return own_time

    def _round(self, gateway: _Gateway, rng: Random, late: Sequence[wire.Round] = ()) -> Frame:
        own_time = self._time(gateway, rng)
        present = [device for device in gateway.devices if rng.random() < 0.85] or [gateway.devices[0]]
        gateway.missing += [(own_time, device) for device in gateway.devices if device not in present]
        gateway.lifetime_tenths += rng.randrange(1, 9)
        readings = [wire.measure(device, rng) for device in present]
        return wire.upload(gateway.ecu, own_time, readings, gateway.lifetime_tenths, late)

    def _late_rounds(self, gateway: _Gateway, rng: Random) -> list[wire.Round]:
        """What some inverters had not told when they should."""
        rng.shuffle(gateway.missing)
        count = rng.randrange(1, 4)
        some, gateway.missing = gateway.missing[:count], gateway.missing[count:]
        groups: dict[str, list[Reading]] = {}
        for own_time, device in some:
            groups.setdefault(own_time, []).append(wire.measure(device, rng))
        return [(own_time, tuple(readings)) for own_time, readings in groups.items()]

    def _upload(self, rng: Random) -> str:
        gateway = rng.choice(self._gateways)
        frames = [self._round(gateway, rng) for _ in range(rng.choice([1, 1, 2, 4]))]
        self._send(frames)
        return f"of {len(frames)}"

    def _backlog(self, rng: Random) -> str:
        frames = [self._round(rng.choice(self._gateways), rng) for _ in range(rng.randrange(10, 40))]
        self._send(frames)
        return f"of {len(frames)}"

    def _late(self, rng: Random) -> str:
        gateway = rng.choice(self._gateways)
        self._send([self._round(gateway, rng, self._late_rounds(gateway, rng))])
        return ""

    def _fill_up(self, rng: Random) -> str:
        gateway = rng.choice(self._gateways)
        groups = self._late_rounds(gateway, rng)
        if groups:
            now = datetime.fromtimestamp(self._site.now, UTC)
            key = f"{now.year + 1000}{now:%m%d%H%M}{rng.randrange(0, 60):02d}"
            if key not in gateway.used:
                gateway.used.add(key)
                self._send([wire.fill_up(gateway.ecu, key, groups)])
        return f"of {len(groups)}"

    def _repeat(self, rng: Random) -> str:
        known = [frame for frame in self._frames if not (self._site.retain_days and frame.raw in self._pairs)]
        some = rng.sample(known, min(len(known), rng.randrange(1, 5)))
        self._send(some)
        return f"of {len(some)}"

    def _same_time(self, rng: Random) -> str:
        """A round again with one inverter more, which had answered late."""
        for frame in reversed(self._frames):
            if frame.own is None or frame.raw in self._pairs:
                continue
            gateway = next(gateway for gateway in self._gateways if gateway.ecu == frame.ecu)
            found = next(((at, device) for at, device in gateway.missing if at == frame.own[0]), None)
            if found:
                gateway.missing.remove(found)
                readings = [*frame.own[1], wire.measure(found[1], rng)]
                again = wire.upload(frame.ecu, frame.own[0], readings, frame.lifetime_tenths, frame.late)
                self._pairs |= {frame.raw, again.raw}
                self._send([again])
                return f"{frame.ecu} {frame.own[0]}"
        return "of nothing"

    def _report(self, rng: Random) -> str:
        gateway = rng.choice(self._gateways)
        if rng.random() < 0.3:
            self._send([wire.firmware(gateway.ecu, f"V{len(self._unanswered)}.{rng.randrange(10**6)}")])
            return "of the firmware"
        self._send([wire.states(gateway.ecu, self._time(gateway, rng), rng.choice(gateway.devices))])
        return "of states"

    # Commands

    def _replay(self, rng: Random) -> str:
        arguments = ["replay"]
        whole = rng.random() < 0.5
        if whole:
            arguments.append("--all")
        else:
            day = rng.choice(self._days)
            arguments += ["--from", f"{day}"] if rng.random() < 0.8 else []
            arguments += ["--to", f"{day + timedelta(days=rng.randrange(3))}"] if rng.random() < 0.8 else []
            arguments += ["--ecu", rng.choice(self._gateways).ecu] if rng.random() < 0.7 else []
            arguments += ["--all"] if len(arguments) == 1 else []
        return self._command(arguments, rng)

    def _rollup(self, rng: Random) -> str:
        day = rng.choice(self._days)
        arguments = ["rollup", "--from", f"{day}"] if rng.random() < 0.5 else ["rollup"]
        return self._command(arguments, rng)

    def _two_commands(self, rng: Random) -> str:
        first = self._site.command("replay", "--all", fault=self._limited(_fault(rng)))
        second = self._site.command(rng.choice(["rollup", "replay"]), "--from", f"{self._days[0]}", fault=self._limited(NO_FAULT))
        self._send([self._round(rng.choice(self._gateways), rng)])
        return f"{self._finish(first, ['replay', '--all'])}, {self._finish(second, ['rollup'])}"

    def _command(self, arguments: list[str], rng: Random) -> str:
        """Run one; it may be cut off, and records may come meanwhile."""
        fault = self._limited(_fault(rng))
        # Decided here, so that a prefix of the run draws the same.
        pauses = [rng.random() * 0.3 for _ in range(rng.choice([0, 0, 3]))]
        running = self._site.command(*arguments, fault=fault)
        for pause_s in pauses:
            threading.Event().wait(pause_s)
            self._send([self._round(rng.choice(self._gateways), rng)])
        return f"{' '.join(arguments[1:])} {fault} {self._finish(running, arguments)}"

    def _limited(self, fault: Fault) -> Fault:
        """Nobody waits for a command for as long as InfluxDB is away."""
        return Fault(signal.SIGINT, 2.0) if self._influx_is_down and not fault.signal else fault

    def _finish(self, running: Running, arguments: list[str]) -> str:
        settings = self._settings
        ended = running.end()
        self.counts.commands += 1
        self.counts.kills += ended.cut
        if not ended.cut and ended.code not in (0, 1, 130):
            raise Lost(f"`{' '.join(arguments)}` ended with {ended.code}: {ended.err}")
        if ended.code == 0 and arguments == ["replay", "--all"]:
            self._settled = settings
        if ended.code == 1 and not self._influx_is_down and "no records of an ECU" not in ended.err + ended.out:
            if "has nothing of" not in ended.err and "no journal" not in ended.err:
                raise Lost(f"`{' '.join(arguments)}` failed though InfluxDB is there: {ended.out}{ended.err}")
        return f"-> {ended.code}"

    def _backup_and_restore(self, rng: Random) -> str:
        self._send_waiting()
        if self._waiting or not self._site.journal.exists():
            return "not now"
        place = self._site.folder / f"backup-{len(self.done)}.tar.gz"
        fault = _fault(rng) if rng.random() < 0.3 else NO_FAULT
        taken = self._site.command("backup", str(place), fault=fault).end()
        if taken.code != 0:
            if not taken.cut:
                raise Lost(f"the backup failed: {taken.out}{taken.err}")
            taken = self._site.command("backup", str(place)).end()
            if taken.code != 0 and "exists" not in taken.err and "is there" not in taken.err:
                raise Lost(f"the backup failed: {taken.out}{taken.err}")
        number = rng.choice([signal.SIGTERM, signal.SIGKILL])
        self._end_service(number)
        self._site.move_journal_away()
        fault = _fault(rng) if rng.random() < 0.5 else NO_FAULT
        restored = self._site.command("restore", "--keep-config", str(place), fault=fault).end()
        if restored.code != 0:
            if not restored.cut:
                raise Lost(f"the restore failed: {restored.out}{restored.err}")
            if not self._site.journal.exists():
                restored = self._site.command("restore", "--keep-config", str(place)).end()
                if restored.code != 0:
                    raise Lost(f"the restore failed after one that was cut off: {restored.out}{restored.err}")
        self.counts.commands += 2
        self._start(NO_FAULT)
        return f"{signal.Signals(number).name} {fault}"

    # The service, the settings, the database and the days

    def _restart(self, rng: Random) -> str:
        number = rng.choice([signal.SIGTERM, signal.SIGKILL, signal.SIGKILL])
        self._end_service(number)
        if rng.random() < 0.3:
            self._wants_service = False
            return f"by {signal.Signals(number).name}, started by a later step"
        self._start(NO_FAULT)
        return f"by {signal.Signals(number).name}"

    def _start_again(self, _rng: Random) -> str:
        if self._site.service is None:
            self._start(NO_FAULT)
        return ""

    def _kill_at_a_call(self, rng: Random) -> str:
        """Start a service that will be killed at its n-th call, whenever that is."""
        self._end_service(signal.SIGKILL)
        fault = _at_a_call(rng)
        self._start(fault)
        return str(fault)

    def _rename(self, rng: Random) -> str:
        if self._site.retain_days:
            return "not now"
        name = f"{rng.randrange(10**6)} ü"
        gateway = rng.choice(self._gateways)
        device = rng.choice(gateway.devices)
        match rng.randrange(3):
            case 0:
                changed = replace(self._settings, gateways={**self._settings.gateways, gateway.ecu: f"Roof {name}"})
            case 1:
                changed = replace(self._settings, inverters={**self._settings.inverters, device.uid: f"Inv, {name}"})
            case _:
                panel = (f"South {name}", rng.choice(["East", "West"]), float(rng.choice([400, 425])))
                changed = replace(self._settings, panels={**self._settings.panels, (device.uid, 1): panel})
        return self._reconfigure(changed, rng)

    def _change_zone(self, rng: Random) -> str:
        if self._site.retain_days:
            return "not now"
        zone = rng.choice(_ZONES)
        if rng.random() < 0.5:
            return f"{zone} {self._reconfigure(replace(self._settings, site_zone=zone), rng)}"
        ecu = rng.choice(self._gateways).ecu
        changed = replace(self._settings, zones={**self._settings.zones, ecu: zone})
        return f"{ecu} {zone} {self._reconfigure(changed, rng)}"

    def _reconfigure(self, settings: Settings, rng: Random) -> str:
        """Change the file and start the service anew; often the owner then does what the log asks for."""
        self._end_service(signal.SIGTERM)
        self._settings = settings
        self._start(NO_FAULT)
        return self._command(["replay", "--all"], rng) if rng.random() < 0.7 else ""

    def _days_pass(self, rng: Random) -> str:
        """With the service off; days of this time get records from now on."""
        number = rng.choice([signal.SIGTERM, signal.SIGKILL])
        self._end_service(number)
        days = rng.randrange(10, 45)
        self._site.shift_s += days * _DAY_S
        today = datetime.fromtimestamp(self._site.now, UTC).date()
        self._days += [today - timedelta(days=back) for back in (3, 4)]
        if self._site.retain_days:
            self._purgeable_s = self._site.now - self._site.retain_days * _DAY_S
        self._start(NO_FAULT)
        # The journal has seen these days go by only when something comes.
        self._send([self._round(gateway, rng) for gateway in self._gateways])
        return f"{days}"

    def _retain(self, rng: Random) -> str:
        """From now on old records are purged, at a start and every hour; a replay may be under way at that moment."""
        if self._influx_is_down:
            return "not now"
        if not self._site.retain_days:
            # What is purged keeps the names that it was written under last.
            self.settle()
            self._site.retain_days = _RETAIN_DAYS
        passed = self._days_pass(rng) if rng.random() < 0.8 else "0"
        self._purgeable_s = self._site.now - self._site.retain_days * _DAY_S
        self._end_service(rng.choice([signal.SIGTERM, signal.SIGKILL]))
        self._site.configure(self._settings)
        arguments = ["replay", "--all"]
        begun = None
        if rng.random() < 0.7:
            begun = self._site.command(*arguments, fault=_fault(rng) if rng.random() < 0.4 else NO_FAULT)
            threading.Event().wait(rng.random() * 1.5)
        self._start(NO_FAULT)
        if begun is None:
            threading.Event().wait(rng.random() * 0.5)
            begun = self._site.command(*arguments, fault=_fault(rng) if rng.random() < 0.4 else NO_FAULT)
        return f"after {passed} days {self._finish(begun, arguments)}"

    def _clock_astray(self, rng: Random) -> str:
        """The machine's clock is years ahead for a moment; nothing comes meanwhile, and nothing may be purged by it."""
        if self._waiting:
            return "not now"
        self._end_service(signal.SIGTERM)
        self._site.shift_s += 730 * _DAY_S
        self._site.start(self._settings)
        threading.Event().wait(rng.random() * 2)
        self._end_service(signal.SIGTERM)
        self._site.shift_s -= 730 * _DAY_S
        self._start(NO_FAULT)
        return ""

    def _influx_away(self, rng: Random) -> str:
        if self._influx_is_down:
            self._influx_up()
            return "is back"
        self._influx.stop()
        self._influx_is_down = True
        self._down_for = rng.randrange(2, 6)
        return f"for {self._down_for} steps"

    def _pause(self, rng: Random) -> str:
        seconds = rng.random() * 7
        threading.Event().wait(seconds)
        return f"of {seconds:.1f} s"

    # What must hold

    @property
    def _is_between(self) -> bool:
        """Whether names or zones changed since all was written under them."""
        return self._settings != self._settled

    def _status(self) -> tuple[int, dict[str, Any]]:
        ended = self._site.command("status", "--json").end()
        if ended.code not in (0, 1):
            raise Lost(f"`status --json` ended with {ended.code}: {ended.err}")
        return ended.code, json.loads(ended.out)

    def _look(self) -> None:
        """Compare what `status` says with the journal and with InfluxDB."""
        before = self._site.kept()
        if not before.raws:
            return
        _, status = self._status()
        after = self._site.kept()
        said = json.dumps(status["problems"] + status["warnings"])
        if not before.jobs and not after.jobs and not after.waiting <= status["pending"] <= before.waiting:
            raise Lost(f"status says {status['pending']} records wait, of {before.waiting} before and {after.waiting} after")
        if before.jobs and after.jobs and not _tells_of_a_job(status):
            raise Lost(f"status tells of no unfinished job: {json.dumps(status)}")
        if self._is_between and "replay" not in said and not before.jobs:
            raise Lost(f"status does not ask for a replay after names or zones changed: {said}")
        if before.jobs or self._is_between or self._influx_is_down:
            return
        expected = raw_points(self._frames, self._settings)
        found = self._site.raw()
        lacking = self._lacking(expected, found)
        if len(lacking) > status["pending"]:
            raise Lost(
                f"{len(lacking)} records lack points in InfluxDB, status says that {status['pending']} wait and of no"
                f" job: {lacking[:5]}"
            )
        if not (status["pending"] or status["rollups_pending"]):
            self.counts.compared += 1
            self._compare(found, "status says that nothing waits")

    def _lacking(self, expected: Points, found: Points) -> list[str]:
        """The frames of which some point is not there."""
        lost = expected.keys() - found.keys()
        return [
            frame.raw[:80].decode() for frame in self._frames if lost and not lost.isdisjoint(points_of(frame, self._settings))
        ]

    def settle(self) -> None:
        """Let it come to rest, and compare everything. Raises Lost."""
        self._influx_up()
        if not self._site.is_running():
            self._end_service(signal.SIGKILL)
            self._start(NO_FAULT)
        self._send_waiting()
        if self._is_between:
            self._replay_all()
        kept = self._quiet()
        self._mind_service()
        self._compare_journal(kept)
        self._compare(self._site.raw(), "at rest")
        self._compare_events(kept.raws)
        self._healthy()
        self.counts.rests += 1
        self._tell(f"at rest: {len(self._frames)} frames")

    def _replay_all(self) -> None:
        ended = Ended(1, "", "", cut=False)
        for _ in range(3):
            ended = self._site.command("replay", "--all").end()
            if ended.code == 0:
                self._settled = self._settings
                return
            self._mind_service()
        raise Lost(f"`replay --all` fails: {ended.out}{ended.err}")

    def _quiet(self) -> Any:
        deadline = time.monotonic() + QUIET_S
        while True:
            self._mind_service()
            self._send_waiting()
            kept = self._site.kept()
            if kept.is_quiet and not self._waiting:
                return kept
            if time.monotonic() > deadline:
                raise Lost(
                    f"it does not come to rest: {kept.waiting} records, {kept.days} days and {kept.jobs} jobs wait"
                )
            threading.Event().wait(0.2)

    def _compare_journal(self, kept: Any) -> None:
        raws: dict[bytes, int] = kept.raws
        gone = [frame for frame in self._frames if frame.raw not in raws]
        lost = [frame for frame in gone if self._received_s[frame.raw] > self._purgeable_s + 60]
        self.counts.purged = max(self.counts.purged, len(gone))
        if lost:
            raise Lost(f"{len(lost)} acknowledged records are not in the journal: {[f.raw[:80] for f in lost[:5]]}")
        known = {*(frame.raw for frame in self._frames), *(frame.raw for frame in self._unanswered)}
        if strange := raws.keys() - known:
            raise Lost(f"the journal holds what was never sent: {list(strange)[:5]}")
        if kept.set_aside:
            raise Lost(f"{kept.set_aside} records were set aside")

    def _compare(self, found: Points, when: str) -> None:
        expected = raw_points(self._frames, self._settings)
        if wrong := differences(expected, found):
            raise Lost(f"{when}, and the points are wrong:\n" + "\n".join(wrong))
        if wrong := differences(daily_points(expected, self._settings), self._site.daily()):
            raise Lost(f"{when}, and the roll-ups are wrong:\n" + "\n".join(wrong))

    def _compare_events(self, raws: Collection[bytes]) -> None:
        """Each report and each new inverter has its event. What is too much stays: replays delete no events."""
        rows = self._site.events()
        at = {(row["ecu"], row["source"], datetime.fromisoformat(row["_time"]).timestamp()) for row in rows}
        values = {(row["ecu"], row["_field"], row["_value"]) for row in rows}
        for frame in self._frames:
            if frame.event and (frame.ecu, "A123", self._settings.instant(frame.ecu, frame.event[0])) not in at:
                raise Lost(f"no event of {frame.raw!r}")
        for frame in self._unanswered:
            if frame.raw in raws and (frame.ecu, "version", frame.version) not in values:
                raise Lost(f"no event of {frame.raw!r}")
        in_pairs = {frame.ecu for frame in self._frames if frame.raw in self._pairs}
        for frame in self._frames:
            for reading in frame.own[1] if frame.own else ():
                if frame.ecu not in in_pairs and (frame.ecu, "inverter", reading.device.uid) not in values:
                    raise Lost(f"no event of the new inverter {reading.device.uid}")

    def _healthy(self) -> None:
        """An outage that is over may be told of until the next sign of life."""
        deadline = time.monotonic() + 30
        while True:
            code, status = self._status()
            if code == 0 and not (status["pending"] or status["rollups_pending"] or status["set_aside"]):
                return
            if time.monotonic() > deadline:
                raise Lost(f"all is at rest, and status says {json.dumps(status)}")
            threading.Event().wait(1)


def _tells_of_a_job(status: dict[str, Any]) -> bool:
    said = json.dumps([value for name, value in status.items() if name not in ("ecus", "refused_peers")])
    return "replay" in said or "roll" in said.replace("rollups_pending", "")


def _fault(rng: Random) -> Fault:
    """Half of them are none."""
    match rng.randrange(6):
        case 0:
            return Fault(signal.SIGINT, 0.3 + rng.random() * 1.2)
        case 1:
            return Fault(signal.SIGKILL, 0.3 + rng.random() * 1.2)
        case 2:
            return _at_a_call(rng)
    return NO_FAULT


def _at_a_call(rng: Random) -> Fault:
    return Fault(call=rng.choice(_CALLS), nth=round(2 ** (rng.random() * 6)))


def _first_days(today: date, rng: Random) -> list[date]:
    """Days around the changes of the clock, some usual ones, and one that another span of a replay has."""
    back = [rng.randrange(5, 9), 6, 7, 12, 13, 14, 28, 150]
    return sorted({today - timedelta(days=number) for number in back})


_STEPS: dict[Callable[[Machine, Random], str], int] = {
    Machine._upload: 30,
    Machine._backlog: 4,
    Machine._late: 6,
    Machine._fill_up: 4,
    Machine._repeat: 5,
    Machine._same_time: 5,
    Machine._report: 5,
    Machine._replay: 10,
    Machine._rollup: 4,
    Machine._two_commands: 2,
    Machine._backup_and_restore: 3,
    Machine._restart: 6,
    Machine._start_again: 2,
    Machine._kill_at_a_call: 6,
    Machine._rename: 3,
    Machine._change_zone: 2,
    Machine._days_pass: 1,
    Machine._retain: 2,
    Machine._clock_astray: 1,
    Machine._influx_away: 2,
    Machine._pause: 3,
}
