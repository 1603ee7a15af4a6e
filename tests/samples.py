"""Records as a gateway could send them, for all tests beyond the protocol's own.

Frames are composed by `collector.protocol.upload.encode`, which has its tests in `tests/protocol`. Ids and figures
belong to no real installation.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from collector.clock.stamps import BELIEVABLE_LEAD_S, NS, digits, parse, to_ns
from collector.config.model import Config
from collector.journal._purge import DAY_NS
from collector.journal.writing import Journal
from collector.protocol.blocks import Channel, Inverter, Output, Phase
from collector.protocol.fields import with_length
from collector.protocol.messages import read
from collector.protocol.upload import LateGroup, Upload, encode
from collector.record import Arrival, Record

ECU = "216000123456"
UID = "408000000001"
TIME = "20260621124000"
# The same moment where the clock shows summer time in Amsterdam.
TIME_UTC = "2026-06-21T10:40:00Z"


def known(figure: float | None) -> float:
    """A figure that must not be absent."""
    assert figure is not None
    return figure


def ns(instant: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time."""
    return to_ns(datetime.fromisoformat(instant))


def yc600(
    uid: str = UID,
    *,
    watts: Sequence[float] = (24.0, 23.0),
    wh: Sequence[float] = (2.041, 1.995),
    ac_power_w: float | None = 45.12,
) -> Inverter:
    """Two channels; the energy is the sum of theirs."""
    channels = tuple(
        Channel(number, watt, 34.0 + number / 10, 0.7, energy)
        for number, (watt, energy) in enumerate(zip(watts, wh, strict=True), 1)
    )
    return Inverter(
        uid=uid,
        model="YC600",
        channels=channels,
        energy_wh=round(sum(wh), 3),
        grid_voltage_v=231,
        grid_frequency_hz=49.9,
        temperature_c=42,
        ac_power_w=ac_power_w,
        reactive_power_var=1.5,
        ac_energy_wh=3.76,
    )


def qs1(uid: str = "806000000202") -> Inverter:
    """Four channels."""
    return Inverter(
        uid=uid,
        model="QS1",
        channels=(
            Channel(1, 29.0, 31.0, 1.0, 2.309),
            Channel(2, 38.0, 34.2, 1.2, 3.07),
            Channel(3, 45.0, 33.4, 1.4, 3.569),
            Channel(4, 43.0, 32.9, 1.4, 3.437),
        ),
        energy_wh=12.385,
        grid_voltage_v=228,
        grid_frequency_hz=50.0,
        temperature_c=15,
        ac_power_w=145.7,
        reactive_power_var=1.2,
        ac_energy_wh=12.345,
    )


def yc500(uid: str = "403000000404") -> Inverter:
    """Two channels with flags; what counts is the AC energy."""
    return Inverter(
        uid=uid,
        model="YC500",
        channels=(Channel(1, 120.0, 32.2, 3.8, 10.0), Channel(2, 118.0, 32.1, 3.7, 9.834)),
        energy_wh=18.643,
        grid_voltage_v=220,
        grid_frequency_hz=50.1,
        temperature_c=38,
        ac_power_w=223.72,
        reactive_power_var=0,
        ac_energy_wh=18.643,
        status=1 + 128,
    )


def yc250(uid: str = "102000000505") -> Inverter:
    """One channel with flags, on a cold morning; what counts is the AC energy."""
    return Inverter(
        uid=uid,
        model="YC250",
        channels=(Channel(1, 120.0, 32.7, 3.7, 10.0),),
        energy_wh=9.4,
        grid_voltage_v=229,
        grid_frequency_hz=50.0,
        temperature_c=-5,
        ac_power_w=112.8,
        reactive_power_var=0.07,
        ac_energy_wh=9.4,
        status=2 + 512,
    )


def yc1000(uid: str = "502000000303") -> Inverter:
    """Four channels at one voltage, the first three of which have an AC phase."""
    return Inverter(
        uid=uid,
        model="YC1000",
        channels=(
            Channel(1, 246.0, 36.2, 6.8, 20.5),
            Channel(2, 241.0, 36.2, 6.7, 20.166),
            Channel(3, 238.0, 36.2, 6.6, 19.916),
            Channel(4, 123.0, 36.2, 3.4, 10.25),
        ),
        energy_wh=70.832,
        grid_voltage_v=231.0,
        grid_frequency_hz=50.0,
        temperature_c=47,
        ac_power_w=797.4,
        reactive_power_var=0.6,
        ac_energy_wh=66.585,
        phases=(
            Phase(1, 231, 265.7, 0.1, 22.194),
            Phase(2, 230, 265.8, 0.2, 22.195),
            Phase(3, 232, 265.9, 0.3, 22.196),
        ),
    )


