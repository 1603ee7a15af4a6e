"""What was ever published and not taken back: in the journal, so that nothing stays at a broker that is not wanted.

It is written before a device is announced, and hence seldom. It tells after a restart also of devices that have not
reported of late.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Self

from collector.journal.reading import JournalReader
from collector.outputs.mqtt._latest import MISSED_ROUNDS, Gateway, Inverter
from collector.outputs.mqtt._topics import Topics

# Keys of the journal's state: this, what the owner had forgotten with the time of that, and by what name this journal's
# collector goes at a broker.
STATE, FORGOTTEN_STATE, IDENTITY_STATE = "mqtt", "mqtt_forgotten", "mqtt_identity"

_CHANNEL = "panel_"


@dataclass(frozen=True, slots=True)
class Device:
    """One device by its key: the id of the present one, its entities, and of an inverter its gateway and model."""

    key: str
    id: str
    ecu: str = ""
    model: str = ""
    entities: tuple[str, ...] = ()

    def restored(self) -> Gateway | Inverter:
        """The device as far as it is known without a record of it."""
        kind, _, root = self.key.partition("/")
        if kind == "ecu":
            return Gateway(root, self.id)
        numbers = {key.split("_")[1] for key in self.entities if key.startswith(_CHANNEL)}
        channels = {int(number): dict[str, None]() for number in numbers if number.isdecimal()}
        # It is silent until it reports.
        return Inverter(root, self.id, self.ecu, self.model, missed=MISSED_ROUNDS, channels=dict(channels))


@dataclass(frozen=True, slots=True)
class Published:
    """The devices, below which topics; `stale` topics are still to be emptied."""

    topics: Topics
    devices: Mapping[str, Device] = field(default_factory=dict)
    stale: tuple[str, ...] = ()

    @classmethod
    def read(cls, values: Mapping[str, object]) -> Self | None:
        """What a service has written; None where nothing was, or nothing that can be used."""
        prefix, discovery_prefix, devices = (values.get(key) for key in ("prefix", "discovery_prefix", "devices"))
        if not (isinstance(prefix, str) and isinstance(discovery_prefix, str) and isinstance(devices, dict)):
            return None
        found = (_device(key, one) for key, one in devices.items() if isinstance(one, dict))
        stale = values.get("stale")
        return cls(
            Topics(prefix, discovery_prefix),
            {device.key: device for device in found},
            tuple(map(str, stale)) if isinstance(stale, list) else (),
        )

    def values(self) -> dict[str, object]:
        """What is to be written."""
        return {
            "prefix": self.topics.prefix,
            "discovery_prefix": self.topics.discovery_prefix,
            "devices": {
                key: {"id": one.id, "ecu": one.ecu, "model": one.model, "entities": list(one.entities)}
                for key, one in self.devices.items()
            },
            "stale": list(self.stale),
        }

    def followed_by(self, topics: Topics, devices: Mapping[str, Device], cleared: Container[str] = ()) -> Self:
        """What is published once these devices are; topics that nobody wants are stale until they are cleared."""
        wanted = {*topics.of_devices(devices), topics.status}
        own = [*self.topics.of_devices(self.devices), self.topics.status]
        stale = dict.fromkeys(topic for topic in (*self.stale, *own) if topic not in wanted and topic not in cleared)
        return type(self)(topics, devices, tuple(stale))


def _device(key: str, values: Mapping[str, object]) -> Device:
    entities = values.get("entities")
    return Device(
        key,
        str(values.get("id", "")),
        str(values.get("ecu", "")),
        str(values.get("model", "")),
        tuple(map(str, entities)) if isinstance(entities, list) else (),
    )


def published(reader: JournalReader) -> Published | None:
    """What the journal has. Raises JournalError."""
    return Published.read(reader.state(STATE))


def forgotten(reader: JournalReader) -> dict[str, int]:
    """The roots of devices that the owner had forgotten, each with the instant (ns) of that. Raises JournalError."""
    return {root: at for root, at in reader.state(FORGOTTEN_STATE).items() if isinstance(at, int)}


def identity(reader: JournalReader) -> str:
    """By what name this journal's collector goes at a broker; a new one where it has none. Raises JournalError."""
    known = reader.state(IDENTITY_STATE).get("id")
    return known if isinstance(known, str) and known else token_hex(4)
