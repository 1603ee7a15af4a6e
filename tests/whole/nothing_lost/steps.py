"""The steps: everything that owners, gateways and power cuts do.

Written by hand and not as Hypothesis' state machine: a step here takes from milliseconds to seconds, in processes whose
timing is never the same twice, so that the many repetitions by which Hypothesis shrinks can't be had, and its replay of
recorded choices would fail as flaky. Each step draws from a generator of its own, seeded by the run's seed and the
step's number: so a list of numbers is a whole run, and leaving some out leaves the others what they were.
"""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from tests.whole.nothing_lost import wire
from tests.whole.nothing_lost.expected import Settings
from tests.whole.nothing_lost.machine import Machine
from tests.whole.nothing_lost.site import NO_FAULT, Fault

_RETAIN_DAYS = 30
_DAY_S = 24 * 3600
_FAR_AHEAD_S = 730 * _DAY_S

_ZONES = ("Europe/Amsterdam", "America/New_York", "Asia/Kolkata", "Etc/GMT-1", "Pacific/Auckland")

# The calls between two statements that matter: what the journal writes and syncs, what InfluxDB is sent and has
# answered, and what a backup or a restore puts into place.
_CALLS = ("fdatasync", "pwrite64", "sendto", "recvfrom")
_CALLS_OF_FILES = ("fdatasync", "pwrite64", "fsync", "rename", "link", "unlink")

_REPLAY_ALL = ("replay", "--all")

# A far database: a replay of a few records takes seconds.
_SLOW = Fault(call="sendto", delay_ms=15)

Step = Callable[[Machine, Random], str]


def _upload(machine: Machine, rng: Random) -> str:
    gateway = rng.choice(machine.gateways)
    frames = [gateway.round(machine.days, rng) for _ in range(rng.choice([1, 1, 2, 4]))]
    machine.send(frames)
    return f"of {len(frames)}"


def _backlog(machine: Machine, rng: Random) -> str:
    frames = [rng.choice(machine.gateways).round(machine.days, rng) for _ in range(rng.randrange(10, 40))]
    machine.send(frames)
    return f"of {len(frames)}"


def _late(machine: Machine, rng: Random) -> str:
    gateway = rng.choice(machine.gateways)
    machine.send([gateway.round(machine.days, rng, gateway.late_rounds(rng))])
    return ""


def _fill_up(machine: Machine, rng: Random) -> str:
    gateway = rng.choice(machine.gateways)
    groups = gateway.late_rounds(rng)
    now = datetime.fromtimestamp(machine.site.now, UTC)
    key = f"{now.year + 1000}{now:%m%d}01{len(gateway.used) // 60 % 60:02d}{len(gateway.used) % 60:02d}"
    gateway.used.add(key)
    machine.send([wire.fill_up(gateway.ecu, key, groups)] if groups else [gateway.round(machine.days, rng)])
    return f"of {len(groups)}"


def _repeat(machine: Machine, rng: Random) -> str:
    # What was purged would come as new, and behind what has replaced it since.
    known = [frame for frame in machine.frames if not (machine.site.retain_days and frame.raw in machine.pairs)]
    some = rng.sample(known, min(len(known), rng.randrange(1, 5)))
    machine.send(some)
    return f"of {len(some)}"


def _same_time(machine: Machine, rng: Random) -> str:
    by_ecu = {gateway.ecu: gateway for gateway in machine.gateways}
    for frame in reversed(machine.frames):
        again = None if frame.raw in machine.pairs else by_ecu[frame.ecu].round_again(frame, rng)
        if again is not None and again.own is not None:
            machine.pairs |= {frame.raw, again.raw}
            machine.send([again])
            return f"{again.ecu} {again.own[0]}"
    return "of nothing"


def _report(machine: Machine, rng: Random) -> str:
    gateway = rng.choice(machine.gateways)
    if rng.random() < 0.3:
        machine.send([wire.firmware(gateway.ecu, f"V{rng.randrange(10**9)}")])
        return "of the firmware"
    machine.send([wire.states(gateway.ecu, gateway.time(machine.days, rng), rng.choice(gateway.devices))])
    return "of states"


