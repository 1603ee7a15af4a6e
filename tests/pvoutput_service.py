"""What PVOutput holds, and what it answers to whoever it knows, without the network (`pvoutput_server.py` has that).

Written from the service's specification (pvoutput.org/help/api_specification.html, r2) as public programs quote it, and
from logs that show what it answered, by another hand than the client. Never compared with the service itself; but
pvoutput-client 0.0.3 and pvo 4.0.0 understood its answers, and it their requests.

[S] the specification, quoted by pvoutput-client 0.0.3 (Rust), pyrocumulus/pvoutput.net, yaleman/pvoutput, bcosta's
    IoTaWatt of 2018, rg-engineering/ioBroker.pvoutputorg   [L] answers of the service in logs and threads
[?] assumed: no source was found

- A status: `d`, `t`, and one of v1 to v4; 14 days back, donors 90; v7 to v12, m1, b1 to b6 for donors; time rounded to
  the nearest interval [S], so that 23:59 becomes 00:00 of the next day [L: IoTaWatt 2018]. With c1 = 1 or 2, v1 is a
  lifetime, and the first of a day is its 0 [L: forum 8930]. v1 to v4 are whole numbers [S]; others are "Could not read"
  [S of 2018]. No energy is made from power alone [?]. `n` gets an answer that says so: it is not simulated.
- Refused are power above 1.5 times and energy above 12 Wh per W of the system's size, and from 06:00 to 08:00 energy
  above what rises from 1 to 4 Wh per W [S]; texts [L: SBFspot #125, grott #373, for negative Powerwall2PVOutput #1].
- Power in the dark is "Moon Powered" [S; L: SunGather #18, szczeles/toolbelt #33]; when it is dark says `light` [?].
- The future is a later day [S], or a time more than an interval ahead of now [?]; days are of the system's zone [?].
- A batch has at most 30 statuses, donors 100, each with v1, and is answered `d,t,1` or `d,t,0` for each [S], `t` as it
  is kept [?]. What a longer one is told [?]. 0 is for what changed nothing, 400 for a batch that added nothing [S].
  Logs have 400 also where one of 2 or of 82 was bad [L: SBFspot #635, #4], and not what became of the others: `Kept`.
- After a batch the output of a day is written once: for its last good status [S]. With what energy [?]: `Quirks`.
- An output: since 2000, not the future, `g` if there is none yet; one a request, donors 100 in `data` [S]. Texts [S; L:
  sunnyportal-py #25]; "OK 200: Added Output" [L: forum 8501], "OK 200: Added Status" [L: eversolar #39].
- getstatus: columns, NaN for what is not there, a history of 30 or up to 288, newest first; "No status found", also if
  there is none in 7 days; getsystem and getoutput: columns [S, and answers that these programs keep for their tests].
- deletestatus: today's and yesterday's alone [S]; what an older one is told, and the word for success [?].
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import Enum, auto
from zoneinfo import ZoneInfo

from tests.pvoutput_forms import (
    Refused,
    as_java,
    bad,
    decimals,
    numbers,
    read_date,
    read_decimal,
    read_rows,
    read_time,
    read_whole,
    rounded,
)

UTC = ZoneInfo("UTC")
# Each for others and for donors.
DAYS_BACK = (14, 90)
BATCH_LIMIT = (30, 100)
OUTPUTS_LIMIT = (1, 100)
HISTORY_LIMIT = 288

_VALUES = [f"v{number}" for number in range(1, 13)]
_EXTENDED = {*_VALUES[6:], "m1", *(f"b{number}" for number in range(1, 7))}
_OUTPUT = ["d", "g", "e", "pp", "pt", "cd", "tm", "tx", "cm", "ip", "io", "is", "ih", "c", "ep", "eo", "es", "eh"]
_FOR_DONORS = _EXTENDED | {"ext", "sid1", "insolation", "timeofexport"}
PARAMETERS: dict[str, set[str]] = {
    "addstatus.jsp": {"d", "t", "c1", "n", *_VALUES, *_EXTENDED},
    "addbatchstatus.jsp": {"data", "c1", "n"},
    "addoutput.jsp": {"data", *_OUTPUT},
    "deletestatus.jsp": {"d", "t"},
    "getstatus.jsp": {"d", "t", "h", "asc", "limit", "from", "to", "ext", "sid1", "stats"},
    "getsystem.jsp": {"array2", "tariffs", "teams", "est", "donations", "ext", "sid1"},
    "getoutput.jsp": {"df", "dt", "limit", "insolation", "timeofexport", "sid1"},
}


@dataclass(frozen=True)
class System:
    """One as its owner has set it up. An owner's systems have one key, and one limit of requests."""

    number: int
    key: str
    size_w: int = 5000
    interval_min: int = 5
    zone: ZoneInfo = UTC
    donor: bool = False
    enabled: bool = True
    read_only_key: str = ""
    name: str = "Roof"
    light: tuple[time, time] = (time(4), time(22, 30))


