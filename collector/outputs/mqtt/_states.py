"""The states of devices as JSON, whose names are a promise to everybody who reads them. Pure.

What is not known is null, and no power is ever told that is not of now: of what is silent it is null, and of a night 0.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo

from collector.clock.days import day_of, midnight
from collector.clock.stamps import from_ns
from collector.outputs.mqtt._latest import MISSED_ROUNDS, Gateway, Inverter, number

ON, OFF = "ON", "OFF"
_NONE: Mapping[int, str] = {}


@dataclass(frozen=True, slots=True)
class Light:
    """What is to be made of a device's silence: whether there is one, whether it is certainly dark, and whether it may
    be night. `problem` says what is wrong, empty where nothing is.
    """

    is_silent: bool = False
    is_dark: bool = False
    is_night: bool = False
    problem: str = ""

    @property
    def reporting(self) -> str:
        """Whether it reports, or need not at this hour."""
        return OFF if self.is_silent and not self.is_night else ON

    def power_w(self, power_w: float | None) -> float | None:
        """A power as it is now."""
        if not self.is_silent:
            return power_w
        return 0.0 if self.is_dark else None


@dataclass(frozen=True, slots=True)
class Energies:
    """What the ledger has of one device, in kWh; `places` are those of an inverter's inputs."""

    lifetime: float | None = None
    today: float | None = None
    places: Mapping[int, float] = field(default_factory=dict)


def of_gateway(gateway: Gateway, light: Light, energies: Energies, known: int, zone: tzinfo, now: int) -> bytes:
    """`known` is how many inverters it has; `today` is the day of `now` (ns) by its own clock."""
    return _json(
        {
            "time": _iso(gateway.at, zone),
            "power_w": light.power_w(gateway.power_w),
            "energy_kwh": energies.lifetime,
            "energy_today_kwh": energies.today,
            "midnight": midnight(day_of(now, zone), zone).astimezone(zone).isoformat(),
            "lifetime_kwh": gateway.lifetime_kwh,
            "inverters_reporting": 0 if light.is_silent else gateway.reporting,
            "inverters_known": known,
            "reporting": light.reporting,
            "problem": ON if light.problem else OFF,
            "problem_text": light.problem,
        }
    )


def of_inverter(
    inverter: Inverter, light: Light, energies: Energies, zone: tzinfo, problems: Mapping[int, str] = _NONE
) -> bytes:
    """An inverter with what is on its inputs, by their numbers; `problems` are of those that were analysed."""
    fields = {} if light.is_silent else inverter.fields
    return _json(
        {
            "time": _iso(inverter.at, zone),
            "ac_power_w": light.power_w(number(inverter.fields.get("ac_power_w"))),
            "energy_kwh": energies.lifetime,
            "temperature_c": fields.get("temperature_c"),
            "grid_voltage_v": fields.get("grid_voltage_v"),
            "grid_frequency_hz": fields.get("grid_frequency_hz"),
            "reporting": light.reporting,
            "panels": {
                str(channel): {**_of_panel(inverter, channel, light, energies), **_problem(problems.get(channel))}
                for channel in sorted({*inverter.channels, *energies.places})
            },
        }
    )


def _problem(text: str | None) -> dict[str, object]:
    return {} if text is None else {"problem": ON if text else OFF, "problem_text": text}


def _of_panel(inverter: Inverter, channel: int, light: Light, energies: Energies) -> dict[str, object]:
    measured = inverter.channels.get(channel, {})
    fields = {} if light.is_silent else measured
    return {
        "power_w": light.power_w(number(measured.get("power_w"))),
        "voltage_v": fields.get("voltage_v"),
        "current_a": fields.get("current_a"),
        "energy_kwh": energies.places.get(channel),
    }


def is_missing(inverter: Inverter, of_its_gateway: Light) -> bool:
    """Whether it is silent: with its gateway, or while that one goes on."""
    return of_its_gateway.is_silent or inverter.missed >= MISSED_ROUNDS


def _iso(at: int, zone: tzinfo) -> str | None:
    return from_ns(at).astimezone(zone).isoformat() if at else None


def _json(values: Mapping[str, object]) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