def _replay(machine: Machine, rng: Random) -> str:
    arguments = ["replay"]
    day = rng.choice(machine.days)
    if rng.random() < 0.5:
        arguments += ["--from", f"{day}"] if rng.random() < 0.8 else []
        arguments += ["--to", f"{day + timedelta(days=rng.randrange(3))}"] if rng.random() < 0.8 else []
        arguments += ["--ecu", rng.choice(machine.gateways).ecu] if rng.random() < 0.7 else []
    return _command(machine, rng, *(arguments if len(arguments) > 1 else _REPLAY_ALL))


def _rollup(machine: Machine, rng: Random) -> str:
    first = ["--from", f"{rng.choice(machine.days)}"] if rng.random() < 0.5 else []
    return _command(machine, rng, "rollup", *first)


def _command(machine: Machine, rng: Random, *arguments: str) -> str:
    """It may be cut off, and records may come meanwhile."""
    pauses_s = [rng.random() * 0.3 for _ in range(rng.choice([0, 0, 3]))]
    running = machine.command(*arguments, fault=_fault(rng))
    for pause_s in pauses_s:
        threading.Event().wait(pause_s)
        machine.send([rng.choice(machine.gateways).round(machine.days, rng)])
    return machine.finish(running)


def _two_commands(machine: Machine, rng: Random) -> str:
    first = machine.command(*_REPLAY_ALL, fault=_fault(rng))
    second = machine.command(rng.choice(["rollup", "replay"]), "--from", f"{machine.days[0]}")
    machine.send([rng.choice(machine.gateways).round(machine.days, rng)])
    return f"{machine.finish(first)}, {machine.finish(second)}"


def _backup_and_restore(machine: Machine, rng: Random) -> str:
    if machine.is_anything_unsent or not machine.site.journal.exists():
        return "not now"
    fault = _fault(rng, _CALLS_OF_FILES)
    backup = machine.site.new_backup()
    machine.succeed("backup", str(backup), fault=fault)
    if not backup.exists():
        machine.succeed("backup", str(backup))
    # What this replay has deleted when it is lost with its journal, the backup's journal knows nothing of.
    replayed = ""
    if rng.random() < 0.3:
        replayed = f"{machine.finish(machine.command(*_REPLAY_ALL, fault=_fault(rng)))}; "
    number = _ending(rng)
    machine.end_service(number)
    replayed = ""
    if rng.random() < 0.3:
        # By the command itself. What it has deleted when it is cut off, the backup's journal knows nothing of.
        machine.wants_service = False
        replayed = f"{machine.finish(machine.command(*_REPLAY_ALL, fault=_slow_and_killed(rng)))}; "
    machine.site.move_journal_away()
    again = _fault(rng, _CALLS_OF_FILES)
    machine.succeed("restore", "--keep-config", str(backup), fault=again)
    if not machine.site.journal.exists():
        machine.succeed("restore", "--keep-config", str(backup))
    machine.start()
    return f"{fault}; {replayed}{signal.Signals(number).name}; {again}"


def _restart(machine: Machine, rng: Random) -> str:
    number = _ending(rng)
    machine.end_service(number)
    machine.wants_service = rng.random() < 0.7
    if machine.wants_service:
        machine.start()
    return f"by {signal.Signals(number).name}{'' if machine.wants_service else ', to be started by a later step'}"


def _start(machine: Machine, _rng: Random) -> str:
    if machine.site.service is None:
        machine.start()
    return ""


def _kill_at_a_call(machine: Machine, rng: Random) -> str:
    """Start a service that will be killed at its n-th call, whenever that is; often while it has much to do."""
    machine.end_service(signal.SIGKILL)
    fault = _at_a_call(rng, _CALLS)
    machine.start(fault)
    if rng.random() < 0.4:
        return str(fault)
    return f"{fault}, {machine.finish(machine.command(*_REPLAY_ALL))}"


