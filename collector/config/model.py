"""The sections and keys of `config.toml`, as frozen models. A `Config` needs no further check."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from collector.config.document import JOURNAL_PATH
from collector.config.values import (
    Address,
    Bucket,
    Day,
    DeviceId,
    Energy,
    FilePath,
    GridFrequency,
    GridVoltage,
    Host,
    Hosts,
    Hours,
    InverterId,
    KeptDays,
    Latitude,
    List,
    Longitude,
    Name,
    PeakPower,
    Port,
    Ports,
    Positive,
    Price,
    Token,
    Topic,
    UploadPort,
    UploadPorts,
    Url,
    Weekdays,
    Zone,
    no_poll,
    now_or_day,
    prefix_of,
)


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", hide_input_in_errors=True)


class Site(Section):
    """Where the panels are; `latitude` and `longitude` are both given or neither. And what a kWh of the grid causes."""

    name: Name = "Home"
    timezone: Zone = "UTC"
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    co2_g_per_kwh: Price | None = None


class Grid(Section):
    """The limits of the grid where the owner knows better ones than those that follow from what is measured."""

    voltage_min_v: GridVoltage | None = None
    voltage_max_v: GridVoltage | None = None
    frequency_min_hz: GridFrequency | None = None
    frequency_max_hz: GridFrequency | None = None


class Listen(Section):
    """The addresses and ports to listen on; port 0 asks the system for any free one."""

    host: Hosts = ("0.0.0.0",)  # noqa: S104 - the ECU is another machine on the owner's network
    data_ports: Ports = (8995, 8996)
    control_port: Port = 8997
    max_connections: Positive = 4096
    max_connections_per_address: Positive = 256


class Collector(Section):
    """How its own reports are tagged, in a `Config` the site's name by default, and whether to `accept` any device."""

    instance: Name = ""
    accept: Literal["all"] | None = None


class Journal(Section):
    """The file of records, relative to the working directory, and the days to keep what is delivered (0: for ever)."""

    path: FilePath = JOURNAL_PATH
    retain_days: KeptDays = 0


class InfluxDB(Section):
    """The database and the two buckets in it; `token` is already resolved from wherever it was given, and `ca_file`
    stands in for the authorities that the system trusts.
    """

    url: Url
    org: Name
    token: Token
    bucket: Bucket = "solar"
    rollup_bucket: Bucket = "solar_daily"
    ca_file: FilePath | None = None


class Ledger(Section):
    """Whether the account of energies is kept up, also where no output needs it."""

    enabled: bool = False


class Analysis(Section):
    """Whether all days are analysed every night."""

    enabled: bool = True


class Grafana(Section):
    """The folder for the board that is made from `row` and `column`, which Grafana reads; without it none is made.

    The rest is for a look at whether Grafana works: the folder of its other boards, its address, and a token or a user
    with a password, each in a file that is read when it is needed.
    """

    boards: FilePath | None = None
    dashboards: FilePath | None = None
    url: Url | None = None
    token_file: FilePath | None = None
    user: Name = "admin"
    password_file: FilePath | None = None


class Metrics(Section):
    """Where to serve `/metrics` and `/health`: nowhere without a port, and for this machine only by default."""

    host: Host = "127.0.0.1"
    port: Port | None = None


class Mqtt(Section):
    """The broker to which the latest of all gateways and inverters is sent; none without the section.

    Without `port` it is the usual one, with `tls` or without. `protocol` is the highest version to speak. `prefix`
    begins all topics, in a `Config` "apsystems/" and the collector's instance by default; `discovery` announces the
    devices to Home Assistant, with their `panels` or without.
    """

    host: Host
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    user: Name | None = None
    password_file: FilePath | None = None
    tls: bool = False
    ca_file: FilePath | None = None
    cert_file: FilePath | None = None
    key_file: FilePath | None = None
    protocol: Literal[5, "3.1.1"] = 5
    prefix: Topic = ""
    discovery_prefix: Topic = "homeassistant"
    discovery: bool = True
    panels: bool = True


class HomeAssistant(Section):
    """The Home Assistant whose statistics get the energy of every hour; none without the section.

    `panels` says whether each panel has a series of its own, besides gateways and arrays. Only the certificates in
    `ca_file` vouch for its own, if it is given.
    """

    url: Url
    token_file: FilePath
    ca_file: FilePath | None = None
    panels: bool = False


