"""Whether the service runs, and whether what it stored is understood, delivered, and under the names it has now."""

from collector import __version__
from collector.clock.stamps import NS, UNBELIEVABLE, to_second
from collector.config.fingerprint import decoding_of
from collector.config.names import Names
from collector.doctor._facts import DECODING_S, WEEK_NS
from collector.doctor.context import Context
from collector.doctor.findings import START, Finding, failure, ok, skipped, warning
from collector.errors import FOREIGN_POINTS, TOO_OLD
from collector.journal.devices import devices
from collector.journal.reading import SetAside
from collector.record import DECODING
from collector.status.health import rollups_waiting

SERVICE, RECORDS = "service", "records"
# Roll-ups follow delivery within seconds, and today's come every two minutes.
LATE_ROLLUP_NS = 15 * 60 * NS
_PUZZLES_SHOWN = 5


async def check(context: Context) -> list[Finding]:
    """From the journal's facts alone."""
    if context.facts.error is not None:
        return []
    if context.facts.is_late:
        return [
            *_service(context),
            skipped(RECORDS, "the journal could not be read in time", "look again when it is quiet"),
        ]
    return [
        *_service(context),
        *_not_understood(context),
        *_devices(context),
        *_turned_away(context),
        *_names(context),
        *_rollups(context),
    ]


def _service(context: Context) -> list[Finding]:
    facts = context.facts
    consequence = "gateways get no answer and keep their records"
    if facts.run.is_blank and facts.is_late:
        return [skipped(SERVICE, "whether it runs could not be read in time")]
    if facts.run.is_blank:
        return [warning(SERVICE, "the service was never started with this journal", consequence, START)]
    if stopped_at := facts.run.stopped_at:
        return [failure(SERVICE, f"the service was stopped {to_second(stopped_at)}", consequence, START)]
    if not facts.run.is_alive(context.now):
        return [
            failure(
                SERVICE,
                f"the service gave {facts.run.silence}",
                f"it ended without a word, or can't write its journal; {consequence}",
                f"look at its log; {START}",
            )
        ]
    if facts.run.version != __version__:
        return [
            warning(
                SERVICE,
                f"the service that runs is version {facts.run.version}, and this is {__version__}",
                "it was not restarted since the program was changed",
                "restart it",
            )
        ]
    since = f" since {to_second(facts.run.started_at)}" if facts.run.started_at else ""
    return [ok(SERVICE, f"version {__version__} runs{since}")]


def _not_understood(context: Context) -> list[Finding]:
    facts = context.facts
    findings = [_set_aside(aside) for aside in facts.set_aside]
    findings += [
        _puzzle(
            puzzle.record,
            f"{puzzle.count} understood in part, as number {puzzle.record}: {puzzle.reason}",
            "the rest of the record is in InfluxDB, that part is not",
        )
        for puzzle in facts.puzzles[:_PUZZLES_SHOWN]
    ]
    looked_at = f"the latest day of {facts.understood} of {len(facts.ecus)} gateways"
    is_partial = facts.understood < len(facts.ecus)
    if not findings and facts.records:
        whose = looked_at if is_partial else "the gateways' latest day"
        findings.append(ok(RECORDS, f"none is set aside, and {whose} is understood in full"))
    if is_partial:
        more = f"{looked_at} was looked at within {DECODING_S:g} s, the last heard first"
        findings.append(skipped(RECORDS, more, "collector doctor --thorough"))
    return findings


def _set_aside(aside: SetAside) -> Finding:
    found = f"{aside.count} set aside, as number {aside.record}: {aside.reason}"
    if aside.reason.startswith(FOREIGN_POINTS):
        return failure(
            RECORDS,
            found,
            "their bytes are kept, but not all of their points are in InfluxDB. What is in that bucket is in part"
            " somebody else's, and the journal does not have it",
            "leave that bucket as it is, and do what the line says; what is looked at of InfluxDB below tells more",
        )
    if aside.reason.startswith(TOO_OLD):
        return warning(
            RECORDS,
            found,
            "the journal has them, and InfluxDB has nothing so old by its owner's wish",
            "none is needed if that is meant; else see what is said of the bucket below",
        )
    if aside.reason.startswith(UNBELIEVABLE):
        return warning(
            RECORDS,
            found,
            "their bytes are kept, but nothing of them is in InfluxDB",
            f"set the clock of the ECU; collector redate --record {aside.record} --received",
        )
    return _puzzle(aside.record, found, "their bytes are kept, but nothing of them is in InfluxDB")


def _devices(context: Context) -> list[Finding]:
    waiting = context.facts.waiting
    if waiting is None or not (found := devices(waiting)):
        return []
    return [
        warning(
            RECORDS,
            f"{found} wait to be accepted, with {waiting.records} records",
            "more new devices than an owner adds in a day: their records are kept, but are not in InfluxDB",
            "if they are yours: collector accept ID, or collector accept --all",
        )
    ]


def _puzzle(record: int, found: str, meaning: str) -> Finding:
    return warning(
        RECORDS,
        found,
        meaning,
        f"report it with what `collector decode --record {record}` prints; what a later version understands comes in by"
        " `collector replay --all`",
    )


def _turned_away(context: Context) -> list[Finding]:
    """What came of late, or at any time where nothing else ever came."""
    facts = context.facts
    return [
        warning(
            RECORDS,
            f"{count} turned away from {newest.peer}, the last {to_second(newest.received_at)} at port {newest.port}:"
            f" {newest.reason}; it begins {newest.beginning}",
            "it got no answer. Newer firmware of a gateway may look like this, and so do other programs that find the"
            " ports, and a connection that broke",
            f"if {newest.peer} is a gateway's, report it with what `collector decode --refused` prints",
        )
        for count, newest in facts.refused
        if not facts.gateways or context.now - newest.received_at < WEEK_NS
    ]


_DECODED_ANEW = warning(
    RECORDS,
    "the collector was updated, and records tell more than they did",
    "in InfluxDB the past lacks what came with the update, as AC energies",
    "collector replay --all",
)


def _names(context: Context) -> list[Finding]:
    known = context.facts.names_fingerprint
    if context.config.influxdb is None or known is None:
        return []
    if Names(context.config).has_written(known):
        return [] if decoding_of(known) == DECODING else [_DECODED_ANEW]
    return [
        warning(
            RECORDS,
            "names of gateways, inverters or panels, or time zones, were changed since InfluxDB was last written anew",
            "in InfluxDB the past stands under the former names, with two histories of every panel, or at other hours",
            "collector replay --all",
        )
    ]


def _rollups(context: Context) -> list[Finding]:
    facts = context.facts
    if context.config.influxdb is None or facts.run.is_blank:
        return []
    waiting = facts.stale_days and context.now - facts.stale_since > LATE_ROLLUP_NS
    if error := facts.run.rollup_error:
        return [
            failure(
                RECORDS,
                f"{rollups_waiting(facts.stale_days)}: {error}",
                "boards over months and years lack these days, or show them as they were",
                "mend what it names: the service goes on by itself. Or by hand: collector rollup",
            )
        ]
    if waiting:
        return [
            warning(
                RECORDS,
                f"{rollups_waiting(facts.stale_days)} since {to_second(facts.stale_since)}",
                "boards over months and years lack these days, or show them as they were",
                "after a long backlog that is normal, and the latest come first; else: collector rollup",
            )
        ]
    return [ok(RECORDS, f"roll-ups are up to date{f', {facts.stale_days} under way' if facts.stale_days else ''}")]