def _kill_during_a_command(machine: Machine, rng: Random) -> str:
    """The command then has nobody who does its work, until the service is back or it does it itself."""
    number = _ending(rng)
    is_slow = rng.random() < 0.5
    if is_slow:
        machine.end_service(number)
        machine.start(_SLOW)
    command = machine.command(*rng.choice([_REPLAY_ALL, _REPLAY_ALL, ("rollup",)]), fault=_fault(rng))
    threading.Event().wait(0.3 + rng.random() * (5 if is_slow else 1.5))
    machine.end_service(number)
    is_back = rng.random() < 0.7
    if is_back:
        threading.Event().wait(rng.random() * 0.5)
        machine.start()
    did = f"{'slow, ' if is_slow else ''}{signal.Signals(number).name}{', started again' if is_back else ''}"
    return f"{did}, {machine.finish(command)}"


def _rename(machine: Machine, rng: Random) -> str:
    if machine.site.retain_days:
        return "not now"
    name = f"{rng.randrange(10**6)} ü"
    gateway = rng.choice(machine.gateways)
    device = rng.choice(gateway.devices)
    before = machine.settings
    match rng.randrange(3):
        case 0:
            changed = replace(before, gateways={**before.gateways, gateway.ecu: f"Roof {name}"})
        case 1:
            changed = replace(before, inverters={**before.inverters, device.uid: f"Inv, {name}"})
        case _:
            panel = (f"South {name}", rng.choice(["East", "West"]), float(rng.choice([400, 425])))
            changed = replace(before, panels={**before.panels, (device.uid, 1): panel})
    return _reconfigure(machine, rng, changed)


def _change_zone(machine: Machine, rng: Random) -> str:
    if machine.site.retain_days:
        return "not now"
    zone = rng.choice(_ZONES)
    if rng.random() < 0.5:
        return f"to {zone}, {_reconfigure(machine, rng, replace(machine.settings, site_zone=zone))}"
    ecu = rng.choice(machine.gateways).ecu
    changed = replace(machine.settings, zones={**machine.settings.zones, ecu: zone})
    return f"of {ecu} to {zone}, {_reconfigure(machine, rng, changed)}"


def _reconfigure(machine: Machine, rng: Random, changed: Settings) -> str:
    """Change the file and start the service anew; often the owner then does what the log asks for."""
    machine.end_service(signal.SIGTERM)
    machine.settings = changed
    machine.start()
    return _command(machine, rng, *_REPLAY_ALL) if rng.random() < 0.7 else ""


def _days_pass(machine: Machine, rng: Random) -> str:
    """With the service off; there are records of days of this time from now on."""
    machine.end_service(_ending(rng))
    days = rng.randrange(10, 45)
    machine.site.shift_s += days * _DAY_S
    today = datetime.fromtimestamp(machine.site.now, UTC).date()
    machine.days += [today - timedelta(days=back) for back in (3, 4)]
    _allow_purge(machine)
    machine.start()
    # The journal has seen these days go by only when something comes.
    machine.send([gateway.round(machine.days[-2:], rng) for gateway in machine.gateways])
    return f"{days}"


def _retain(machine: Machine, rng: Random) -> str:
    """From now on old records are purged, at a start and every hour; a replay may be under way at that moment."""
    if machine.is_influx_away:
        return "not now"
    if not machine.site.retain_days:
        # What is purged keeps the names that it was written under last.
        machine.settle()
    # Nothing is purged yet when these days have passed and something has come, but at the next start.
    machine.site.retain_days = 0
    passed = _days_pass(machine, rng) if rng.random() < 0.8 else "0"
    machine.site.retain_days = _RETAIN_DAYS
    _allow_purge(machine)
    machine.end_service(_ending(rng))
    machine.site.configure(machine.settings)
    fault = _SLOW if rng.random() < 0.5 else _fault(rng)
    if is_first := rng.random() < 0.7:
        begun = machine.command(*_REPLAY_ALL, fault=fault)
        threading.Event().wait(rng.random() * 3)
        machine.start()
    else:
        machine.start()
        threading.Event().wait(rng.random() * 0.5)
        begun = machine.command(*_REPLAY_ALL, fault=fault)
    return f"after {passed} days, {'during' if is_first else 'before'} {machine.finish(begun)}"


