"""A made-up owner's data for the boards' tests: three sites in three zones, with all kinds of inverters and faults.

Promises: the same data on every run, up to a fixed `NOW` on a Saturday noon; everything has been a frame of a gateway
and was decoded from it, so it is what a collector would have written.

What there is to find, in Amsterdam's time where nothing else is said:

- "Roof" (Europe/Amsterdam): since 2023. Arrays South and West, all panels with a peak power. South 3 is dead since
  2026-03-30, South 4 has a shadow after 14:00; Roof 2 is silent since three hours before `NOW`; Roof 3 saw more than
  253 V on 2026-04-02 from 12:30 to 13:30; Roof 1 was not heard at noon of 2026-04-01 and its data came later. The
  records of the afternoon of 2026-03-25 came in the evening. On the days of `DENSE` it also reports by night, among
  them both 02:30 of 2025-10-26 and the last minutes of days.
- "Barn (A/B)" (Etc/GMT-1): since 2024-07-01. A three-phase inverter with the panels of array Barn/North, of which only
  two have a peak power; an inverter without any name that misses every third round; since 2026-03-26 a third one, which
  counts AC energy and has flags: it was off the grid on 2026-04-03 from 12:00 to 13:00. There is nothing of 2026-03-21.
  Before `AC_SINCE` an older collector wrote its data, which told no AC energy, and they were not written again.
- "Shed" (Europe/London): since 2026-03-20, two panels on an optimizer, which tells no AC; its last record is 47 minutes
  before `NOW`.

The roofs lose a hundredth of their power a year. On most days there are two rounds, on the days of `DENSE` one each
half hour, on the last two days one each five minutes.
"""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from collector.clock import stamps
from collector.clock.sun import Place
from collector.config.model import Config
from collector.config.model import Inverter as ConfiguredInverter
from collector.config.names import Names
from collector.points.decoding import decode
from collector.points.figures import Figures as Report
from collector.points.schema import Point
from collector.protocol.blocks import Channel, Inverter, Output
from collector.protocol.upload import LateGroup
from collector.record import Record
from collector.service._report import report_point
from tests.boards.figures import day_points
from tests.samples import config, control, frame, known, optimizer, qs1, stored, versions, yc500, yc600, yc1000

NOW = datetime(2026, 4, 4, 10, 2, tzinfo=UTC)
AMSTERDAM = ZoneInfo("Europe/Amsterdam")

ROOF, BARN, SHED = "216000000001", "216000000002", "215000000003"
ROOF_1, ROOF_2, ROOF_3 = "408000000001", "408000000002", "806000000003"
BARN_1, NAMELESS, BARN_3 = "502000000004", "408000000005", "403000000006"
SHED_1 = "601000000007"

# A name with all that can go wrong in a query or a link.
ODD_PANEL = 'West "a/b" 1.5+ $2'

ZONES = {ROOF: AMSTERDAM, BARN: ZoneInfo("Etc/GMT-1"), SHED: ZoneInfo("Europe/London")}
INSTALLED = {ROOF: date(2023, 1, 1), BARN: date(2024, 7, 1), SHED: date(2026, 3, 20)}

_DAY = timedelta(days=1)
_TODAY = NOW.astimezone(AMSTERDAM).date()
_LATELY = {_TODAY - age * _DAY for age in range(14)}
DENSE = frozenset(
    {
        *_LATELY,
        date(2024, 4, 4),
        date(2025, 4, 4),
        *(date(2025, 10, number) for number in (25, 26, 27)),
        date(2025, 12, 31),
        date(2026, 1, 1),
    }
)
DEAD_SINCE = date(2026, 3, 30)
SHADOW_FROM_H = 14

# The barn's points tell their AC energy since this midnight of its own.
AC_SINCE = datetime(2025, 11, 1, tzinfo=ZONES[BARN])

# No record of this gateway's on this day.
LOST_DAY = (BARN, date(2026, 3, 21))

_SEED = 20260404
_DAWN_H, _DUSK_H = 6.0, 20.0
_STEP_MIN, _LIVE_STEP_MIN, _SPARSE_STEP_MIN = 30, 5, 120
_WEATHER = (1.0, 1.0, 0.6, 0.25)
_AGING_A_YEAR = 0.01
_SHADED = 0.4
_PLACE = Place(52.09, 5.12)


@dataclass(frozen=True, slots=True)
class _Device:
    """An inverter, the peak power that its panels really have, and what a record of it looks like."""

    sample: Inverter
    peaks_w: tuple[float, ...]
    since: date = date(2023, 1, 1)


