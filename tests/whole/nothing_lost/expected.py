"""What InfluxDB has to hold of the frames that were acknowledged: computed from what they were built from, without
anything of the program.

Fields that the program adds beside those named here are not looked at, nor is `clock_skew_s`, which depends on the
instant of receipt. Energies are compared to a ten-thousandth of a watt-hour.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tests.whole.nothing_lost.wire import Frame, Reading

_OF_INVERTER = ("ecu", "inverter", "inverter_name", "model")
TAGS = {
    "ecu": ("ecu", "ecu_name"),
    "inverter": _OF_INVERTER,
    "channel": (*_OF_INVERTER, "channel", "panel", "array"),
    "phase": (*_OF_INVERTER, "phase"),
}
DAILY_TAGS = {f"{name}_day": tags for name, tags in TAGS.items() if name != "phase"}

_LEAST_DIFFERENCE = 1e-4
_SHOWN = 6

# A series at an instant (s since 1970), and its fields.
Key = tuple[str, tuple[str, ...], int]
Points = dict[Key, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides under which names and at which instants points stand; gateways without a zone have the site's."""

    site_zone: str
    zones: Mapping[str, str] = field(default_factory=dict)
    gateways: Mapping[str, str] = field(default_factory=dict)
    inverters: Mapping[str, str] = field(default_factory=dict)
    panels: Mapping[tuple[str, int], tuple[str, str, float]] = field(default_factory=dict)

    def zone(self, ecu: str) -> str:
        """The zone of a gateway's clock."""
        return self.zones.get(ecu, self.site_zone)

    def instant(self, ecu: str, time: str) -> int:
        """Of a time stamp, in s since 1970. In the hour that autumn repeats it is the later one, for everything here
        comes days after it was measured.
        """
        local = datetime.strptime(time, "%Y%m%d%H%M%S").replace(tzinfo=ZoneInfo(self.zone(ecu)), fold=1)
        # Hours that spring leaves out are never sent, so that nothing else has a second meaning.
        return round(local.timestamp())

    def toml(self) -> str:
        """The tables of a configuration."""
        lines = ["[site]", 'name = "Home"', f'timezone = "{self.site_zone}"']
        for ecu in sorted({*self.zones, *self.gateways}):
            lines += ["[[ecu]]", f'id = "{ecu}"']
            lines += [f'name = "{self.gateways[ecu]}"'] if ecu in self.gateways else []
            lines += [f'timezone = "{self.zones[ecu]}"'] if ecu in self.zones else []
        for uid in sorted({*self.inverters, *(uid for uid, _ in self.panels)}):
            lines += ["[[inverter]]", f'id = "{uid}"']
            lines += [f'name = "{self.inverters[uid]}"'] if uid in self.inverters else []
            panels = [
                f'{{ channel = {channel}, name = "{name}", array = "{array}", peak_w = {peak_w} }}'
                for (owner, channel), (name, array, peak_w) in sorted(self.panels.items())
                if owner == uid
            ]
            lines += [f"panels = [{', '.join(panels)}]"] if panels else []
        return "\n".join(lines) + "\n"


def points_of(frame: Frame, settings: Settings) -> Points:
    """The points of one frame."""
    found: Points = {}
    name = settings.gateways.get(frame.ecu, frame.ecu)
    if frame.own is not None:
        time, readings = frame.own
        at = settings.instant(frame.ecu, time)
        found["ecu", (frame.ecu, name), at] = {
            "power_w": sum(reading.dc_w for reading in readings),
            "energy_wh": sum(sum(reading.mwh) for reading in readings) / 1000,
            "lifetime_kwh": frame.lifetime_tenths / 10,
            "inverters_reporting": len(readings),
        }
    for time, readings in [*([frame.own] if frame.own else []), *frame.late]:
        for reading in readings:
            found |= _of_reading(frame.ecu, name, settings, settings.instant(frame.ecu, time), reading)
    return found


def _of_reading(ecu: str, ecu_name: str, settings: Settings, at: int, reading: Reading) -> Points:
    device = reading.device
    tags = (ecu, device.uid, settings.inverters.get(device.uid, device.uid), device.model)
    found: Points = {
        ("inverter", tags, at): {
            "dc_power_w": reading.dc_w,
            "ac_power_w": sum(reading.ac_hundredths) / 100,
            "reactive_power_var": reading.hundredths_of_var * len(reading.volts) / 100,
            "energy_wh": sum(reading.mwh) / 1000,
            "grid_voltage_v": sum(reading.volts) / len(reading.volts),
            "grid_frequency_hz": 50.0,
            "temperature_c": reading.celsius,
        }
    }
    dc = zip(reading.watts, reading.tenths_of_ampere, reading.mwh, strict=True)
    for number, (watts, tenths, mwh) in enumerate(dc, 1):
        values = {"power_w": watts, "voltage_v": reading.dc_volts, "current_a": tenths / 10, "energy_wh": mwh / 1000}
        panel, array = f"{device.uid}-{number}", ecu_name
        if (device.uid, number) in settings.panels:
            panel, array, values["peak_w"] = settings.panels[device.uid, number]
        found["channel", (*tags, str(number), panel, array), at] = values
    if len(reading.volts) > 1:
        ac = zip(reading.volts, reading.ac_hundredths, reading.ac_mwh, strict=True)
        for number, (volts, power, mwh) in enumerate(ac, 1):
            found["phase", (*tags, str(number)), at] = {
                "grid_voltage_v": volts,
                "ac_power_w": power / 100,
                "reactive_power_var": reading.hundredths_of_var / 100,
                "energy_wh": mwh / 1000,
            }
    return found


