"""Whether panels are compared every night, and what the owner could do for that to say more."""

from collector.analysis.wanted import FEWEST_PANELS, NEEDS_NUMPY, missing
from collector.clock.stamps import NS, to_second
from collector.config.names import Names
from collector.doctor.context import Context
from collector.doctor.findings import Finding, listed, ok, skipped, warning

CHECK = "analysis"
# One is due every night, and a first one may take hours on a small machine.
OLD_NS = 2 * 24 * 3600 * NS
_PLACE = "set site.latitude and site.longitude, or those of its [[ecu]] where a gateway is elsewhere"


async def check(context: Context) -> list[Finding]:
    """From what the journal keeps of the latest analysis. Nothing where there is no gateway to analyse."""
    config, facts = context.config, context.facts
    if not config.analysis.enabled:
        return [ok(CHECK, "it is switched off (analysis.enabled)")]
    if missing():
        return [_without_numpy(is_wanted="analysis" in config.model_fields_set)]
    if facts.is_late:
        return [skipped(CHECK, "the journal could not be read in time", "look again when it is quiet")]
    if facts.error is not None or not facts.ecus:
        return []
    return [*_latest(context), *_without_place(context), *_small_arrays(context)]


def _without_numpy(*, is_wanted: bool) -> Finding:
    found, _, remedy = NEEDS_NUMPY.partition(": ")
    if not is_wanted:
        return skipped(CHECK, found, remedy)
    return warning(CHECK, f"[analysis] is configured, and {found}", "panels are not compared with each other", remedy)


def _latest(context: Context) -> list[Finding]:
    facts, results = context.facts, context.facts.analysis
    known = f"what is said of panels goes up to {results.last}" if results.last else "nothing is said of panels yet"
    if facts.analysis_failure:
        return [
            warning(
                CHECK,
                f"the latest one could not do all of its work: {facts.analysis_failure}",
                known,
                "mend what it names: it is tried again every hour, and at once by `collector analyse`",
            )
        ]
    began = f"the latest one was begun {to_second(results.at)}" if results.at else "there was none yet"
    is_alive = facts.run.is_alive(context.now)
    since = max(results.at, facts.run.there_since or facts.run.started_at)
    if is_alive and context.now - since > OLD_NS:
        return [
            warning(
                CHECK,
                f"{began}, though one is due every night",
                known,
                "run `collector analyse`, which does it now and says what hinders it; the service's log may say more",
            )
        ]
    if not results.at:
        return [skipped(CHECK, began, "the service makes one at night, or run `collector analyse`")]
    panels, arrays = len(results.panels), len(results.arrays)
    return [ok(CHECK, f"{began}; it knows {panels} panels in {arrays} arrays up to {results.last or 'no day yet'}")]


def _without_place(context: Context) -> list[Finding]:
    names = Names(context.config)
    # What a retired one sent says nothing new.
    without = [
        ecu.names.name
        for ecu in context.facts.ecus
        if not ecu.successor and not names.place(ecu.gateway.ecu, context.now)
    ]
    if not without:
        return []
    return [
        warning(
            CHECK,
            f"where the panels of {listed(without)} are is not configured",
            "it doesn't know where the sun stands, and can't tell shade from faults",
            _PLACE,
        )
    ]


def _small_arrays(context: Context) -> list[Finding]:
    small = [f"{one.array} ({one.panels})" for one in context.facts.analysis.arrays if 0 < one.panels < FEWEST_PANELS]
    if not small:
        return []
    return [
        skipped(
            CHECK,
            f"panels can't be compared in an array of fewer than {FEWEST_PANELS}: {listed(small)}",
            "if they face the same way as others, give all of these the same `array` under [[inverter]]; if not,"
            " only ageing and clipping are told of them",
        )
    ]