_DEVICES: Mapping[str, Sequence[_Device]] = {
    ROOF: (
        _Device(yc600(ROOF_1), (400, 400)),
        _Device(yc600(ROOF_2), (400, 400)),
        _Device(qs1(ROOF_3), (350, 350, 350, 350)),
    ),
    BARN: (
        _Device(yc1000(BARN_1), (300, 300, 300, 300)),
        _Device(yc600(NAMELESS), (280, 280)),
        _Device(yc500(BARN_3), (250, 250), date(2026, 3, 26)),
    ),
    SHED: (_Device(optimizer(SHED_1), (500, 500)),),
}


def site_config() -> Config:
    """How the owner has named it all; no panel has a place."""

    def panels(array: str, peak_w: float | None, *names: str, first: int = 1) -> list[dict[str, object]]:
        size = {"peak_w": peak_w} if peak_w else {}
        return [{"channel": number, "name": name, "array": array, **size} for number, name in enumerate(names, first)]

    north = [
        *panels("Barn/North", 300, "North 1", "North 2"),
        *panels("Barn/North", None, "North 3", "North 4", first=3),
    ]
    return config(
        ecu=[
            {"id": ROOF, "name": "Roof"},
            {"id": BARN, "name": "Barn (A/B)", "timezone": "Etc/GMT-1"},
            {"id": SHED, "name": "Shed", "timezone": "Europe/London"},
        ],
        inverter=[
            {"id": ROOF_1, "name": "Roof 1", "panels": panels("South", 400, "South 1", "South 2")},
            {"id": ROOF_2, "name": "Roof 2", "panels": panels("South", 400, "South 3", "South 4")},
            {"id": ROOF_3, "name": "Roof 3", "panels": panels("West", 350, "West 1", "West 2", ODD_PANEL, "West 10")},
            {"id": BARN_1, "name": "Barn 1", "panels": north},
            {"id": BARN_3, "name": "Barn 3", "panels": panels("Barn/East", 250, "East 1", "East 2")},
            {"id": SHED_1, "name": "Shed 1", "panels": panels("Shed", 500, "Shed 1", "Shed 2")},
        ],
    )


def placed_inverters() -> list[ConfiguredInverter]:
    """The inverters that have names, with a row for each in one plan of the roofs."""
    return [
        inverter.model_copy(
            update={
                "panels": tuple(
                    one.model_copy(update={"row": row, "column": column})
                    for column, one in enumerate(inverter.panels, 1)
                )
            }
        )
        for row, inverter in enumerate(site_config().inverter, 1)
    ]


@cache
def mixed_points() -> tuple[Point, ...]:
    """All that a collector has written to its first bucket."""
    names = Names(site_config())
    seen: dict[tuple[str, str, str], int] = {}
    points: list[Point] = []
    for record in sorted(_records(), key=lambda record: record.received_at):
        decoded = decode(record, names, seen)
        assert decoded.points, f"{record.raw!r} gives no points: {decoded.problems} {decoded.unreadable}"
        seen |= dict.fromkeys(decoded.novelties, record.id)
        points += decoded.points
    return (*map(_as_written, points), *_reports())


def _as_written(point: Point) -> Point:
    if point.measurement not in ("ecu", "inverter") or point.tags[0] != BARN or point.time >= stamps.to_ns(AC_SINCE):
        return point
    new = {"ac_energy_wh"} | ({"ac_power_w"} if point.measurement == "ecu" else set())
    return point._replace(fields={name: value for name, value in point.fields.items() if name not in new})


def rolled_up(points: Sequence[Point]) -> tuple[Point, ...]:
    """What a collector has written to its second bucket."""
    return tuple(day_points(points, ZONES))


def _records() -> Iterator[Record]:
    number = 0
    for ecu, zone in ZONES.items():
        for rounds, (local, minutes) in enumerate(_rounds(ecu)):
            if local.astimezone(UTC) > _last_record(ecu):
                break
            inverters = tuple(_inverters(ecu, local, minutes, rounds))
            number += 1
            raw = frame(
                f"{local:%Y%m%d%H%M%S}",
                *inverters,
                ecu=ecu,
                version=16 if ecu == SHED else 18,
                lifetime_kwh=None if ecu == SHED else 1000 + round((local.date() - INSTALLED[ecu]).days * 9.5, 1),
                late=_late(ecu, local, zone),
                broken=("1234",) if ecu == BARN and local.replace(tzinfo=None) == datetime(2026, 4, 1, 12, 0) else (),  # noqa: DTZ001
            )
            yield stored(raw, _received_at(ecu, local), identity=number, newest=True)
    for raw, at in _messages():
        number += 1
        yield stored(raw, stamps.to_ns(at), identity=number)