@dataclass(frozen=True)
class Status:
    """What is held for one time. `energy_wh` is the day's so far, or the lifetime's, as it was sent."""

    energy_wh: int | None = None
    power_w: int | None = None
    used_wh: int | None = None
    used_w: int | None = None
    temperature_c: float | None = None
    voltage_v: float | None = None
    is_lifetime: bool = False


@dataclass(frozen=True)
class Output:
    """What is held for one day."""

    energy_wh: int
    peak_w: int | None = None
    peak_time: str = ""


class Kept(Enum):
    """What stays of a batch in which a status is bad."""

    NOTHING = auto()  # answered with 400 and the reason of the bad one
    THOSE_BEFORE = auto()  # the same answer
    THE_OTHERS = auto()  # answered with 200 and a 0 for the bad one, as [S] has it


@dataclass(frozen=True)
class Quirks:
    """What the sources do not tell, or not alike. A client has to bear each of them."""

    kept: Kept = Kept.NOTHING
    same_counts: bool = False  # a status that changes nothing is answered 1 instead of 0
    keeps_old: bool = False  # a status for a time that is held changes nothing
    zero_is_moon_powered: bool = False  # 0 W in the dark is refused too
    must_rise: bool = False  # less energy than at an earlier time of the day is refused, as in [S] of 2018
    false_success: bool = False  # addstatus and addoutput answer OK and take nothing [L: pvoutput-client, forum 8501]
    says_number: bool = False  # "Exceeded number requests per hour", as [S] has it, in place of the number
    output_is_last_sent: bool = False  # the energy of an output is that of the batch's last, not of the day's last


USUAL = Quirks()


