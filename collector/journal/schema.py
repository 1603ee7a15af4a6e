"""What the journal's file looks like inside, and how a file from an earlier collector becomes like that.

A version is the step that leads to it from the one before: a new file goes through all steps, an old one through those
that it lacks, either in one transaction. Steps that were released never change, and none touches the bytes of a record.
"""

import sqlite3
from pathlib import Path

from collector.errors import JournalError
from collector.journal._rows import typed

_VERSION_1 = """
create table record (
    id integer primary key autoincrement,  -- the order of arrival; never used twice
    received_at integer not null,          -- ns since 1970, UTC, this machine's clock
    port integer not null,
    peer text not null,
    kind text not null,
    ecu text not null,                     -- '' where none could be read
    time text not null,                    -- the 14 digits as sent; '' for a message without its own
    command text not null,                 -- A102 and the like; '' on the data ports
    digest blob not null,                  -- of the bytes as received
    raw blob not null,                     -- exactly the bytes on the wire without the line end
    packed integer not null default 0,     -- 1: raw is zlib's
    newest integer not null,               -- 1: newer than all before it from this gateway
    late integer not null,                 -- 1: carries data of times other than its own
    repeats integer not null default 0,    -- how often it came again, and when last
    repeated_at integer,
    delivered_at integer,                  -- null: not proven to be in InfluxDB
    set_aside text                         -- null, or why it will not get there
) strict;
create unique index record_key on record (ecu, time, digest);
create index record_pending on record (id) where delivered_at is null and set_aside is null;
create index record_set_aside on record (id) where set_aside is not null;
create index record_late on record (ecu) where late;
create index record_command on record (ecu, command, time) where command != '';
create table ecu (
    ecu text primary key,
    first_seen_at integer not null,
    last_seen_at integer not null,
    peer text not null,
    newest_time text not null,
    purged_time text not null default ''   -- no record up to this time stamp is certain to be still here
) strict, without rowid;
create table novelty (                     -- inverters and firmware versions, and the record each was first seen in
    ecu text not null,
    kind text not null,
    name text not null,
    record integer not null,
    primary key (ecu, kind, name)
) strict, without rowid;
create table refused (                     -- what was no message of a gateway: the newest few, for a look
    id integer primary key autoincrement,
    received_at integer not null,
    port integer not null,
    peer text not null,
    reason text not null,
    raw blob not null
) strict;
create table state (key text primary key, value text not null) strict, without rowid;
"""

_VERSION_2 = """
create table stale_day (                   -- local days whose roll-up is older than what InfluxDB has of them
    id integer primary key autoincrement,  -- of the latest mark; never used twice
    ecu text not null,                     -- as the tag has it
    day text not null,                     -- as 2026-03-29
    first_marked_at integer not null,
    marked_at integer not null,
    unique (ecu, day)
) strict;
create table rollup_zone (                 -- the zone whose midnights an ECU's roll-ups stand at
    ecu text primary key,
    zone text not null,
    settled integer not null               -- 0: those of another zone may still be there
) strict, without rowid;
"""

