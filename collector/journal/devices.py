"""Devices that wait until the owner accepts them, and records whose time the owner sets: what the journal knows of
both, and how a command changes it.

A command only marks; whoever delivers looks at the marks and does the rest. What it has to look at may be much, so it
is changed some hundred records at a time, and a gateway's answer never waits long behind it. Broken off, the same
command again does what is left.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from collector.clock.stamps import UNBELIEVABLE
from collector.journal.reading import JournalReader
from collector.newcomers import Found, Novelty

# Up to which record the owner has accepted all inverters: those of a gateway, or of EVERY_ECU.
ACCEPTED_STATE, EVERY_ECU = "accepted", "*"

# Those that begin alike, which the index of the reasons finds: behind a blank comes the exclamation mark.
_MISDATED = f"set_aside >= '{UNBELIEVABLE}' and set_aside < '{UNBELIEVABLE[:-1]}!'"


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many gateways and inverters wait to be accepted and with how many records, and the first ids of each."""

    gateways: int
    inverters: int
    records: int
    first_gateways: list[str]
    first_inverters: list[str]


def waiting(reader: JournalReader, most_ids: int) -> Waiting:
    """What waits to be accepted; takes no longer for the records that it waits with."""
    gateways, inverters, records = (
        reader.typed((int,), query)[0][0]
        for query in (
            "select count(*) from ecu where admitted_at is null",
            "select count(*) from novelty where admitted_at is null",
            "select count(*) from record where held is not null",
        )
    )
    first_gateways = reader.typed(
        (str,), "select ecu from ecu where admitted_at is null order by first_seen_at, ecu limit ?", most_ids
    )
    first_inverters = reader.typed(
        (str,), "select name from novelty where admitted_at is null order by record, name limit ?", most_ids
    )
    return Waiting(
        gateways, inverters, records, [ecu for (ecu,) in first_gateways], [name for (name,) in first_inverters]
    )


def let_in_inverters(reader: JournalReader) -> list[tuple[str, int]]:
    """The gateway of each inverter that was let in within the bounds, and when (ns)."""
    until = reader.state(ACCEPTED_STATE)
    rows = reader.typed(
        (str, int, int), "select ecu, record, admitted_at from novelty where kind = 'inverter' and admitted_at > 0"
    )
    return [(ecu, at) for ecu, record, at in rows if record > _accepted_until(until, ecu)]


def look_up(reader: JournalReader, record: int, unknown: Sequence[Novelty]) -> Found:
    """What is known of a record's inverters that are not let in."""
    ecu = unknown[0][0]
    ids = [inverter for _, _, inverter in unknown]
    if record <= _accepted_until(reader.state(ACCEPTED_STATE), ecu):
        return Found(accepted=frozenset(ids))
    rows = reader.rows(
        "select name, admitted_at is not null from novelty"
        " where ecu = ? and kind = 'inverter' and name in (select value from json_each(?))",
        ecu,
        json.dumps(ids),
    )
    return Found(
        frozenset(name for name, is_accepted in rows if is_accepted),
        frozenset(name for name, is_accepted in rows if not is_accepted),
    )


def _accepted_until(until: dict[str, int], ecu: str) -> int:
    return max(until.get(ecu, 0), until.get(EVERY_ECU, 0))


def gateway_waits(reader: JournalReader, ecu: str) -> bool:
    """Whether a gateway waits to be accepted."""
    return bool(reader.rows("select 1 from ecu where ecu = ? and admitted_at is null", ecu))


def gateways_of(reader: JournalReader, inverter: str | None = None) -> list[str]:
    """The gateways with which an inverter, or any, waits to be accepted."""
    rows = reader.typed(
        (str,),
        "select distinct ecu from novelty where admitted_at is null and (?1 is null or name = ?1) order by ecu",
        inverter,
    )
    return [ecu for (ecu,) in rows]


def waiting_inverters(reader: JournalReader, ecu: str) -> set[str]:
    """The inverters of a gateway that wait to be accepted."""
    query = "select name from novelty where ecu = ? and kind = 'inverter' and admitted_at is null"
    return {name for (name,) in reader.typed((str,), query, ecu)}


@dataclass(frozen=True, slots=True)
class Misdated:
    """A record that is set aside because of its time, which is as the gateway sent it."""

    id: int
    received_at: int
    ecu: str
    time: str


def misdated_count(reader: JournalReader) -> int:
    """How many records are set aside because of their time."""
    return int(reader.typed((int,), f"select count(*) from record where {_MISDATED}")[0][0])  # noqa: S608 (a constant)


def last_misdated(reader: JournalReader) -> Misdated | None:
    """The latest record that is set aside because of its time."""
    found = _misdated(reader, f"id = (select max(id) from record where {_MISDATED}) and ?", 1)  # noqa: S608
    return found[0] if found else None


def misdated(reader: JournalReader, ecu: str) -> list[Misdated]:
    """A gateway's records that are set aside because of their time, in order of arrival."""
    return _misdated(reader, "ecu = ?", ecu)


def misdated_among(reader: JournalReader, ids: Sequence[int]) -> list[Misdated]:
    """Those of these records that are set aside because of their time, in order of arrival."""
    return _misdated(reader, "id in (select value from json_each(?))", json.dumps(list(ids)))


def _misdated(reader: JournalReader, which: str, value: object) -> list[Misdated]:
    query = f"select id, received_at, ecu, time from record where {_MISDATED} and {which} order by id"  # noqa: S608
    return [Misdated(*row) for row in reader.typed((int, int, str, str), query, value)]


_MOST_NAMED = 5


def named(ids: Collection[str], count: int) -> str:
    """The first of some ids, for a line."""
    return ", ".join([*ids, *(["…"] if count > len(ids) else [])])


def devices(found: Waiting) -> str:
    """How many gateways and inverters wait, and the first of them; empty for none."""
    parts = []
    for one, count, ids in (
        ("gateway", found.gateways, found.first_gateways),
        ("inverter", found.inverters, found.first_inverters),
    ):
        if count:
            parts.append(f"{count} {one}{'s' if count > 1 else ''} ({named(ids, count)})")
    return " and ".join(parts)


def what_waits(reader: JournalReader, most_named: int = _MOST_NAMED) -> Waiting:
    """What waits to be accepted, with a few ids."""
    return waiting(reader, most_named)