class Service:
    """`clock` gives the seconds of the epoch. `breaches` counts what the specification does not allow, in words."""

    def __init__(self, systems: Iterable[System], clock: Callable[[], float], quirks: Quirks) -> None:
        self.systems = {system.number: system for system in systems}
        self.clock = clock
        self.quirks = quirks
        self.breaches: Counter[str] = Counter()
        # By the system's local time.
        self.statuses: dict[int, dict[datetime, Status]] = defaultdict(dict)
        self.outputs: dict[int, dict[date, Output]] = defaultdict(dict)
        self._calls = {
            "addstatus.jsp": self._add_status,
            "addbatchstatus.jsp": self._add_batch,
            "addoutput.jsp": self._add_output,
            "deletestatus.jsp": self._delete_status,
            "getstatus.jsp": self._get_status,
            "getsystem.jsp": self._get_system,
            "getoutput.jsp": self._get_output,
        }

    def call(self, service: str, system: System, given: Mapping[str, str]) -> str:
        """What is answered with 200. Raises Refused."""
        for name in sorted(given.keys() - PARAMETERS[service]):
            self.breaches[f"{service} has no parameter {name}"] += 1
        if not system.donor and any(given.get(name, "") not in {"", "0"} for name in _FOR_DONORS):
            raise Refused(403, "Donation Mode", is_breach=True)
        return self._calls[service](system, given)

    def day(self, number: int, day: date) -> dict[str, Status]:
        """The statuses of one day by `hh:mm`, the earliest first, with the energy of the day so far."""
        return {f"{moment:%H:%M}": status for moment, status in _of_day(self.statuses[number], day).items()}

    def _add_status(self, system: System, given: Mapping[str, str]) -> str:
        held = self.statuses[system.number]
        try:
            moment, status = self._read(system, given, _is_lifetime(given), held)
        except Refused as refused:
            if self.quirks.false_success and not refused.is_breach:
                return "OK 200: Added Status"
            raise
        self._take(held, moment, status)
        self._write_output(system, moment)
        return "OK 200: Added Status"

    def _add_batch(self, system: System, given: Mapping[str, str]) -> str:
        is_lifetime = _is_lifetime(given)
        rows = read_rows(given.get("data"), BATCH_LIMIT[system.donor])
        held = dict(self.statuses[system.number])
        answers: list[str] = []
        last: datetime | None = None
        refused: Refused | None = None
        for row in rows:
            fields = dict(zip(["d", "t", *_VALUES], row.split(","), strict=False))
            if not fields.get("v1") or row.count(",") > len(_VALUES) + 1:
                raise bad(f"Invalid data format [{row}]", is_breach=True)
            if not system.donor and any(fields.get(name) for name in _EXTENDED):
                raise Refused(403, "Donation Mode", is_breach=True)
            try:
                moment, status = self._read(system, fields, is_lifetime, held)
            except Refused as error:
                if error.is_breach:
                    raise
                refused = refused or error
                answers.append(f"{fields['d']},{fields['t']},0")
                if self.quirks.kept is not Kept.THE_OTHERS:
                    break
                continue
            is_taken = self._take(held, moment, status)
            last = moment if is_taken else last
            answers.append(f"{moment:%Y%m%d,%H:%M},{int(is_taken)}")
        if refused and (last is None or self.quirks.kept is Kept.NOTHING):
            raise refused
        self.statuses[system.number] = held
        if last is not None:
            self._write_output(system, last)
        if refused and self.quirks.kept is Kept.THOSE_BEFORE:
            raise refused
        if last is None:
            raise bad("No statuses added or updated")
        return ";".join(answers)

    def _read(
        self, system: System, given: Mapping[str, str], is_lifetime: bool, held: Mapping[datetime, Status]
    ) -> tuple[datetime, Status]:
        """The time as it is kept, and what is kept for it. Raises Refused."""
        day, sent, size = read_date(given.get("d", "")), read_time(given.get("t", "")), system.size_w
        if day is None:
            raise bad(f"Invalid Date [{given.get('d', '')}]", is_breach=True)
        if sent is None:
            raise bad(f"Invalid Time [{given.get('t', '')}]", is_breach=True)
        now, moment = self._now(system), datetime.combine(day, sent)
        if moment > now + timedelta(minutes=system.interval_min):
            raise bad(f"Date is in the future [{given['d']}]")
        if now.date() - day > timedelta(DAYS_BACK[system.donor]):
            raise bad(f"Date is older than {DAYS_BACK[system.donor]} days [{given['d']}]")
        energy, power, used, consumed = (read_whole(given, name) for name in _VALUES[:4])
        if (energy, power, used, consumed) == (None, None, None, None):
            raise bad("Missing energy and power values", is_breach=True)
        if energy is not None and not is_lifetime:
            if energy > 12 * size:
                raise bad(f"Energy value [{energy}] too high for system size [{size}]")
            minutes = sent.hour * 60 + sent.minute - 360
            if 0 <= minutes < 120 and energy > size * (1 + minutes / 40):
                raise bad(f"Energy value [{energy}] too high for [{given['t']}]")
        if power is not None:
            if power > 1.5 * size:
                raise bad(f"Power value [{power}] too high for system size [{size}]")
            is_light = system.light[0] <= sent < system.light[1]
            if not is_light and (power > 0 or self.quirks.zero_is_moon_powered):
                raise bad("Moon Powered")
        moment = rounded(moment, system.interval_min)
        if self.quirks.must_rise and energy is not None:
            before = [one.energy_wh or 0 for at, one in held.items() if at.date() == moment.date() and at < moment]
            if before and energy < max(before):
                raise bad(f"Energy value [{energy}] lower than previously recorded value: [{max(before)}]")
        measured = read_decimal(given, "v5"), read_decimal(given, "v6")
        return moment, Status(energy, power, used, consumed, *measured, is_lifetime=is_lifetime)

    def _take(self, held: dict[datetime, Status], moment: datetime, status: Status) -> bool:
        """Whether it counts as added or updated."""
        if moment in held and self.quirks.keeps_old:
            return self.quirks.same_counts
        is_new = held.get(moment) != status
        held[moment] = status
        return is_new or self.quirks.same_counts

    def _write_output(self, system: System, last: datetime) -> None:
        statuses = _of_day(self.statuses[system.number], last.date())
        known = {moment: one.energy_wh for moment, one in statuses.items() if one.energy_wh is not None}
        if not known:
            return
        chosen = last if self.quirks.output_is_last_sent and last in known else max(known)
        peak = max(statuses, key=lambda moment: statuses[moment].power_w or 0)
        output = Output(known[chosen], statuses[peak].power_w, f"{peak:%H:%M}")
        self.outputs[system.number][last.date()] = output

    def _add_output(self, system: System, given: Mapping[str, str]) -> str:
        if "data" in given:
            rows = read_rows(given["data"], OUTPUTS_LIMIT[system.donor])
            fields = [dict(zip(_OUTPUT, row.split(","), strict=False)) for row in rows]
        else:
            fields = [dict(given)]
        outputs = dict(self.outputs[system.number])
        try:
            for one in fields:
                self._read_output(system, one, outputs)
        except Refused as refused:
            if refused.is_breach or not self.quirks.false_success:
                raise
        else:
            self.outputs[system.number] = outputs
        return "OK 200: Added Output"

    def _read_output(self, system: System, given: Mapping[str, str], outputs: dict[date, Output]) -> None:
        text, size = given.get("d", ""), system.size_w
        day = read_date(text)
        if day is None:
            raise bad(f"Date [{text}] invalid", is_breach=True)
        if day.year < 2000:
            raise bad(f"Date [{text}] too old")
        if day > self._now(system).date():
            raise bad(f"Date [{text}] too new")
        energy, peak, peak_time = read_whole(given, "g"), read_whole(given, "pp"), given.get("pt", "")
        if energy is None and day not in outputs:
            raise bad("Missing required generation field [g]", is_breach=True)
        if energy is not None and energy > 12 * size:
            raise bad(f"Generation [{as_java(energy)}] too high for system size [{size}] on {text}")
        if peak is not None and peak > 1.5 * size:
            raise bad(f"Peak power [{peak}] too high for system size [{size}] on {text}")
        if peak_time and read_time(peak_time) is None:
            raise bad(f"Peak time [{peak_time}] invalid on {text}", is_breach=True)
        old = outputs.get(day, Output(0))
        outputs[day] = Output(
            old.energy_wh if energy is None else energy,
            old.peak_w if peak is None else peak,
            peak_time or old.peak_time,
        )

    def _delete_status(self, system: System, given: Mapping[str, str]) -> str:
        day, sent = read_date(given.get("d", "")), read_time(given.get("t", ""))
        if day is None or (sent is None and given.get("t")):
            raise bad("Date is required" if day is None else f"Invalid Time [{given['t']}]", is_breach=True)
        if not timedelta() <= self._now(system).date() - day <= timedelta(1):
            raise bad(f"Date [{given['d']}] too {'new' if day > self._now(system).date() else 'old'}", is_breach=True)
        held = self.statuses[system.number]
        gone = [at for at in held if at.date() == day and sent in {None, at.time()}]
        if not gone:
            raise bad("Status not found")
        for moment in gone:
            del held[moment]
        return "OK 200: Deleted Status"

    def _get_status(self, system: System, given: Mapping[str, str]) -> str:
        day, sent = read_date(given.get("d", "")), read_time(given.get("t", ""))
        if (day is None and given.get("d")) or (sent is None and given.get("t")):
            raise bad(f"Invalid Date [{given.get('d', '')}]", is_breach=True)
        if given.get("stats", "0") == "1":
            raise bad("stats are not simulated", is_breach=True)
        today = self._now(system).date()
        days = [day] if day else [today - timedelta(back) for back in range(8)]
        found = {at: one for day in days for at, one in _of_day(self.statuses[system.number], day).items()}
        if given.get("h", "0") == "1":
            return self._history(system, given, found)
        if sent is not None:
            found = {at: one for at, one in found.items() if at.time() == sent}
        if not found:
            raise bad("No status found")
        at = max(found)
        one = found[at]
        normal = one.power_w / system.size_w if one.power_w else None
        values = [*numbers(one.energy_wh, one.power_w, one.used_wh, one.used_w), decimals(normal, 3)]
        return ",".join([f"{at:%Y%m%d,%H:%M}", *values, decimals(one.temperature_c, 1), decimals(one.voltage_v, 1)])

    def _history(self, system: System, given: Mapping[str, str], found: Mapping[datetime, Status]) -> str:
        first, final = read_time(given.get("from", "")) or time.min, read_time(given.get("to", "")) or time.max
        limit = read_whole(given, "limit") or 30
        if limit > HISTORY_LIMIT:
            self.breaches[f"getstatus.jsp has a limit of {HISTORY_LIMIT}"] += 1
        rows: list[str] = []
        before: tuple[datetime, int] | None = None
        for at, one in sorted(found.items()):
            energy, power = one.energy_wh or 0, one.power_w or 0
            average = power
            if before is not None and before[0].date() == at.date():
                average = round((energy - before[1]) * 3600 / (at - before[0]).total_seconds())
            before = at, energy
            values = [str(energy), decimals(energy / system.size_w, 3), *numbers(one.power_w, average)]
            values += [decimals(power / system.size_w, 3), *numbers(one.used_wh, one.used_w)]
            values += [decimals(one.temperature_c, 1), decimals(one.voltage_v, 1)]
            if first <= at.time() <= final:
                rows.append(",".join([f"{at:%Y%m%d,%H:%M}", *values]))
        if not rows:
            raise bad("No status found")
        return ";".join((rows if given.get("asc", "0") == "1" else rows[::-1])[: min(limit, HISTORY_LIMIT)])

    def _get_system(self, system: System, given: Mapping[str, str]) -> str:
        panels = f"{system.size_w // 400},400,Panel,1,{system.size_w},Inverter,S,30.0,No,20200101,52.0,5.0"
        answer = f"{system.name},{system.size_w},1000,{panels},{system.interval_min};"
        return f"{answer};{int(system.donor)}" if given.get("donations", "0") == "1" else answer

    def _get_output(self, system: System, given: Mapping[str, str]) -> str:
        first, final = read_date(given.get("df", "")) or date.min, read_date(given.get("dt", "")) or date.max
        rows: list[str] = []
        for day, one in sorted(self.outputs[system.number].items(), reverse=True):
            if first <= day <= final:
                values = [str(one.energy_wh), decimals(one.energy_wh / system.size_w, 3), "0", "0"]
                values += [*numbers(one.peak_w), one.peak_time or "NaN", "Not Sure", *["NaN"] * 6]
                rows.append(",".join([f"{day:%Y%m%d}", *values]))
        if not rows:
            raise bad("No outputs found")
        return ";".join(rows[: read_whole(given, "limit") or 50])

    def _now(self, system: System) -> datetime:
        return datetime.fromtimestamp(self.clock(), system.zone).replace(tzinfo=None)


def _is_lifetime(given: Mapping[str, str]) -> bool:
    cumulative, net = given.get("c1", "0"), given.get("n", "0")
    if net != "0":
        raise bad("Invalid net and cumulative" if cumulative != "0" else "net is not simulated", is_breach=True)
    if cumulative not in {"0", "1", "2", "3"}:
        raise bad("Could not read [c1]", is_breach=True)
    return cumulative in {"1", "2"}


def _of_day(held: Mapping[datetime, Status], day: date) -> dict[datetime, Status]:
    """In the order of time, lifetimes turned into the energy of the day so far."""
    found = {moment: held[moment] for moment in sorted(held) if moment.date() == day}
    start = next((one.energy_wh for one in found.values() if one.is_lifetime and one.energy_wh is not None), 0)
    return {
        moment: replace(one, energy_wh=one.energy_wh - start) if one.is_lifetime and one.energy_wh is not None else one
        for moment, one in found.items()
    }