_VERSION_3 = """
-- held: null, or why some of its points wait until the owner accepts a device
alter table record add column held text;
-- dated: ns since 1970, in place of the record's own time where that can't be right
alter table record add column dated integer;
drop index record_pending;
create index record_pending on record (id) where delivered_at is null and set_aside is null and held is null;
create index record_held on record (ecu) where held is not null;
drop index record_set_aside;
create index record_set_aside on record (set_aside) where set_aside is not null;
create index record_report on record (ecu, received_at) where kind in ('report', 'status', 'gateway', 'refused');
create index record_unanswered on record (id) where kind in ('unknown', 'refused');
-- admitted_at: null while it waits until the owner accepts it, 0 for what no bound counts, as what was known before
alter table ecu add column admitted_at integer default 0;
alter table novelty add column admitted_at integer default 0;
alter table refused add column packed integer not null default 0;
create table job (                         -- what a command asks the service to do, and how far that is
    id integer primary key autoincrement,
    kind text not null,                    -- replay, refill or rollup
    ecu text not null,                     -- '' for records without a readable id; '*' for all that InfluxDB holds
    first text not null,                   -- local days, both included; '' for no bound
    last text not null,
    asked_at integer not null,
    everything integer not null default 0, -- 1: all of the journal, so that no name of before is left
    phase text not null,                   -- next, delete and write for each span of a replay; then days and rollup
    names text not null default '',        -- the fingerprint of the names that it is carried out with
    span_first text not null default '',   -- local days of the span at hand; '' for no bound
    span_end text not null default '',     -- the day after the last one
    cursor integer not null default 0,     -- the last record of the span whose points are written again
    total integer not null default 0,      -- records to go through
    records integer not null default 0,    -- gone through so far
    points integer not null default 0,     -- points written
    recovered integer not null default 0,  -- records that had been set aside and are in InfluxDB now
    unreadable integer not null default 0,
    refused integer not null default 0,    -- records and days that InfluxDB would not take
    days integer not null default 0,       -- roll-ups computed
    kept integer not null default 0,       -- roll-ups that stay, since nothing is left to compute them from
    problem text not null default '',      -- of the last refusal
    ended_at integer
) strict;
create index job_open on job (id) where ended_at is null;
create table marked (                      -- local days whose roll-up is older than what InfluxDB has of them
    ecu text not null,                     -- as the tag has it
    day text not null,                     -- as 2026-03-29
    mark integer not null,                 -- another one each time that the day is marked
    first_marked_at integer not null,
    marked_at integer not null,
    job integer,                           -- for which the day is computed, if for one
    replaces integer not null default 0,   -- 1 where what the day no longer has is to go
    primary key (ecu, day)
) strict, without rowid;
insert into marked (ecu, day, mark, first_marked_at, marked_at)
    select ecu, day, id, first_marked_at, marked_at from stale_day;
drop table stale_day;
alter table marked rename to stale_day;
create index stale_day_job on stale_day (job) where job is not null;
insert into job (kind, ecu, first, last, asked_at, phase)
    select 'rollup', iif(ecu = '', 'unknown', ecu), '', '', 0, 'days' from ecu
    where iif(ecu = '', 'unknown', ecu) not in (select ecu from rollup_zone where settled);
drop table rollup_zone;
"""

_VERSION_4 = """
create table ledger (                      -- how far the account of energies is
    id integer primary key check (id = 1),
    cursor integer not null,               -- the last record that is in it, or whose days are marked
    change integer not null,               -- the number of the last change of an account
    basis text not null,                   -- the fingerprint of what days are computed with, from the configuration
    purged_time text not null default ''   -- as a gateway has it, of the records without a readable id
) strict;
insert into ledger (id, cursor, change, basis) values (1, 0, 0, '');
create table energy_place (                -- of what there are accounts: inverters and their inputs, by gateway
    id integer primary key,
    place text not null,                   -- the id of the first inverter there; of an input with /1 behind it
    ecu text not null,
    inverter text not null,
    channel integer not null,              -- 0 for the inverter itself
    ac_mwh integer,                        -- of all its days; null without an AC side
    dc_mwh integer not null default 0,
    peak_w real not null default 0,        -- the highest power of all its days
    change integer not null default 0,     -- with which it was called otherwise: all of its rows are as if of that one
    unique (ecu, inverter, channel)
) strict;
create table energy_hour (
    day text not null,                     -- a local day, as 2026-03-29
    hour integer not null,                 -- when it began in UTC, ns since 1970; local midnight may divide it
    place integer not null,
    ac_mwh integer,                        -- of an input its share of the inverter's; null without an AC side
    dc_mwh integer not null,
    readings integer not null,             -- 0: what was here is gone
    change integer not null,
    primary key (day, hour, place)
) strict, without rowid;
create table energy_day (
    day text not null,
    place integer not null,
    ac_mwh integer,
    dc_mwh integer not null,
    refused_mwh integer not null,          -- what was sent and can't be
    mended_mwh integer not null,           -- what stands in its place
    readings integer not null,
    peak_w real not null,                  -- the highest power: on the AC side, of an input DC
    last_time integer not null,            -- of its last reading, ns since 1970, and the power there
    last_power_w real,
    looks_back integer not null,           -- 1 where the day's first energy was judged by the last reading before
    source text not null,                  -- wire, or import
    change integer not null,
    primary key (day, place)
) strict, without rowid;
create index energy_day_refused on energy_day (place, day) where refused_mwh != 0;
create index energy_day_looks_back on energy_day (place, day) where looks_back != 0;
create table energy_account (              -- the days of which there is an account, and when that last changed
    ecu text not null,
    day text not null,
    change integer not null,
    cursor integer not null,               -- the last record that it was computed with, or may have been
    primary key (ecu, day)
) strict, without rowid;
create index energy_account_change on energy_account (change);
create table energy_mark (                 -- days whose account is to be computed from their records
    ecu text not null,
    day text not null,                     -- '' for all
    mark integer not null,                 -- another one each time that the day is marked
    refused integer not null default 0,    -- 1: it can't be computed, which nothing else waits for
    primary key (ecu, day)
) strict, without rowid;
create table energy_late (                 -- records that tell of other times than their own, by the days they tell of
    ecu text not null,
    day text not null,
    record integer not null,
    primary key (ecu, day, record)
) strict, without rowid;
create index energy_late_record on energy_late (record);
create table energy_again (record integer primary key) strict;  -- records whose time was changed since they were read
"""

