"""The gateways' firmware as a table: what each generation sends, when, and what it makes of an answer.

A row is all that the device model knows of a generation (docs/protocol.md, 2 to 4 and 7). Where the wire does not tell
a build from its neighbours, one stands for all of them.
"""

from dataclasses import dataclass, replace
from enum import Enum


class Order(Enum):
    """In which order a backlog leaves."""

    NEWEST_DAY_FIRST = "newest day first, and within a day the oldest record"
    NEWEST_FIRST = "newest record first"
    DIRECTORY = "as the file system lists them"


class Reading(Enum):
    """How a reply on the control port is read, which decides what stray bytes do."""

    TO_THE_COUNT = "until as many bytes came as the reply says, then or at a timeout that is all"
    ONE_SEGMENT = "whatever one call returns"
    IN_FOURS = "four bytes at a time, until at least as many came as the reply says"


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmware:
    """One generation. Times are real seconds; hours are hours of the gateway's own clock."""

    name: str
    ecu_prefix: str
    inverter: str  # the model that such a gateway usually has behind it

    version: int
    system: str = "AAAA"
    sequence: str = "AAA1"
    length_pad: str = "0"
    hundredths: bool = False
    interval_energy: bool = True
    ac_energy: bool = False  # of inverters that measure no AC side
    more_flag: bool = False
    json: bool = False
    late_groups: bool = False
    late_rounds: bool = False
    fill_up: str = ""  # the system field of a fill-up message; empty where there is none

    per_record: bool = True
    empty_connections: bool = False
    wifi: bool = False
    answer_s: float = 10.0
    piece_bytes: int = 2900
    order: Order = Order.NEWEST_DAY_FIRST
    fails_at_once: bool = True
    repeats_at_once: bool = True
    summer_time: bool = False

    night_hours: tuple[int, ...] = (1, 2)
    query_loops: bool = False
    query_bytes: int = 1390
    night_resets: bool = False
    stale_tails: bool = False
    reboot_hour: int | None = None

    poll: str = "00051"
    reading: Reading = Reading.IN_FOURS
    checks_reply: bool = True
    reply_s: float = 10.0
    status_records: bool = True
    confirms_updates: bool = False
    gateway_records: bool = False
    bundle: tuple[str, ...] = ()


_LONG_BUNDLE = ("A102", "A104", "A106", "A113", "A114", "A117", "A120", "A121", "A124", "A126", "A130", "A131")
_SHORT_BUNDLE = ("A102", "A106", "A117", "A126", "A130", "A131", "A161", "A168")

_LINUX_2017 = Firmware(
    name="linux-2017",
    ecu_prefix="2150",
    inverter="YC600",
    version=18,
    hundredths=True,
    late_groups=True,
    late_rounds=True,
    fill_up="0002",
    per_record=False,
    answer_s=120.0,
    piece_bytes=3800,
    repeats_at_once=False,
    summer_time=True,
    night_hours=(1,),
    query_loops=True,
    query_bytes=65_535,
    night_resets=True,
    reading=Reading.ONE_SEGMENT,
    confirms_updates=True,
    bundle=_LONG_BUNDLE,
)
_ECU_R_1 = Firmware(
    name="ecu-r-1",
    ecu_prefix="2160",
    inverter="YC600",
    version=18,
    hundredths=True,
    stale_tails=True,
    reboot_hour=2,
    bundle=_SHORT_BUNDLE,
)

GENERATIONS = {
    firmware.name: firmware
    for firmware in (
        Firmware(
            name="linux-2013",
            ecu_prefix="2030",
            inverter="YC500",
            version=13,
            length_pad="A",
            hundredths=True,
            more_flag=True,
            per_record=False,
            answer_s=120.0,
            piece_bytes=1000,
            order=Order.NEWEST_FIRST,
            fails_at_once=False,
            repeats_at_once=False,
            summer_time=True,
            night_hours=(1,),
            query_loops=True,
            query_bytes=65_535,
            poll="AAA51",
            reading=Reading.TO_THE_COUNT,
            checks_reply=False,
            bundle=_LONG_BUNDLE,
        ),
        _LINUX_2017,
        replace(
            _LINUX_2017,
            name="linux-plc",
            ecu_prefix="2040",
            inverter="YC250",
            version=15,
            system="0001",
            fill_up="",
            hundredths=False,
        ),
        replace(
            _LINUX_2017, name="linux-yc1000", inverter="YC1000", version=15, system="0002", fill_up="", length_pad="A"
        ),
        replace(
            _LINUX_2017,
            name="linux-optimizers",
            ecu_prefix="2240",
            inverter="OPT",
            version=16,
            system="0001",
            sequence="0001",
            late_rounds=False,
            fill_up="0001",
        ),
        Firmware(
            name="ecu-r-early",
            ecu_prefix="2130",
            inverter="YC600",
            version=18,
            hundredths=True,
            more_flag=True,
            per_record=False,
            empty_connections=True,
            answer_s=120.0,
            piece_bytes=1000,
            order=Order.DIRECTORY,
            fails_at_once=False,
            query_loops=True,
            stale_tails=True,
            query_bytes=1024,
            bundle=_LONG_BUNDLE,
        ),
        _ECU_R_1,
        replace(_ECU_R_1, name="ecu-r-1-wifi", wifi=True, answer_s=8.0, reply_s=8.0, reading=Reading.ONE_SEGMENT),
        replace(_ECU_R_1, name="ecu-r-2024", inverter="QS1", length_pad="A", hundredths=False, interval_energy=False),
        Firmware(
            name="ecu-rs",
            ecu_prefix="2139",
            inverter="OPT",
            version=16,
            system="0002",
            json=True,
            night_hours=(1,),
            reading=Reading.ONE_SEGMENT,
            status_records=False,
            gateway_records=True,
        ),
    )
}
