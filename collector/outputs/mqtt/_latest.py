"""The latest of every gateway and inverter, as records tell it: what is sent whenever somebody listens. Pure.

A device is told by the id of the first one in its place, so that it stays the same when it is replaced.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from collector.clock.stamps import NS
from collector.condition import is_ahead
from collector.config.names import Names
from collector.points.decoding import Decoded
from collector.points.schema import Point, Value
from collector.protocol.blocks import AC_SHARE
from collector.protocol.models import OPTIMIZER
from collector.record import Record

# A round comes every five minutes.
INTERVAL_S = 300
# So many missed are a silence.
MISSED_ROUNDS = 3
# One that another gateway has reported as well is not taken for that one's at once.
_MOVED_NS = MISSED_ROUNDS * INTERVAL_S * NS

Fields = Mapping[str, Value | None]


@dataclass(slots=True)
class Gateway:
    """One gateway: `root` is the first id in its place, `id` the present one, `at` the time of its newest round and
    `heard_at` when that came (ns).
    """

    root: str
    id: str
    at: int = 0
    heard_at: int = 0
    power_w: float | None = None
    lifetime_kwh: float | None = None
    reporting: int | None = None

    @property
    def key(self) -> str:
        """By which topics and the journal know it."""
        return f"ecu/{self.root}"


@dataclass(slots=True)
class Inverter:
    """One inverter, as a gateway; `ecu` is the root of its gateway's, `missed` how many of that one's rounds it was not
    in since. `channels` has what each input measured last.
    """

    root: str
    id: str
    ecu: str
    model: str = ""
    at: int = 0
    heard_at: int = 0
    missed: int = 0
    fields: Fields = field(default_factory=dict)
    channels: dict[int, Fields] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """By which topics and the journal know it."""
        return f"inverter/{self.root}"


class Latest:
    """All of them. Takes records in the order in which they came."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self.gateways: dict[str, Gateway] = {}
        self.inverters: dict[str, Inverter] = {}

    def add(self, device: Gateway | Inverter) -> None:
        """A device that is known from before."""
        if isinstance(device, Gateway):
            self.gateways.setdefault(device.root, device)
        else:
            self.inverters.setdefault(device.root, device)

    def forget(self, root: str) -> None:
        """A device that is not to be told of any more, until it is heard again."""
        self.gateways.pop(root, None)
        self.inverters.pop(root, None)

    def take(self, record: Record, decoded: Decoded) -> bool:
        """What a record tells, if it is newer than all before it: what is older changes no present power. Returns
        whether it did.
        """
        rounds = [point for point in decoded.points if point.measurement == "ecu"]
        if not record.newest or not record.ecu or not rounds:
            return False
        at = rounds[0].time
        points = [point for point in decoded.points if point.time == at]
        inverters = [point for point in points if point.measurement == "inverter"]
        gateway = self._gateway(record, rounds[0], {point.tags[3] for point in inverters})
        if gateway is None:
            return False
        reported = {self._inverter(record, point, gateway.root) for point in inverters}
        for point in points:
            if point.measurement == "channel" and (root := self._root_of(point.tags[1])) in reported:
                self.inverters[root].channels[int(point.tags[4])] = point.fields
        for root, inverter in self.inverters.items():
            if inverter.ecu == gateway.root and root not in reported:
                inverter.missed += 1
        return True

    def _gateway(self, record: Record, point: Point, models: Collection[str]) -> Gateway | None:
        root = self._names.ecus.chain(record.ecu)[0]
        known = self.gateways.setdefault(root, Gateway(root, record.ecu))
        # Of one gateway the journal knows what is newest, whatever its clock did; of two the times have to tell.
        if known.id != record.ecu and point.time < known.at and not is_ahead(known.at, record.received_at):
            return None
        reporting = point.fields["inverters_reporting"]
        known.id, known.at, known.heard_at = record.ecu, point.time, record.received_at
        known.power_w = _ac_power_w(point.fields, models)
        known.lifetime_kwh = number(point.fields["lifetime_kwh"])
        known.reporting = None if reporting is None else int(reporting)
        return known

    def _inverter(self, record: Record, point: Point, ecu: str) -> str | None:
        _, uid, _, model = point.tags
        root = self._root_of(uid)
        known = self.inverters.setdefault(root, Inverter(root, uid, ecu))
        has_just_reported = point.time < known.at + _MOVED_NS and not is_ahead(known.at, record.received_at)
        if known.ecu != ecu and has_just_reported:
            return None
        known.id, known.ecu, known.model = uid, ecu, model
        known.at, known.heard_at, known.missed = point.time, record.received_at, 0
        known.fields, known.channels = point.fields, {channel: {} for channel in known.channels}
        return root

    def _root_of(self, inverter: str) -> str:
        return self._names.inverters.chain(inverter)[0]


def number(value: Value | None) -> float | None:
    """A field as a number, if it is there."""
    return None if value is None else float(value)


def _ac_power_w(fields: Fields, models: Collection[str]) -> float | None:
    """The AC power of a gateway; of one whose inverters don't all tell theirs, its DC power by the usual share. What
    optimizers give goes into another maker's inverter.
    """
    ac_power_w, dc_power_w = number(fields["ac_power_w"]), number(fields["power_w"])
    if ac_power_w is not None or dc_power_w is None or OPTIMIZER in models:
        return ac_power_w
    return round(AC_SHARE * dc_power_w, 2)
