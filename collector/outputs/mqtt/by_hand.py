"""What `collector mqtt` does: try the broker, show what it gets, and take devices back. Beside a service that runs.

It goes by a name of its own at the broker, so that it does not throw out the service.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from secrets import token_hex

import trio

from collector.config.model import Config
from collector.config.names import Names
from collector.config.values import slug
from collector.errors import CollectorError
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.outputs.mqtt._broker import Broker, Link, Message
from collector.outputs.mqtt._published import FORGOTTEN_STATE, Published, forgotten, published
from collector.outputs.mqtt._watch import Watch, options_of

NOT_CONFIGURED = "no broker is configured: [mqtt] host in config.toml names one"
_TRIED = b"tried by hand"


@dataclass(frozen=True, slots=True)
class Tried:
    """What a broker answered: where it is, the version of the protocol that is spoken, and whether it uses TLS."""

    where: str
    version: str
    tls: bool


def messages(config: Config, now: int) -> list[Message]:
    """All that the broker gets at the instant `now` (ns), in order. Raises JournalError and CollectorError."""
    options = options_of(config)
    if options is None:
        raise CollectorError(NOT_CONFIGURED)
    with JournalReader(config.journal.path) as reader:
        watch = Watch(config, Names(config), options, since=0)
        return [wanted.message for wanted in watch.look(reader, frozenset(), now).messages]


def try_out(config: Config) -> Tried:
    """Connect, and send a message below each prefix as the service does, which is kept by nobody. Raises BrokerError
    and CollectorError.
    """
    broker = _broker(config)
    options = options_of(config)
    sent = []
    if options is not None:
        sent.append(Message(options.topics.state("check"), _TRIED, retained=False))
        # Home Assistant knows no such device, and takes none away.
        sent.append(Message(options.topics.config("check"), b"", retained=False))
    trio.run(broker.converse, partial(_send, sent=sent))
    return Tried(broker.where, broker.version, config.mqtt is not None and config.mqtt.tls)


def devices(config: Config) -> Published | None:
    """What is published. Raises JournalError."""
    with JournalReader(config.journal.path) as reader:
        return published(reader)


def forget(config: Config, ids: Sequence[str] | None, done: Callable[[str], None] = lambda _: None) -> int:
    """Take devices back, by the ids of any that are or were in their places, or all of them; `done` is called with
    each. Returns how many. A service that runs tells of one again as soon as that one reports. Raises BrokerError,
    JournalError and CollectorError.
    """
    broker, known = _broker(config), devices(config)
    if known is None:
        raise CollectorError("nothing was published yet")
    roots = {key.rpartition("/")[2]: key for key in known.devices}
    wanted = list(roots) if ids is None else [_root(Names(config), one) for one in ids]
    if unknown := [one for one in wanted if one not in roots]:
        raise CollectorError(f"{', '.join(unknown)}: nothing of the kind was published; nothing was taken back")
    now = time.time_ns()
    with JournalReader(config.journal.path) as reader:
        marks, is_running = forgotten(reader) | dict.fromkeys(wanted, now), reader.run_state().is_alive(now)
    journal = Journal(config.journal.path)
    try:
        # First, so that a service that runs does not bring back what is taken from the broker.
        journal.put_state(FORGOTTEN_STATE, marks)
    finally:
        journal.close()
    topics = known.topics.of_devices(roots[root] for root in wanted)
    if ids is None:
        # A service that runs goes on saying that it is there.
        topics += [*known.stale, *([] if is_running else [known.topics.status])]
    trio.run(broker.converse, partial(_send, sent=[Message(topic, b"") for topic in topics]))
    for root in wanted:
        done(root)
    return len(wanted)


def _root(names: Names, device: str) -> str:
    in_chain = names.ecus.chain(device)[0]
    return in_chain if in_chain != device else names.inverters.chain(device)[0]


def _broker(config: Config) -> Broker:
    if config.mqtt is None:
        raise CollectorError(NOT_CONFIGURED)
    return Broker(config.mqtt, f"collector-{slug(config.collector.instance)}-{token_hex(4)}-by-hand")


async def _send(link: Link, sent: Sequence[Message]) -> None:
    waiting = trio.Event()

    def note(_: int) -> None:
        if not link.under_way:
            waiting.set()

    link.on_taken = note
    for message in sent:
        link.publish(message)
    if sent:
        await waiting.wait()
