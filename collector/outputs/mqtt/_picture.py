"""What a broker is to hold now: every message of it, in the order in which they are to be sent. Pure."""

from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass

from collector.config.names import Names
from collector.outputs.mqtt import _discovery, _states
from collector.outputs.mqtt._broker import Message
from collector.outputs.mqtt._latest import Latest
from collector.outputs.mqtt._published import Device, Published
from collector.outputs.mqtt._states import Energies, Light
from collector.outputs.mqtt._topics import ONLINE, Topics

_KEPT_S = 24 * 3600
# Sent again before a broker forgets it, and by night before Home Assistant takes it for expired.
REFRESH_S, DARK_REFRESH_S = 12 * 3600, 600


_NO_PROBLEMS: Mapping[str, Mapping[int, str]] = {}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A message, and after how long it is to be sent again though it has not changed."""

    message: Message
    refresh_s: float | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """All messages, in order, and what is published once they are sent."""

    messages: Sequence[Wanted]
    published: Published


@dataclass(frozen=True, slots=True)
class Options:
    """What the owner wants to be published, and where."""

    topics: Topics
    discovery: bool = True
    panels: bool = True


def picture(
    latest: Latest,
    before: Published,
    cleared: Container[str],
    names: Names,
    options: Options,
    lights: Mapping[str, Light],
    energies: Mapping[str, Energies],
    now: int,
    problems: Mapping[str, Mapping[int, str]] = _NO_PROBLEMS,
) -> Picture:
    """Everything, at the instant `now` (ns): what is to be taken back, what devices are, how they are, and `online`.

    `before` is what was published, of which `cleared` topics are empty by now; `lights` are of gateways, by their
    roots, and `energies` of all devices, by their keys; `problems` are what the analysis has found of panels, by
    inverter and channel.
    """
    topics = options.topics
    devices, configs, states = dict[str, Device](), list[Wanted](), list[Wanted]()
    for inverter in latest.inverters.values():
        light = lights.get(inverter.ecu, Light(is_silent=True))
        own_problems = problems.get(inverter.id, {})
        entities = _discovery.entities_of_inverter(
            inverter, names, _entities(before, inverter.key), panels=options.panels, judged=own_problems
        )
        keys = [entity.key for entity in entities]
        gone = [key for key in _entities(before, inverter.key) if key not in keys]
        devices[inverter.key] = Device(
            inverter.key, inverter.id, inverter.ecu, inverter.model, tuple(sorted({*keys, *gone}))
        )
        configs.append(_config(inverter.key, _discovery.of_inverter(inverter, entities, gone, names, topics), topics))
        own = Light(_states.is_missing(inverter, light), light.is_dark, light.is_night)
        own_energies, zone = energies.get(inverter.key, Energies()), names.ecu(inverter.ecu).zone
        state = _states.of_inverter(inverter, own, own_energies, zone, own_problems)
        states.append(_state(inverter.key, state, own, topics))
    for gateway in latest.gateways.values():
        light = lights[gateway.root]
        entities = _discovery.entities_of_gateway()
        devices[gateway.key] = Device(gateway.key, gateway.id)
        configs.append(_config(gateway.key, _discovery.of_gateway(gateway, entities, names, topics), topics))
        own_inverters = [one for one in latest.inverters.values() if one.ecu == gateway.root]
        state = _states.of_gateway(
            gateway,
            light,
            energies.get(gateway.key, Energies()),
            len(own_inverters),
            names.ecu(gateway.id).zone,
            now,
        )
        states.append(_state(gateway.key, state, light, topics))
    published = before.followed_by(topics, devices, cleared)
    emptied = [Wanted(Message(topic, b"")) for topic in published.stale]
    if not options.discovery:
        # It may have been on before.
        configs = [Wanted(Message(topics.config(key), b"")) for key in devices]
    return Picture([*emptied, *configs, *states, Wanted(Message(topics.status, ONLINE))], published)


def _entities(before: Published, key: str) -> Collection[str]:
    known = before.devices.get(key)
    return known.entities if known else ()


def _config(key: str, payload: bytes, topics: Topics) -> Wanted:
    return Wanted(Message(topics.config(key), payload))


def _state(key: str, payload: bytes, light: Light, topics: Topics) -> Wanted:
    refresh_s = DARK_REFRESH_S if light.is_silent and light.is_dark else REFRESH_S
    return Wanted(Message(topics.state(key), payload, kept_s=_KEPT_S), refresh_s)
