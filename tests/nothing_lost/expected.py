"""What InfluxDB has to hold of the frames that were acknowledged: computed from what they were built from, without the
program's decoder, its SCHEMA or its roll-ups.

Fields that the program adds beside those named here are not looked at, nor is `clock_skew_s`, which depends on the
instant of receipt. Energies are compared to a ten-thousandth of a watt-hour.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from collector.points import Point
from tests.nothing_lost.wire import Frame, Reading
from tests.rolling import added_up

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
    """The roll-ups of these points."""
    points = [Point(name, tags, fields, at * 10**9) for (name, tags, at), fields in raw.items()]
    found: Points = {}
    for (name, tags, at), fields in added_up(points, settings.zone).items():
        own = tags
        if name == "ecu_day":
            # `added_up` does not know the name of a gateway that has nothing but late groups on a day.
            own = (tags[0], settings.gateways.get(tags[0], tags[0]))
        found[name, own, at // 10**9] = dict(fields)
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