def optimizer(uid: str = "601000000707") -> Inverter:
    """Two PV inputs and an output of its own."""
    return Inverter(
        uid=uid,
        model="OPT",
        channels=(Channel(1, 113.82, 27.1, 4.2, 9.485), Channel(2, 110.28, 26.9, 4.1, 9.19)),
        energy_wh=18.675,
        temperature_c=41,
        output=Output(48.4, 4.5, 217.8, 18.15),
    )


def frame(
    time: str,
    *inverters: Inverter,
    ecu: str = ECU,
    version: int = 18,
    system: str = "AAAA",
    lifetime_kwh: float | None = 12345.6,
    late: tuple[LateGroup, ...] = (),
    broken: Sequence[str] = (),
) -> bytes:
    """A record without its line feed; `broken` are blocks that nobody can read, without their END."""
    upload = Upload(
        version=version,
        ecu=ecu,
        time=time,
        inverters=inverters,
        power_w=round(sum(known(inverter.dc_power_w) for inverter in inverters), 3),
        lifetime_kwh=lifetime_kwh,
        late=late,
    )
    text = encode(upload, system=system)
    return with_length(text + "".join(f"{block}END" for block in broken), "0").encode()


def fill_up(time: str, *late: LateGroup, ecu: str = ECU) -> bytes:
    """A message of late groups alone, with the year that the gateway puts into its key."""
    return encode(Upload(version=18, ecu=ecu, time=time, late=late, has_round=False), system="0002").encode()


def control(command: str, body: str, *, ecu: str = ECU) -> bytes:
    """A message of the control port, closed by its END."""
    return with_length(f"APS1300000{command}AAA0{ecu}{body}END", "0").encode()


def versions(version: str, *, ecu: str = ECU) -> bytes:
    """The report of the gateway's firmware, without inverters."""
    return control("A102", f"00{version}00020260621120000", ecu=ecu)


def arrival(raw: bytes, received_at: int, *, port: int = 8995) -> Arrival:
    """A frame as the server hands it to the journal."""
    return Arrival(received_at, port, "127.0.0.1", read(raw))


def stored(raw: bytes, received_at: int, *, identity: int = 1, newest: bool = False) -> Record:
    """A frame as it comes back from the journal."""
    message = read(raw)
    return Record(identity, received_at, message.kind, message.ecu, message.time, message.command, raw, newest)


def a_day_after(journal: Journal, at: int) -> int:
    """Let this machine's clock and a gateway show that a day has gone by since an instant (ns); returns the present."""
    now = at + DAY_NS
    with contextlib.closing(sqlite3.connect(journal.path)) as db, db:
        # A gateway's time stamp is certain to have come only that much later.
        db.execute("update ecu set newest_time = ?", (digits(now + int(BELIEVABLE_LEAD_S + 1) * NS),))
    return now


def purge_before(journal: Journal, before: int) -> None:
    """Purge what is older than an instant (ns)."""
    journal.purge(1, a_day_after(journal, before))


def day_times(day: date, *, first: str = "060000", last: str = "200000", minutes: int = 5) -> Iterator[str]:
    """The time stamps of a day's rounds."""
    instant, end = parse(f"{day:%Y%m%d}{first}"), parse(f"{day:%Y%m%d}{last}")
    while instant <= end:
        yield f"{instant:%Y%m%d%H%M%S}"
        instant += timedelta(minutes=minutes)


def config(path: Path = Path("data/journal.db"), **sections: object) -> Config:
    """A configuration with its journal at `path`; the site is in Amsterdam unless `sections` say otherwise."""
    values = {"site": {"name": "Home", "timezone": "Europe/Amsterdam"}, "journal": {"path": path}, **sections}
    return Config.model_validate(values)


def utc(text: str) -> datetime:
    """An RFC 3339 time as an aware datetime in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)