_MIRROR = """
create table mirror_standing (             -- how far what is for the vendor's cloud is taken from the records
    id integer primary key check (id = 1),
    cursor integer not null,               -- the last record that was looked at
    since text not null,                   -- the configuration's word for from when on, and
    since_at integer not null              -- what that is: ns since 1970
) strict;
create table mirror (                      -- records for the vendor's cloud, each in the state that a gateway has it in
    record integer primary key,
    ecu text not null,
    time text not null,                    -- as the record has it
    control integer not null,              -- 1: it goes to the control port
    state integer not null default 1,      -- 1: not delivered; 2: received there; 0: stored there
    tries integer not null default 0,      -- how often it failed in a row
    tried_at integer,                      -- when it was last sent, ns since 1970
    answer text not null default ''        -- why that was no success
) strict;
create index mirror_open on mirror (ecu, control, state, time) where state != 0;
create table vendor_command (              -- what the vendor's cloud sent that acknowledges nothing: the newest few
    id integer primary key autoincrement,
    ecu text not null,                     -- in whose record's place it came
    port integer not null,
    command text not null,                 -- A105 and the like; '' for what has no number
    raw blob not null,                     -- its first bytes
    first_at integer not null,             -- ns since 1970
    last_at integer not null,
    times integer not null default 1,
    unique (ecu, port, raw)
) strict;
create index vendor_command_last on vendor_command (last_at);
"""
_IMPORTED = """
create table imported (                    -- what the owner has brought along: the vendor's answers, and files
    id integer primary key autoincrement,
    kind text not null,                    -- devices, energy, power or file
    key text not null,                     -- what was asked for; of a file its place, name and digest
    about text not null,                   -- how it is to be read, as JSON
    ecu text not null,                     -- the gateway whose days it tells of
    first text not null,                   -- the first and the last of them, as 2026-03-29; '' for none
    last text not null,
    fetched_at integer not null,
    is_whole integer not null,             -- 0: there may be more of it later
    body blob not null,                    -- as it came, but zlib's
    unique (kind, key)
) strict;
create index imported_span on imported (ecu, first, last);
create table imported_day (                -- the days that these tell of, or did
    ecu text not null,
    day text not null,
    mark integer not null,                 -- another one each time that InfluxDB is to be looked after; 0: it is done
    is_written integer not null default 0, -- 1: InfluxDB may have points of it
    is_taken integer not null default 0,   -- 1: InfluxDB has points of that day that are none of it
    primary key (ecu, day)
) strict, without rowid;
create index imported_day_marked on imported_day (day) where mark != 0;
create index imported_day_of_all on imported_day (day);
"""

_VERSION_5 = _MIRROR + _IMPORTED

_STEPS = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4, _VERSION_5)
SCHEMA_VERSION = len(_STEPS)


def schema_version(db: sqlite3.Connection, path: Path) -> int:
    """The schema's version, 0 for an empty file; raises JournalError for one that a newer collector has made."""
    version = int(db.execute("pragma user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise JournalError(f"{path} was made by a newer collector (schema {version}): run that one")
    return version


def bring_up_to_date(db: sqlite3.Connection, path: Path) -> None:
    """Make what the file lacks, all of it or nothing."""
    if schema_version(db, path) == SCHEMA_VERSION:
        return
    with db:
        db.execute("begin immediate")
        # Another process may have been quicker.
        for step in _STEPS[schema_version(db, path) :]:
            for statement in step.strip().split(";\n"):
                db.execute(statement)
        db.execute(f"pragma user_version = {SCHEMA_VERSION}")


def first_since(db: sqlite3.Connection, at: int) -> int:
    """The number of the first record received at `at` (ns) or later; one more than the last where there is none.

    Where this machine's clock was set back, some before it may be younger and some behind it older.
    """
    # Numbers are given in the order of receipt, so that halving finds it without reading what is before it.
    low, high = 0, int(db.execute("select coalesce(max(id), 0) from record").fetchone()[0]) + 1
    while low < high:
        middle = (low + high) // 2
        row = db.execute("select received_at from record where id >= ? order by id limit 1", (middle,)).fetchone()
        if row is not None and typed(row, (int,))[0] < at:
            low = middle + 1
        else:
            high = middle
    return low