def raw_points(frames: Iterable[Frame], settings: Settings) -> Points:
    """The points of all frames in the order of their arrival: of two with the same series and time the later counts."""
    merged: Points = defaultdict(dict)
    for frame in frames:
        for key, fields in points_of(frame, settings).items():
            merged[key] |= fields
    return dict(merged)


def daily_points(raw: Points, settings: Settings) -> Points:
    """The roll-ups of these points, which have each gateway, inverter and panel under one name."""
    days: dict[tuple[str, int], Points] = defaultdict(dict)
    for (name, tags, at), fields in raw.items():
        begin = _midnight(at, settings.zone(tags[0]))
        days[tags[0], begin][name, tags, at] = fields
    found: Points = {}
    for (ecu, begin), points in days.items():
        own = _inverters(points, begin)
        sums = [fields["energy_wh"] for (name, _, _), fields in own.items() if name == "inverter_day"]
        gateway = {"energy_wh": sum(sums), "inverters": float(len(sums))} | _rounds(points, begin)
        found |= own | {("ecu_day", (ecu, settings.gateways.get(ecu, ecu)), begin): gateway}
    return found


def _midnight(at: int, zone: str) -> int:
    """The instant at which the local day of an instant begins."""
    day = datetime.fromtimestamp(at, ZoneInfo(zone)).date()
    return round(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp())


def _series(points: Points, wanted: str) -> dict[tuple[str, ...], list[dict[str, float]]]:
    """The fields of each series of a measurement, in the order of their times."""
    found: dict[tuple[str, ...], list[dict[str, float]]] = defaultdict(list)
    for (name, tags, _), fields in sorted(points.items(), key=lambda item: item[0][2]):
        if name == wanted:
            found[tags].append(fields)
    return found


def _rounds(points: Points, begin: int) -> dict[str, float]:
    """What only the rounds of a gateway tell of its day."""
    at = sorted(at for name, _, at in points if name == "ecu")
    values = [fields for fields_of in _series(points, "ecu").values() for fields in fields_of]
    if not values:
        return {}
    return {
        "peak_power_w": max(fields["power_w"] for fields in values),
        "records": len(values),
        "first_s": at[0] - begin,
        "last_s": at[-1] - begin,
        "lifetime_kwh": values[-1]["lifetime_kwh"],
    }


def _inverters(points: Points, begin: int) -> Points:
    """The day of each inverter and channel of a gateway."""
    rounds = len({at for name, _, at in points if name == "ecu"})
    phases = _series(points, "phase")
    found: Points = {}
    for tags, values in _series(points, "inverter").items():
        of_phases = [fields for series, some in phases.items() if series[: len(tags)] == tags for fields in some]
        volts = [fields["grid_voltage_v"] for fields in of_phases or values]
        found["inverter_day", tags, begin] = {
            "energy_wh": sum(fields["energy_wh"] for fields in values),
            "peak_power_w": max(fields["dc_power_w"] for fields in values),
            "records": len(values),
            "temperature_max_c": max(fields["temperature_c"] for fields in values),
            "grid_voltage_max_v": max(volts),
            "grid_voltage_min_v": min(volts),
        } | ({"rounds": rounds} if rounds else {})
    for tags, values in _series(points, "channel").items():
        found["channel_day", tags, begin] = {
            "energy_wh": sum(fields["energy_wh"] for fields in values),
            "peak_power_w": max(fields["power_w"] for fields in values),
        } | {name: values[-1][name] for name in ("peak_w",) if name in values[-1]}
    return found


def from_rows(rows: Iterable[Mapping[str, str]], tags: Mapping[str, Sequence[str]]) -> Points:
    """What a query found, of the measurements in `tags`."""
    found: Points = defaultdict(dict)
    for row in rows:
        name = row["_measurement"]
        if name in tags:
            at = round(datetime.fromisoformat(row["_time"]).astimezone(UTC).timestamp())
            found[name, tuple(row[tag] for tag in tags[name]), at][row["_field"]] = float(row["_value"])
    return dict(found)


def differences(expected: Points, found: Points) -> list[str]:
    """Everything that is missing, too much or another value; a line each, and only the first few of a kind."""
    missing = [f"missing {_shown(key)}" for key in sorted(expected.keys() - found.keys())]
    surplus = [f"too much {_shown(key)}" for key in sorted(found.keys() - expected.keys())]
    wrong = [
        f"{_shown(key)} {name}: {found[key].get(name)} instead of {value}"
        for key in sorted(expected.keys() & found.keys())
        for name, value in expected[key].items()
        if name not in found[key] or abs(found[key][name] - value) > _LEAST_DIFFERENCE
    ]
    return [*_first(missing), *_first(surplus), *_first(wrong)]


def _first(lines: list[str]) -> list[str]:
    more = len(lines) - _SHOWN
    return lines if more <= 0 else [*lines[:_SHOWN], f"... and {more} more like the last"]


def _shown(key: Key) -> str:
    name, tags, at = key
    return f"{name} {','.join(tags)} at {datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
