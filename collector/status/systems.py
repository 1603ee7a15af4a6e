"""Systems of PVOutput to which the configuration lets nothing go, perhaps by mistake: for `status`, and for commands
that check.
"""

from collections.abc import Collection, Iterator
from zoneinfo import ZoneInfo

from collector.clock.days import day_of
from collector.config.model import Config, PvOutput
from collector.config.names import Names


def doubts(config: Config, system: PvOutput, heard: Collection[str], now: int) -> Iterator[str]:
    """A line each; `heard` are the gateways that have reported so far. Without any, no id can be judged."""
    chains = Names(config).ecus
    roots = {chains.chain(ecu)[0] for ecu in heard}
    unknown = [ecu for ecu in system.ecus if roots and chains.chain(ecu)[0] not in roots]
    if unknown:
        yield (
            f"PVOutput system {system.system_id}: nothing was ever heard of gateway {', '.join(unknown)}, so nothing"
            f" is sent of it: see its ecus; what reports is {', '.join(sorted(heard))}"
        )
    if system.since is not None and system.since > day_of(now, ZoneInfo(config.site.timezone)):
        yield f"PVOutput system {system.system_id}: nothing is sent before {system.since}, which is its from"
