"""The control port's messages as a gateway writes them, each without its line feed (docs/protocol.md, 7)."""

from collections.abc import Mapping

from collector.protocol.fields import with_length
from collector.simulate.equipment import INVERTERS

_ZEROS = "0" * 14
_CODES = {model.name: model.code for model in INVERTERS.values() if model.code}
_ENTRY_WIDTH = 41
_UPDATED_TO = "005203"


def poll(ecu: str, length: str) -> bytes:
    """The question for a command; `length` is its length field as this firmware writes it."""
    return f"APS13{length}A101AAA0{ecu}A101{_ZEROS}END".encode()


def acknowledgement(ecu: str, command: int, time: str, flag: int) -> bytes:
    """The gateway's own A100."""
    return _framed(f"A100AAA0{ecu}A{command:03d}{time}{flag}END")


def gateway_query(command: str, ecu: str, now: str) -> bytes:
    """A157 or A159: which A156 or A158 records are stored?"""
    return _framed(f"{command}AAA1{ecu}{now}END")


def status_record(ecu: str, time: str, inverters: Mapping[str, str], flags: str = "1000") -> bytes:
    """An A123: these inverters, id to model, are in an abnormal state."""
    entries = "".join(
        f"{uid}{_CODES.get(model, '07')}{flags}".ljust(_ENTRY_WIDTH, "0") + "END" for uid, model in inverters.items()
    )
    return _framed(f"A123AAA1{ecu}{len(inverters):04d}{time}END{entries}", version=15)


def gateway_record(command: str, ecu: str, time: str, inverters: Mapping[str, str]) -> bytes:
    """An A156 (alarms) or A158 (counters) of an optimizer gateway."""
    entry = {"A156": "110003000", "A158": "00288000000000320000000000"}[command]
    return _framed(
        f"{command}AAA1{ecu}{len(inverters):04d}{time}END" + "".join(f"{uid}{entry}END" for uid in inverters)
    )


def update_result(ecu: str, time: str, uid: str) -> bytes:
    """An A147: what an inverter's update came to, with the time that the gateway wants to read again."""
    return _framed(f"A147AAA0{ecu}0001{time}END{uid}00{_UPDATED_TO}{time}END")


def report(command: str, ecu: str, now: str, inverters: Mapping[str, str], version: str) -> bytes:
    """One of the messages that a gateway pushes and reads no answer to."""
    count = len(inverters)
    match command:
        case "A102":
            text = f"{version}EU--1"
            listed = "".join(f"{uid}{_CODES.get(model, '00')}00000END" for uid, model in inverters.items())
            return _framed(f"A102AAA0{ecu}{len(text):02d}{text}{count:03d}{_ZEROS}END{listed}")
        case "A104":
            return _framed(f"A104AAA0{ecu}{now}{_ZEROS}Etc/GMT-1END")
        case "A106":
            host = "ecu.apsema.com"
            sections = f"10899508996010051{host}END20899708997010151{host}END"
            return _framed(f"A106AAA0{ecu}2{_ZEROS}END{sections}")
        case "A117":
            listed = "".join(f"{uid}258020300END" for uid in inverters)
            return _framed(f"A117AAA1{ecu}{count:04d}{_ZEROS}END{listed}")
        case "A113" | "A120" | "A130":
            width = {"A113": 50, "A120": 74, "A130": 103}[command]
            return _framed(f"{command}AAA0{ecu}{_ZEROS}END{'A' * width}END")
    # The others are jobs that have still to be done by radio, and are acknowledged as such.
    return acknowledgement(ecu, int(command[1:]), _ZEROS, 0)


def _framed(rest: str, version: int = 13) -> bytes:
    return with_length(f"APS{version}00000{rest}", "0").encode("ascii")
