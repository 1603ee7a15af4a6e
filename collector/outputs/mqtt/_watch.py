"""Keeps the picture of what a broker is to hold: reads what was stored, and judges silence and night. For a thread."""

from collector.config.model import Config
from collector.config.names import Names
from collector.journal.reading import Gateway as Heard
from collector.journal.reading import JournalReader
from collector.journal.rounds import rounds_between
from collector.outputs.mqtt._account import Account
from collector.outputs.mqtt._judge import Judge
from collector.outputs.mqtt._latest import Gateway, Inverter, Latest
from collector.outputs.mqtt._picture import Options, Picture, picture
from collector.outputs.mqtt._published import Published, forgotten, published
from collector.outputs.mqtt._topics import Topics
from collector.outputs.records import Cursor, Records

# Of so many gateways the whole newest day is looked at, when an output begins; of more, an hour each.
_FEW, _LAST_ROUNDS = 20, 12


class Watch:
    """`since` is when the collector began (ns)."""

    def __init__(self, config: Config, names: Names, options: Options, since: int) -> None:
        self._names = names
        self._options = options
        self._judge = Judge(names, since)
        self._account = Account(config)
        self._records = Records(names)
        self._cursor: Cursor | None = None
        self._latest = Latest(names)
        self._published = Published(options.topics)

    def look(self, reader: JournalReader, cleared: frozenset[str], now: int) -> Picture:
        """The picture at the instant `now` (ns); topics that are empty now are `cleared`. Raises JournalError."""
        heard = reader.gateways()
        if self._cursor is None or self._cursor[0] != reader.file:
            self._begin(reader, heard)
        self._read_on(reader)
        for root, at in forgotten(reader).items():
            for device in (self._latest.gateways.get(root), self._latest.inverters.get(root)):
                if device is not None and device.heard_at <= at:
                    self._latest.forget(root)
        found = picture(
            self._latest,
            self._published,
            cleared,
            self._names,
            self._options,
            self._judge.lights(reader, self._latest, heard, now),
            self._account.energies(reader, self._latest, now),
            now,
            self._judge.problems(reader, now),
        )
        self._published = found.published
        return found

    def _begin(self, reader: JournalReader, heard: list[Heard]) -> None:
        """Take the newest rounds of each gateway, and what is known of others from before."""
        self._latest = Latest(self._names)
        self._cursor = self._records.end(reader)
        for gateway in heard:
            day = gateway.newest_time[:8]
            records = rounds_between(reader, gateway.ecu, day, f"{day}~") if day else []
            if len(heard) > _FEW:
                records = records[-_LAST_ROUNDS:]
            for record, decoded in self._records.decoded(reader, records):
                self._latest.take(record, decoded)
        before = published(reader)
        if before is not None:
            self._published = before
        for known in self._published.devices.values():
            device = known.restored()
            if self._is_in_its_place(device):
                self._latest.add(device)

    def _is_in_its_place(self, device: Gateway | Inverter) -> bool:
        """Whether a device goes by this id still; the configuration may say now that it took another one's place."""
        chains = self._names.ecus if isinstance(device, Gateway) else self._names.inverters
        return chains.chain(device.root)[0] == device.root

    def _read_on(self, reader: JournalReader) -> None:
        has_more = True
        while has_more and self._cursor is not None:
            step = self._records.behind(self._cursor)(reader)
            for record, decoded in step.taken:
                self._latest.take(record, decoded)
            self._cursor, has_more = step.cursor, step.has_more


def options_of(config: Config) -> Options | None:
    """What the owner wants to be published; None without a broker."""
    mqtt = config.mqtt
    if mqtt is None:
        return None
    return Options(Topics(mqtt.prefix, mqtt.discovery_prefix), discovery=mqtt.discovery, panels=mqtt.panels)