def _last_record(ecu: str) -> datetime:
    return NOW - timedelta(minutes=47) if ecu == SHED else NOW


def _rounds(ecu: str) -> Iterator[tuple[datetime, int]]:
    """When a gateway reports, in its own zone, and how many minutes each report is about."""
    zone = ZONES[ecu]
    local = INSTALLED[ecu]
    while local <= _TODAY:
        midnight = datetime(local.year, local.month, local.day, tzinfo=zone)
        if (ecu, local) == LOST_DAY:
            times = []
        elif local not in DENSE:
            times = [(hour * 60, _SPARSE_STEP_MIN) for hour in (11, 13)]
        else:
            step = _LIVE_STEP_MIN if local >= _TODAY - _DAY else _STEP_MIN
            times = [(minute, step) for minute in range(int(_DAWN_H * 60), int(_DUSK_H * 60) + 1, step)]
            if ecu == ROOF:
                times = [(0, 5), (150, 5), *times, (23 * 60 + 55, 5)]
        for minute, step in times:
            at = midnight.replace(hour=minute // 60, minute=minute % 60)
            again = at.replace(fold=1)
            # In spring an hour is left out: the time that is asked for comes back as another.
            if at.astimezone(UTC).astimezone(zone).hour == at.hour:
                yield at, step
                if again.utcoffset() != at.utcoffset():
                    yield again, step
        local += _DAY


def _received_at(ecu: str, local: datetime) -> int:
    at = local.astimezone(UTC) + timedelta(seconds=400 if ecu == BARN else 45)
    if ecu == ROOF and local.date() == date(2026, 3, 25) and 12 <= local.hour < 17:
        # In the order in which they were measured, a second apart.
        evening = local.replace(hour=18, minute=10, second=0).astimezone(UTC)
        at = evening + timedelta(seconds=(local.hour * 60 + local.minute) // 30)
    return stamps.to_ns(at)


def _late(ecu: str, local: datetime, zone: ZoneInfo) -> tuple[LateGroup, ...]:
    if ecu != ROOF or local.replace(tzinfo=None) != datetime(2026, 4, 1, 13, 0):  # noqa: DTZ001
        return ()
    noon = local.replace(hour=12)
    (missed,) = (one for one in _inverters(ecu, noon, _STEP_MIN, 0, all_heard=True) if one.uid == ROOF_1)
    return (LateGroup(f"{noon.astimezone(zone):%Y%m%d%H%M%S}", (missed,)),)


def _inverters(ecu: str, local: datetime, minutes: int, rounds: int, *, all_heard: bool = False) -> Iterator[Inverter]:
    chance = random.Random(f"{_SEED} {ecu} {local.astimezone(UTC)}")  # noqa: S311 (weather, not secrets)
    for device in _DEVICES[ecu]:
        uid = device.sample.uid
        light = [_light(uid, channel, local) * chance.uniform(0.98, 1) for channel in range(len(device.peaks_w))]
        watts = [float(round(peak_w * share)) for peak_w, share in zip(device.peaks_w, light, strict=True)]
        volts = 226 + round(8 * max(light)) + chance.randint(0, 3)
        if local.date() < device.since or (not all_heard and _is_missed(uid, local, rounds)):
            continue
        if _is_high(uid, local):
            volts = 254
        yield _measured(device.sample, watts, minutes, volts, max(light), is_off=_is_off(uid, local))


def _light(uid: str, channel: int, local: datetime) -> float:
    """The share of its peak power that a panel gives: hour, season, weather, age and what is wrong with it."""
    if (uid, channel) == (ROOF_2, 0) and local.date() >= DEAD_SINCE:
        return 0.0
    hour = local.hour + local.minute / 60
    sun = math.sin(math.pi * (hour - _DAWN_H) / (_DUSK_H - _DAWN_H)) if _DAWN_H <= hour <= _DUSK_H else 0.0
    if sun <= 0:
        return 0.005 if hour < _DAWN_H or hour > _DUSK_H else 0.01
    season = 0.6 - 0.4 * math.cos(2 * math.pi * (local.timetuple().tm_yday + 10) / 365)
    weather = random.Random(f"{_SEED} {local.date()}").choice(_WEATHER)  # noqa: S311
    age = (local.year - INSTALLED[ROOF].year) * _AGING_A_YEAR
    spoilt = 1.0
    if (uid, channel) == (ROOF_2, 1) and local.hour >= SHADOW_FROM_H:
        spoilt = _SHADED
    return 0.9 * sun * season * weather * (1 - age) * spoilt


def _is_missed(uid: str, local: datetime, rounds: int) -> bool:
    if uid == NAMELESS:
        return rounds % 3 == 2
    if uid == ROOF_2:
        return local.astimezone(UTC) > NOW - timedelta(hours=3)
    return uid == ROOF_1 and local.date() == date(2026, 4, 1) and local.hour == 12


def _is_high(uid: str, local: datetime) -> bool:
    return uid == ROOF_3 and local.date() == date(2026, 4, 2) and 12.5 <= local.hour + local.minute / 60 <= 13.5


def _is_off(uid: str, local: datetime) -> bool:
    return uid == BARN_3 and local.date() == date(2026, 4, 3) and 12 <= local.hour < 13


def _measured(
    sample: Inverter, watts: Sequence[float], minutes: int, volts: float, light: float, *, is_off: bool
) -> Inverter:
    if is_off:
        watts = [0.0 for _ in watts]
    channels = tuple(
        Channel(one.number, watt, one.voltage_v, round(watt / (one.voltage_v or 1), 1), round(watt * minutes / 60, 3))
        for one, watt in zip(sample.channels, watts, strict=True)
    )
    dc_w, dc_wh = sum(watts), round(math.fsum(known(channel.energy_wh) for channel in channels), 3)
    ac_w, ac_wh = round(0.95 * dc_w, 2), round(0.95 * dc_wh, 3)
    celsius = round(8 + 50 * light)
    measured = sample._replace(channels=channels, energy_wh=dc_wh, temperature_c=celsius)
    if sample.output is not None:
        output = Output(sample.output.voltage_v, round(ac_w / known(sample.output.voltage_v), 1), ac_w, ac_wh)
        return measured._replace(output=output)
    measured = measured._replace(
        ac_power_w=ac_w,
        ac_energy_wh=ac_wh,
        grid_voltage_v=volts,
        grid_frequency_hz=50.0 if not is_off else 50.6,
    )
    if sample.status is not None:
        measured = measured._replace(energy_wh=ac_wh, status=5 if is_off else 0)
    if sample.phases:
        phases = tuple(
            phase._replace(
                grid_voltage_v=volts + phase.number - 2,
                ac_power_w=round(ac_w / 3, 1),
                energy_wh=round(ac_wh / 3, 3),
            )
            for phase in sample.phases
        )
        measured = measured._replace(phases=phases)
    return measured


def _messages() -> Iterator[tuple[bytes, datetime]]:
    """What came on the control port, and when."""
    yield versions("1.2.21E", ecu=ROOF), datetime(2026, 3, 24, 9, 0, tzinfo=UTC)
    yield versions("1.2.27E", ecu=ROOF), datetime(2026, 4, 2, 9, 0, tzinfo=UTC)
    yield control("A111", "000020260403120000", ecu=ROOF), datetime(2026, 4, 3, 9, 30, tzinfo=UTC)
    flags = f"{BARN_3}031000".ljust(41, "0")
    status = f"0001{datetime(2026, 4, 3, 12, 0):%Y%m%d%H%M%S}END{flags}"  # noqa: DTZ001
    yield control("A123", status, ecu=BARN), datetime(2026, 4, 3, 11, 2, tzinfo=UTC)


def _reports() -> Iterator[Point]:
    """The collector's words about itself: each quarter of an hour, and each minute of the last six hours.

    It started anew two hours before `NOW`.
    """
    frequent, started = NOW - timedelta(hours=6), NOW - timedelta(hours=2)
    at, start = NOW - timedelta(days=13), NOW - timedelta(days=13)
    while at <= NOW:
        if start < started <= at:
            start = started
        up_min = int((at - start).total_seconds()) // 60
        figures = Report(
            records_received=up_min // 2,
            records_acknowledged=up_min // 2,
            records_pending=3 if at.minute == 30 else 0,
            records_set_aside=1,
            write_errors=up_min // 600,
            connections=3,
            journal_bytes=50_000_000 + up_min * 1000,
            disk_free_bytes=20_000_000_000 - up_min * 1000,
            fsync_ms=4.0 + at.minute % 7,
        )
        yield report_point("Home", stamps.to_ns(at), figures, _PLACE)
        if at.minute == 0:
            for ecu in ZONES:
                yield Point("site", (ecu,), asdict(_PLACE), stamps.to_ns(at))
        at += timedelta(minutes=1 if at >= frequent else 15)