def _allow_purge(machine: Machine) -> None:
    if machine.site.retain_days:
        machine.purgeable_s = machine.site.now - machine.site.retain_days * _DAY_S + 60


def _clock_astray(machine: Machine, rng: Random) -> str:
    """The clock is years ahead for a moment; nothing comes meanwhile, and nothing may be purged by it."""
    if machine.is_anything_unsent:
        return "not now"
    machine.end_service(signal.SIGTERM)
    machine.site.shift_s += _FAR_AHEAD_S
    machine.start()
    threading.Event().wait(rng.random() * 2)
    machine.end_service(signal.SIGTERM)
    machine.site.shift_s -= _FAR_AHEAD_S
    machine.start()
    return ""


def _influx_away(machine: Machine, rng: Random) -> str:
    steps = rng.randrange(2, 6)
    if machine.is_influx_away:
        machine.influx_back()
        return "is over"
    machine.influx_away(steps)
    return f"for {steps} steps"


def _pause(_machine: Machine, rng: Random) -> str:
    seconds = rng.random() * 7
    threading.Event().wait(seconds)
    return f"of {seconds:.1f} s"


def _ending(rng: Random) -> signal.Signals:
    return rng.choice([signal.SIGTERM, signal.SIGKILL, signal.SIGKILL])


def _fault(rng: Random, calls: tuple[str, ...] = _CALLS) -> Fault:
    match rng.randrange(8):
        case 0:
            return Fault(signal.SIGINT, 0.3 + rng.random() * 1.2)
        case 1:
            return Fault(signal.SIGKILL, 0.3 + rng.random() * 1.2)
        case 2 | 3:
            return _at_a_call(rng, calls)
        case 4:
            return _slow_and_killed(rng)
    return NO_FAULT


def _slow_and_killed(rng: Random) -> Fault:
    return replace(_SLOW, signal=signal.SIGKILL, after_s=0.5 + rng.random() * 5)


def _at_a_call(rng: Random, calls: tuple[str, ...]) -> Fault:
    # Some dozen of a kind belong to the start, some hundreds to a replay.
    return Fault(call=rng.choice(calls), nth=rng.randrange(1, rng.choice([30, 300])))


STEPS: dict[Step, int] = {
    _upload: 26,
    _backlog: 4,
    _late: 6,
    _fill_up: 4,
    _repeat: 5,
    _same_time: 5,
    _report: 5,
    _replay: 10,
    _rollup: 4,
    _two_commands: 2,
    _backup_and_restore: 3,
    _restart: 6,
    _start: 2,
    _kill_at_a_call: 6,
    _kill_during_a_command: 4,
    _rename: 3,
    _change_zone: 2,
    _days_pass: 1,
    _retain: 2,
    _clock_astray: 1,
    _influx_away: 2,
    _pause: 2,
}

# A look takes much longer than sending, and half of all steps are that.
_LOOKS = 0.15
_SENDING = (_upload, _backlog, _late, _fill_up, _repeat, _same_time, _report)


def numbered(seed: int, number: int, tell: Callable[[str], object]) -> Callable[[Machine], None]:
    """The step of a run with this number; `tell` is given a line of what it did."""

    def step(machine: Machine) -> None:
        rng = Random(f"{seed} step {number}")  # noqa: S311
        chosen = rng.choices(list(STEPS), list(STEPS.values()))[0]
        looks = chosen not in _SENDING or rng.random() < _LOOKS
        name = chosen.__name__.strip("_").replace("_", " ")
        began = time.monotonic()
        said = "cut short"
        try:
            said = chosen(machine, rng)
            # Before a service that was killed is started again, which may mend what is wrong.
            if looks:
                machine.look()
            machine.after_step()
        finally:
            tell(f"{number}: {name} {said} ({time.monotonic() - began:.1f} s)")

    return step