class PvOutput(Section):
    """A system at PVOutput, and what it is made of: all gateways, or some `ecus`, or an `array`. Days before `since`
    are not sent.

    `key` comes from the environment alone, and stands in where no `key_file` is given.
    """

    system_id: Positive
    key_file: FilePath | None = None
    key: Token | None = None
    ecus: Annotated[tuple[DeviceId, ...], List] = ()
    array: Name | None = None
    since: Day | None = Field(default=None, alias="from")
    temperature: Literal["inverter", ""] = ""
    voltage: bool = True
    url: Url = "https://pvoutput.org/service/r2"


class Mirror(Section):
    """Whether and how the vendor's cloud gets the records, too; off by default.

    The name `data_host` is asked of the DNS server `resolver`, unless `address` says where the cloud is. `control` is
    what goes to the control port: the reports that gateways push, or nothing. `since` is from when on records go out,
    by their receipt: the day, or when "now" first stood there. Without `ecus` those of all gateways do.
    """

    enabled: bool = False
    data_host: Host = "ecu.apsystemsema.com"
    data_ports: UploadPorts = (8995, 8996)
    control_port: UploadPort = 8997
    control: Annotated[Literal["pushes", "none"], BeforeValidator(no_poll)] = "pushes"
    resolver: Address = "1.1.1.1"
    address: Address | None = None
    since: Annotated[Literal["now"] | date, BeforeValidator(now_or_day)] = "now"
    ecus: Annotated[tuple[DeviceId, ...], List] = ()


class Ecu(Section):
    """A gateway that has a name, or a clock or a place of its own, or that took the place of another; and what all that
    is behind it has cost.
    """

    id: DeviceId
    name: Name | None = None
    timezone: Zone | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    purchase_price: Price | None = None
    replaces: DeviceId | None = None
    since: Day | None = Field(default=None, alias="from")


class Panel(Section):
    """What is plugged into one channel of an inverter; `row` and `column`, from 1, place it on the roof board, and
    `start_kwh` is what it had made before the first record.
    """

    channel: Positive
    name: Name | None = None
    array: Name | None = None
    peak_w: PeakPower | None = None
    row: Positive | None = None
    column: Positive | None = None
    start_kwh: Energy | None = None


class Inverter(Section):
    """An inverter that has a name, or panels that have one, or that took the place of another. `start_kwh` is what its
    counter stood at before the first record.
    """

    id: InverterId
    name: Name | None = None
    replaces: InverterId | None = None
    since: Day | None = Field(default=None, alias="from")
    start_kwh: Energy | None = None
    panels: Annotated[tuple[Panel, ...], List] = ()


class Tariff(Section):
    """What a kWh costs that is bought, and earns that is sold, from a day on until that of a later tariff; where it has
    `hours` or `weekdays`, then only, as one of several from that day on.
    """

    since: Day = Field(alias="from")
    price_per_kwh: Price | None = None
    feed_in_per_kwh: Price | None = None
    currency: Name | None = None
    hours: Hours | None = None
    weekdays: Weekdays | None = None


class Config(Section):
    """All settings; `influxdb` is None when the collector runs on its journal alone."""

    site: Site = Site()
    grid: Grid = Grid()
    listen: Listen = Listen()
    collector: Annotated[Collector, Field(validate_default=True)] = Collector()
    journal: Journal = Journal()
    influxdb: InfluxDB | None = None
    ledger: Ledger = Ledger()
    analysis: Analysis = Analysis()
    grafana: Grafana = Grafana()
    metrics: Metrics = Metrics()
    mqtt: Mqtt | None = None
    homeassistant: HomeAssistant | None = None
    pvoutput: Annotated[tuple[PvOutput, ...], List] = ()
    mirror: Mirror = Mirror()
    ecu: Annotated[tuple[Ecu, ...], List] = ()
    inverter: Annotated[tuple[Inverter, ...], List] = ()
    tariff: Annotated[tuple[Tariff, ...], List] = ()

    @field_validator("collector", mode="after")
    @classmethod
    def _named_after_the_site(cls, value: Collector, info: ValidationInfo) -> Collector:
        site: Site | None = info.data.get("site")
        return value if value.instance or site is None else value.model_copy(update={"instance": site.name})

    @field_validator("mqtt", mode="after")
    @classmethod
    def _below_the_instance(cls, value: Mqtt | None, info: ValidationInfo) -> Mqtt | None:
        own: Collector | None = info.data.get("collector")
        if value is None or value.prefix or own is None:
            return value
        return value.model_copy(update={"prefix": prefix_of(own.instance)})
