"""The configuration: what it says without a file, which fault is told how, and that no secret gets out."""

import errno
import json
import os
import re
import tomllib
from collections.abc import Callable
from datetime import date
from itertools import pairwise
from pathlib import Path

import certifi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.config.document import find
from collector.config.load import load
from collector.config.model import Config, Ecu, Inverter, Panel, Tariff
from collector.config.names import announced
from collector.config.succession import Succession
from collector.errors import ConfigError
from collector.newcomers import Welcome

ROOT = Path(__file__).parents[2]
SECRET = "a-token-that-nobody-may-see"
SECTIONS = (
    "site, grid, listen, collector, journal, influxdb, ledger, analysis, grafana, metrics, mqtt, homeassistant,"
    " pvoutput, mirror, ecu, inverter, tariff"
)
INFLUXDB = f'[influxdb]\nurl = "http://influxdb:8086"\norg = "home"\ntoken = "{SECRET}"\n'


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write_config(text: str) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_config


Write = Callable[[str], Path]


def faults(path: Path | None, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, environ)
    assert SECRET not in f"{caught.value!r} {caught.value}"
    return list(caught.value.faults)


# What holds without a word


def test_without_a_file_everything_has_its_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load(None, {})
    assert config == Config()
    assert (config.site.name, config.site.timezone) == ("Home", "UTC")
    assert (config.site.latitude, config.site.longitude) == (None, None)
    assert config.listen.host == ("0.0.0.0",)  # noqa: S104
    assert (config.listen.data_ports, config.listen.control_port) == ((8995, 8996), 8997)
    assert (config.listen.max_connections, config.listen.max_connections_per_address) == (4096, 256)
    assert config.collector.instance == "Home"
    assert (config.journal.path, config.journal.retain_days) == (Path("data/journal.db"), 0)
    assert (config.influxdb, config.ecu, config.inverter, config.tariff) == (None, (), (), ())
    assert config.grafana.boards is None


def test_an_empty_file_says_what_no_file_says(write: Write) -> None:
    assert load(write(""), {}) == Config()


def test_the_shipped_file_starts_with_no_edit() -> None:
    assert load(ROOT / "config.toml", {}) == Config()


def test_the_shipped_file_shows_every_key_with_its_default_or_a_sound_example(write: Write, tmp_path: Path) -> None:
    text = (ROOT / "config.toml").read_text(encoding="utf-8")
    tomllib.loads(text)  # TOML 1.0, which tomli would not insist on
    shown = re.sub(r"^# (?=\[|\w+ = |  \{|\])", "", text, flags=re.MULTILINE)
    token_file = tmp_path / "token"
    token_file.write_text(SECRET)
    shown = shown.replace("/run/secrets/influxdb_token", str(token_file))
    config = load(write(shown.replace("/etc/collector/authority.pem", certifi.where())), {})

    assert (config.listen, config.journal) == (Config().listen.model_copy(), Config().journal)
    assert config.influxdb is not None
    assert config.mqtt is not None
    assert (config.influxdb.bucket, config.influxdb.rollup_bucket) == ("solar", "solar_daily")
    for section in (
        config.site,
        config.listen,
        config.collector,
        config.journal,
        config.ledger,
        config.analysis,
        config.grafana,
        config.influxdb,
        config.mqtt,
    ):
        assert section.model_fields_set == set(type(section).model_fields), type(section).__name__
    assert config.ecu[0].model_fields_set == set(Ecu.model_fields)
    assert config.inverter[0].model_fields_set == set(Inverter.model_fields)
    assert config.inverter[0].panels[0].model_fields_set == set(Panel.model_fields)
    assert set().union(*(tariff.model_fields_set for tariff in config.tariff)) == set(Tariff.model_fields)


def test_a_full_file_says_what_it_says(write: Write) -> None:
    config = load(
        write(
            INFLUXDB
            + """
            [site]
            name = "Dak"
            timezone = "Europe/Amsterdam"
            latitude = 52
            longitude = 5.2
            [listen]
            host = ["127.0.0.1", "::1"]
            data_ports = [0, 0]
            control_port = 0
            [journal]
            path = "/var/lib/collector/journal.db"
            [[ecu]]
            id = "216000000001"
            timezone = "Etc/GMT-1"
            [[inverter]]
            id = "408000000001"
            panels = [{ channel = 2, peak_w = 400, row = 1, column = 3 }]
            """
        ),
        {},
    )
    assert (config.site.latitude, config.collector.instance) == (52.0, "Dak")
    assert config.listen.host == ("127.0.0.1", "::1")
    assert config.listen.data_ports == (0, 0)
    assert config.journal.path == Path("/var/lib/collector/journal.db")
    assert config.influxdb is not None
    assert config.influxdb.token.get_secret_value() == SECRET
    assert config.ecu == (Ecu(id="216000000001", timezone="Etc/GMT-1"),)
    assert config.inverter[0].panels == (Panel(channel=2, peak_w=400, row=1, column=3),)


def test_one_host_needs_no_list(write: Write) -> None:
    assert load(write('[listen]\nhost = "::"'), {}).listen.host == ("::",)


def test_an_instance_of_ones_own_is_kept(write: Write) -> None:
    config = load(write('[site]\nname = "Dak"\n[collector]\ninstance = "second"'), {})
    assert config.collector.instance == "second"


def test_whoever_accepts_all_is_called_like_the_site_as_any_other(write: Write) -> None:
    config = load(write('[site]\nname = "Dak"\n[collector]\naccept = "all"'), {})
    assert (config.collector.instance, config.collector.accept) == ("Dak", "all")
    assert announced(config).everyone
    assert faults(write('[collector]\naccept = "none"')) == ["collector.accept: expected 'all', got 'none'"]


def test_named_devices_are_announced(write: Write) -> None:
    # Inverters with a letter in their serial number are decoded, and so they can be named.
    lettered = "[[inverter]]\nid = '40800000000A'\nreplaces = '40800000000b'"
    assert load(write(lettered), {}).inverter[0].id == "40800000000A"
    named = '[[ecu]]\nid = "216000000001"\n[[inverter]]\nid = "408000000001"'
    assert announced(load(write(named), {})) == Welcome(frozenset({"216000000001"}), frozenset({"408000000001"}))


def test_a_config_can_not_be_changed(write: Write) -> None:
    config = load(write(""), {})
    with pytest.raises(ValueError, match="frozen"):
        config.site.name = "Elsewhere"  # type: ignore[misc]


# Which file


def test_the_variable_comes_before_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find({}) is None
    write('[site]\nname = "Here"')
    assert find({}) == Path("config.toml")
    assert load(None, {}).site.name == "Here"
    other = tmp_path / "other.toml"
    other.write_text('[site]\nname = "There"')
    assert find({"COLLECTOR_CONFIG": str(other)}) == other
    assert load(None, {"COLLECTOR_CONFIG": str(other)}).site.name == "There"
    assert load(None, {"COLLECTOR_CONFIG": ""}).site.name == "Here"
    assert load(tmp_path / "config.toml", {"COLLECTOR_CONFIG": str(other)}).site.name == "Here"


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    assert faults(missing) == [f"{missing}: cannot be read: No such file or directory"]
    assert faults(None, COLLECTOR_CONFIG=str(missing)) == [f"{missing}: cannot be read: No such file or directory"]


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    assert faults(tmp_path) == [f"{tmp_path}: is a folder, a file is wanted"]


def test_a_file_in_another_encoding_is_told(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes('[site]\nname = "Zürich"'.encode("latin-1"))
    assert faults(path) == [f"{path}: is not UTF-8 text (at byte 16)"]


def test_a_mistake_in_the_syntax_is_told_with_its_line(write: Write) -> None:
    path = write('[site]\nname = "Home\ntimezone = "UTC"\n')
    (fault,) = faults(path)
    assert fault.startswith(f"{path}, line 2, column ")


# Faults


def replacing(section: str, *pairs: str) -> str:
    """Devices, each a new id and the old one."""
    return "".join(
        f"[[{section}]]\nid = '{new}'\nreplaces = '{old}'\n" for new, old in (pair.split() for pair in pairs)
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "nonsense = 1",
            f"nonsense: unknown key (known here: {SECTIONS})",
        ),
        (
            '"a\\nb" = 1',
            rf"'a\nb': unknown key (known here: {SECTIONS})",
        ),
        ("[sight]", "sight: unknown key (did you mean 'site'?)"),
        ("[site]\ntimezon = 'UTC'", "site.timezon: unknown key (did you mean 'timezone'?)"),
        ("site = 'Home'", "site: expected a table of keys and values, got 'Home'"),
        ("[site]\nname = 5", "site.name: expected text in quotes, got 5"),
        ("[site]\nname = ' '", "site.name: expected text of one line that is not blank, got ' '"),
        (
            "[site]\nname = 'a\\nb'".replace("'", '"'),
            r"site.name: expected text of one line that is not blank, got 'a\nb'",
        ),
        ("[site]\nlatitude = 91\nlongitude = 0", "site.latitude: expected a number up to 90, got 91"),
        ("[site]\nlatitude = 0\nlongitude = -181", "site.longitude: expected a number from -180 up, got -181"),
        ("[site]\nlatitude = nan\nlongitude = 0", "site.latitude: expected a number, got nan"),
        ("[site]\nlatitude = true\nlongitude = 0", "site.latitude: expected a number, got true"),
        ("[site]\nlatitude = 1", "site.longitude: missing, since site.latitude is given"),
        ("[site]\nlongitude = 1", "site.latitude: missing, since site.longitude is given"),
        ("[[ecu]]\nid = '216000064136'\nlatitude = 1", "ecu[0].longitude: missing, since ecu[0].latitude is given"),
        (
            "[[ecu]]\nid = '216000064136'\nlatitude = 1\nlongitude = 181",
            "ecu[0].longitude: expected a number up to 180, got 181",
        ),
        (
            "[grid]\nvoltage_min_v = 240\nvoltage_max_v = 230",
            "grid.voltage_max_v: expected more than grid.voltage_min_v, which is 240",
        ),
        ("[grid]\nfrequency_max_hz = 502", "grid.frequency_max_hz: expected a number up to 70, got 502"),
        ("[grid]\nvoltage_max = 250", "grid.voltage_max: unknown key (did you mean 'voltage_max_v'?)"),
        (
            "[[ecu]]\nid = '216000064136'\npurchase_price = -1",
            "ecu[0].purchase_price: expected a number from 0 up, got -1",
        ),
        ("[listen]\nhost = []", "listen.host: expected at least one, got an empty list"),
        ("[listen]\nhost = ['::', '::']", "listen.host: expected addresses that differ, got a list"),
        ("[listen]\ndata_ports = 8995", "listen.data_ports: expected a list, got 8995"),
        ("[listen]\ndata_ports = ['x']", "listen.data_ports[0]: expected a whole number, got 'x'"),
        ("[listen]\ndata_ports = [1.5]", "listen.data_ports[0]: expected a whole number, got 1.5"),
        ("[listen]\ncontrol_port = 65536", "listen.control_port: expected a number up to 65535, got 65536"),
        ("[listen]\ncontrol_port = -1", "listen.control_port: expected a number from 0 up, got -1"),
        ("[listen]\ncontrol_port = 8995", "listen: port 8995 is given twice"),
        ("[metrics]\nport = 8997", "metrics.port: is one of those that gateways use, another one is wanted"),
        (
            "[mqtt]\nhost = 'b'\nprefix = 'homeassistant'",
            "mqtt.prefix: expected another one, since Home Assistant and the collector would both write"
            " homeassistant/status",
        ),
        (
            "[mqtt]\nhost = 'b'\nprefix = 'homeassistant'\ndiscovery_prefix = 'ha'",
            "mqtt.prefix: expected another one, since Home Assistant and the collector would both write"
            " homeassistant/status",
        ),
        (
            "[mqtt]\nhost = 'b'\nprefix = 'solar/ha'\ndiscovery_prefix = 'solar/ha'\ndiscovery = false",
            "mqtt.prefix: expected another one, since Home Assistant and the collector would both write"
            " solar/ha/status",
        ),
        (
            "[site]\nname = 'My Roof'\n[mqtt]\nhost = 'b'\ndiscovery_prefix = 'apsystems/my_roof'",
            "mqtt.discovery_prefix: expected another one, since Home Assistant and the collector would both write"
            " apsystems/my_roof/status",
        ),
        ("[listen]\ndata_ports = [1, 2, 1]", "listen: port 1 is given twice"),
        ("[listen]\nmax_connections = 0", "listen.max_connections: expected a number from 1 up, got 0"),
        ("[journal]\nretain_days = -1", "journal.retain_days: expected a number from 0 up, got -1"),
        (
            "[journal]\nretain_days = 999999",
            "journal.retain_days: expected a number up to 36500, or 0 to keep them for ever, got 999999",
        ),
        ("[journal]\npath = 1", "journal.path: expected text in quotes, got 1"),
        ("[ecu]\nid = 1", "ecu: expected tables, each headed [[ecu]], got a table"),
        ("[[ecu]]\nname = 'Roof'", "ecu[0].id: missing"),
        ("[[ecu]]\nid = '12345'", "ecu[0].id: expected 12 digits in quotes, got '12345'"),
        ("[[ecu]]\nid = '21600006413٣'", "ecu[0].id: expected 12 digits in quotes, got '21600006413٣'"),
        ("[[ecu]]\nid = 216000000001", "ecu[0].id: expected text in quotes, got 216000000001"),
        ("ecu = [1]", "ecu[0]: expected a table of keys and values, got 1"),
        ("[[inverter]]\nid = '408000000001'\npanels = [{}]", "inverter[0].panels[0].channel: missing"),
        (
            "[[inverter]]\nid = '408000000001'\npanels = [{channel = 1, peak_w = 0}]",
            "inverter[0].panels[0].peak_w: expected a number above 0, got 0",
        ),
        (
            "[[inverter]]\nid = '408000000001'\npanels = [{channel = 1, peak_w = 0.4}]",
            "inverter[0].panels[0].peak_w: expected the power of a panel in watts (did you mean 400?), got 0.4",
        ),
        (
            "[[inverter]]\nid = '408000000001'\npanels = [{channel = 1, row = 1}]",
            "inverter[0].panels[0]: row and column are wanted together or not at all",
        ),
        (
            "[[inverter]]\nid = '408000000001'\npanels = [{channel = 1, array = 'South', row = 1, column = 2},"
            "{channel = 2, array = 'South', row = 1, column = 2}]",
            "inverter[0].panels[1]: row 1, column 2 of 'South' is already that of inverter[0].panels[0]",
        ),
        (
            "[[inverter]]\nid = '408000000001'\npanels = [{channel = 1}, {channel = 1}]",
            "inverter[0].panels[1].channel: 1 is already that of inverter[0].panels[0]",
        ),
        (
            "[[ecu]]\nid = '216000000001'\n[[ecu]]\nid = '216000000001'",
            "ecu[1].id: '216000000001' is already that of ecu[0]",
        ),
        (
            "[[inverter]]\nid = '408000000001'\n[[inverter]]\nid = '408000000001'",
            "inverter[1].id: '408000000001' is already that of inverter[0]",
        ),
        (
            "[[ecu]]\nid = '216000000001'\nreplaces = '216000000001'",
            "ecu[0].replaces: '216000000001' is its own id, that of the old one is wanted",
        ),
        (
            "[[ecu]]\nid = '216000000001'\nreplaces = 'Roof'",
            "ecu[0].replaces: expected 12 digits in quotes, got 'Roof'",
        ),
        (
            "[[inverter]]\nid = '408000000001'\nreplaces = 408000000002",
            "inverter[0].replaces: expected text in quotes, got 408000000002",
        ),
        (
            "[[ecu]]\nid = '216000000001'\nreplace = '216000000002'",
            "ecu[0].replace: unknown key (did you mean 'replaces'?)",
        ),
        (
            "[[ecu]]\nid = '216000000001'\nsince = 2026-03-29",
            "ecu[0].since: unknown key (known here: id, name, timezone, latitude, longitude, purchase_price, replaces,"
            " from)",
        ),
        (
            replacing("ecu", "216000000002 216000000001", "216000000003 216000000001"),
            "ecu[1].replaces: '216000000001' is already replaced by ecu[0]",
        ),
        (
            replacing("inverter", "408000000001 408000000002", "408000000002 408000000001"),
            "inverter[0].replaces: goes round in a circle:"
            " 408000000001 is replaced by 408000000002 is replaced by 408000000001",
        ),
        (
            replacing("ecu", "216000000009 216000000008", "216000000008 216000000007", "216000000007 216000000009"),
            "ecu[2].replaces: goes round in a circle: 216000000007 is replaced by 216000000008"
            " is replaced by 216000000009 is replaced by 216000000007",
        ),
        (
            "[[ecu]]\nid = '216000000001'\nfrom = 2026-03-29",
            "ecu[0].from: is the day from which another is replaced, and replaces, which names it, is missing",
        ),
        (
            "[[ecu]]\nid = '216000000001'\nreplaces = '216000000002'\nfrom = 2026-03-29T12:00:00",
            "ecu[0].from: expected a day, as 2026-03-29, got 2026-03-29 12:00:00",
        ),
        (
            "[[ecu]]\nid = '216000000001'\nreplaces = '216000000002'\nfrom = '2026-02-29'",
            "ecu[0].from: expected a day, as 2026-03-29, got '2026-02-29'",
        ),
        (
            "[[inverter]]\nid = '408000000001'\nreplaces = '408000000002'\nfrom = '20260329'",
            "inverter[0].from: expected a day, as 2026-03-29, got '20260329'",
        ),
        (
            INFLUXDB + "bucket = 'solar_daily'",
            "influxdb.rollup_bucket: is the same as influxdb.bucket, two buckets are wanted",
        ),
        (
            INFLUXDB + "bucket = '_x'",
            "influxdb.bucket: expected a bucket's name, which neither starts with '_' nor has a quotation mark,"
            " '\\' or '$', got '_x'",
        ),
        (
            INFLUXDB + "bucket = 'so${x}'",
            "influxdb.bucket: expected a bucket's name, which neither starts with '_' nor has a quotation mark,"
            " '\\' or '$', got 'so${x}'",
        ),
        ("[journal]\npath = ''", "journal.path: expected a path, got ''"),
        (
            '[grafana]\nboards = "a\\u0000"',
            "grafana.boards: expected a path, got 'a\\x00' (character 2 is U+0000 CONTROL CHARACTER: take it out)",
        ),
        (INFLUXDB + "toke_file = 'x'", "influxdb.toke_file: unknown key (did you mean 'token_file'?)"),
    ],
)
def test_a_fault_is_one_line_that_says_what_was_expected(write: Write, text: str, told: str) -> None:
    assert faults(write(text)) == [told]


def test_every_fault_is_told_at_once(write: Write) -> None:
    told = faults(
        write(
            """
            [site]
            name = 1
            latitude = 1
            [listen]
            data_ports = ["x", 8997]
            [influxdb]
            tokn = "x"
            [[inverter]]
            id = 5
            panels = [{ channel = 1, colour = "red" }, { channel = 1 }]
            """
        )
    )
    assert [line.split(":")[0] for line in told] == [
        "site.name",
        "listen.data_ports[0]",
        "influxdb.url",
        "influxdb.org",
        "influxdb.token",
        "influxdb.tokn",
        "inverter[0].id",
        "inverter[0].panels[0].colour",
        "site.longitude",
        "listen",
        "inverter[0].panels[1].channel",
    ]


def test_a_long_value_is_cut(write: Write) -> None:
    (fault,) = faults(write(f"[site]\ntimezone = '{'x' * 1000}'"))
    assert len(fault) < 200


# Time zones


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "Europe", "", "/etc/localtime", "../zone", "localtime", "CEST+1", "a\\u0000b"]
)
def test_a_zone_must_be_in_the_database(write: Write, zone: str) -> None:
    (fault,) = faults(write(f'[site]\ntimezone = "{zone}"'))
    assert fault.startswith("site.timezone: expected the IANA name of a time zone, as 'Europe/Amsterdam'")


def test_a_zone_that_is_nearly_right_is_suggested(write: Write) -> None:
    (fault,) = faults(write("[site]\ntimezone = 'Europe/Amsterdm'"))
    assert "(did you mean 'Europe/Amsterdam'?)" in fault


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("GMT+1", "Etc/GMT-1"),
        ("UTC+02:00", "Etc/GMT-2"),
        ("utc-5", "Etc/GMT+5"),
        ("+14", "Etc/GMT-14"),
        ("Etc/UTC+1", "Etc/GMT-1"),
    ],
)
def test_an_offset_is_suggested_as_the_zone_that_has_it(write: Write, written: str, meant: str) -> None:
    (fault,) = faults(write(f"[[ecu]]\nid = '216000000001'\ntimezone = '{written}'"))
    assert f"(did you mean '{meant}', for UTC" in fault


@pytest.mark.parametrize("written", ["GMT+5:30", "UTC-13", "+15", "GMT+99"])
def test_an_offset_that_no_zone_is_named_after_is_not_taken_for_another(write: Write, written: str) -> None:
    (fault,) = faults(write(f"[site]\ntimezone = '{written}'"))
    assert "did you mean" not in fault


@pytest.mark.parametrize(
    ("tz", "zone"),
    [("America/New_York", "America/New_York"), (":Asia/Tokyo", "Asia/Tokyo")]
    + [(other, "UTC") for other in ("", "CET-1CEST", "/etc/localtime", "Europe", ":")],
)
def test_tz_counts_where_the_file_names_no_zone(write: Write, tz: str, zone: str) -> None:
    assert load(write(""), {"TZ": tz}).site.timezone == zone
    assert load(write("[site]\ntimezone = 'Europe/Paris'"), {"TZ": tz}).site.timezone == "Europe/Paris"


# InfluxDB and its secrets


ENVIRONMENT = {"INFLUXDB_URL": "http://db:8086", "INFLUXDB_ORG": "house", "INFLUXDB_TOKEN": SECRET}


def test_arrays_may_be_numbered_each_for_itself_and_panels_without_one_may_be_of_several_gateways(write: Write) -> None:
    place = "row = 1, column = 1"
    panels = f"panels = [{{channel = 1, array = '%s', {place}}}, {{channel = 2, {place}}}]"
    text = "".join(
        f"[[inverter]]\nid = '{number}'\n{panels % array}\n"
        for number, array in (("408000000001", "South"), ("408000000002", "West"))
    )
    assert len(load(write(text), {}).inverter) == 2


def test_the_folder_of_the_boards_comes_from_the_environment_before_the_file(write: Write) -> None:
    path = write("[grafana]\nboards = 'boards'")
    assert load(path, {}).grafana.boards == Path("boards")
    assert load(path, {"COLLECTOR_BOARDS": ""}).grafana.boards == Path("boards")
    assert load(path, {"COLLECTOR_BOARDS": "/srv/boards"}).grafana.boards == Path("/srv/boards")
    assert load(write(""), {"COLLECTOR_BOARDS": "/srv/boards"}).grafana.boards == Path("/srv/boards")
    assert load(write(""), {"COLLECTOR_DASHBOARDS": "/srv/all"}).grafana.dashboards == Path("/srv/all")
    assert load(write(""), {"GRAFANA_URL": "http://grafana:3000/"}).grafana.url == "http://grafana:3000"


def test_the_environment_alone_switches_influxdb_on(write: Write) -> None:
    influxdb = load(write(""), ENVIRONMENT).influxdb
    assert influxdb is not None
    assert (influxdb.url, influxdb.org, influxdb.bucket) == ("http://db:8086", "house", "solar")
    assert influxdb.token.get_secret_value() == SECRET


def test_without_a_section_and_a_url_the_other_variables_mean_nothing(write: Write) -> None:
    assert load(write(""), {"INFLUXDB_URL": "", "INFLUXDB_ORG": "house", "INFLUXDB_TOKEN": SECRET}).influxdb is None


def test_the_environment_comes_before_the_file(write: Write, tmp_path: Path) -> None:
    path = write("[influxdb]\nurl = 'http://a'\norg = 'b'\ntoken_file = '/nowhere'\nbucket = 'd'")
    influxdb = load(path, ENVIRONMENT).influxdb
    assert influxdb is not None
    assert (influxdb.url, influxdb.org, influxdb.bucket) == ("http://db:8086", "house", "d")

    token_file = tmp_path / "token"
    token_file.write_text("of-the-file\n")
    influxdb = load(write(INFLUXDB), {"INFLUXDB_TOKEN_FILE": str(token_file)}).influxdb
    assert influxdb is not None
    assert influxdb.token.get_secret_value() == "of-the-file"


def test_a_token_can_be_in_a_file_of_its_own(write: Write, tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    token_file.write_text(f"  {SECRET}\n")
    path = write(f"[influxdb]\nurl = 'http://a/'\norg = 'b'\ntoken_file = '{token_file}'")
    influxdb = load(path, {}).influxdb
    assert influxdb is not None
    assert (influxdb.url, influxdb.token.get_secret_value()) == ("http://a", SECRET)


def test_what_the_section_lacks_is_told_with_the_variable_that_would_do(write: Write) -> None:
    assert faults(write("[influxdb]")) == [
        "influxdb.url: missing (or set INFLUXDB_URL)",
        "influxdb.org: missing (or set INFLUXDB_ORG)",
        "influxdb.token: missing (or set token_file, INFLUXDB_TOKEN or INFLUXDB_TOKEN_FILE)",
    ]


def test_a_bad_value_of_a_variable_is_told_by_its_name(write: Write) -> None:
    environment = {**ENVIRONMENT, "INFLUXDB_URL": "db:8086"}
    assert faults(write(""), **environment) == [
        "INFLUXDB_URL: expected an address that begins with http:// or https:// (did you mean 'http://db:8086'?),"
        " got 'db:8086'"
    ]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://a",
        "me:secret@a",
        "a/b",
        "http://",
        "http://a:x",
        "http://a:0",
        "http://a:70000",
        "http://a b",
        "http://[::",
        "http://é",
    ],
)
def test_a_url_must_be_one_of_http(write: Write, url: str) -> None:
    (fault,) = faults(write(INFLUXDB.replace("http://influxdb:8086", url)))
    shown = "" if "@" in url else f", got '{url}'"
    assert fault == f"influxdb.url: expected an address that begins with http:// or https://{shown}"


@pytest.mark.parametrize("host", ["mqtt://broker", "broker:1883", "192.168.1.10:1883", "broker/", "[::1]"])
def test_a_host_has_neither_a_scheme_nor_a_port(write: Write, host: str) -> None:
    (fault,) = faults(write(f"[mqtt]\nhost = '{host}'"))
    assert fault == (
        f"mqtt.host: expected a name or an address alone, as 192.168.1.10: the port has a key of its own, got '{host}'"
    )


@pytest.mark.parametrize("line", ["[listen]\nhost = '192.168.1.300'", "[metrics]\nhost = '1.2.3.04'"])
def test_four_numbers_that_are_no_address_are_told(write: Write, line: str) -> None:
    (fault,) = faults(write(line))
    assert "expected an address of this machine, as 192.168.1.10, got" in fault


def test_what_goes_before_an_address_is_suggested(write: Write) -> None:
    assert faults(write("[grafana]\nurl = 'grafana'")) == [
        "grafana.url: expected an address that begins with http:// or https:// (did you mean 'http://grafana'?),"
        " got 'grafana'"
    ]


@pytest.mark.parametrize("url", ["http://[::1]:8086", "https://db.example/influx", "http://10.0.0.2"])
def test_a_url_may_have_any_host_and_a_path(write: Write, url: str) -> None:
    influxdb = load(write(INFLUXDB.replace("http://influxdb:8086", url)), {}).influxdb
    assert influxdb is not None
    assert influxdb.url == url


def test_a_url_with_a_password_is_refused_and_not_shown(write: Write) -> None:
    (fault,) = faults(write(INFLUXDB.replace("http://influxdb", f"http://me:{SECRET}@influxdb")))
    assert "without user, password" in fault


@pytest.mark.parametrize("content", ["", " \n", f"{SECRET}\n{SECRET}", f"{SECRET} x", f"{SECRET}é"])
def test_a_token_file_must_hold_one_word(write: Write, tmp_path: Path, content: str) -> None:
    token_file = tmp_path / "token"
    token_file.write_text(content, encoding="utf-8")
    path = write(f"[influxdb]\nurl = 'http://a'\norg = 'b'\ntoken_file = '{token_file}'")
    assert faults(path) == [
        "influxdb.token_file: the file holds no token, which is one word of printable ASCII characters"
    ]


@pytest.mark.parametrize(
    ("hidden", "name"), [("\x00", "U+0000 CONTROL CHARACTER"), ("\u200b", "U+200B ZERO WIDTH SPACE")]
)
def test_a_character_of_a_token_that_nobody_sees_is_told_without_the_token(
    write: Write, tmp_path: Path, hidden: str, name: str
) -> None:
    token_file = tmp_path / "token"
    token_file.write_text(f"{SECRET}{hidden}\n", encoding="utf-8")
    (fault,) = faults(write(f"[influxdb]\nurl = 'http://a'\norg = 'b'\ntoken_file = '{token_file}'"))
    assert fault.endswith(f"printable ASCII characters (character 28 is {name}: take it out)")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xef\xbb\xbfabcdef123==\r\n", id="with a byte order mark, as Notepad saves it"),
        pytest.param("\ufeffabcdef123==\r\n".encode("utf-16-le"), id="UTF-16, as PowerShell writes it"),
        pytest.param("\ufeffabcdef123==\r\n".encode("utf-16-be"), id="UTF-16 the other way round"),
        pytest.param(b"\xc2\xa0abcdef123==\xc2\xa0\n", id="between no-break spaces"),
    ],
)
def test_a_token_file_may_be_saved_by_any_editor(write: Write, tmp_path: Path, data: bytes) -> None:
    token_file = tmp_path / "token"
    token_file.write_bytes(data)
    influxdb = load(write(f"[influxdb]\nurl = 'http://a'\norg = 'b'\ntoken_file = '{token_file}'"), {}).influxdb
    assert influxdb is not None
    assert influxdb.token.get_secret_value() == "abcdef123=="


@pytest.mark.parametrize("data", [b"\xff\xfea", b"\xff", b"\xfe\xff\xd8\x00"])
def test_a_token_file_that_is_no_text_holds_none(write: Write, tmp_path: Path, data: bytes) -> None:
    token_file = tmp_path / "token"
    token_file.write_bytes(data)
    (fault,) = faults(write(f"[influxdb]\nurl = 'http://a'\norg = 'b'\ntoken_file = '{token_file}'"))
    assert fault.startswith("influxdb.token_file: the file holds no token")


NO_BREAK = "U+00A0 NO-BREAK SPACE: write a plain space)"
ZERO_WIDTH = "U+200B ZERO WIDTH SPACE: take it out)"


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ("[site]\nname = 'Toit n°\u00a01'", "site.name", f"(character 8 is {NO_BREAK}"),
        ("[site]\nname = 'Toit\t1'", "site.name", "(character 5 is U+0009 TAB: take it out)"),
        (
            "[site]\nname = 'Toit\u28001'",
            "site.name",
            "(character 5 is U+2800 BRAILLE PATTERN BLANK: write a plain space)",
        ),
        ("[site]\nname = 'Dak\u200b'", "site.name", f"(character 4 is {ZERO_WIDTH}"),
        ("[site]\ntimezone = 'Europe/Amsterdam\u00a0'", "site.timezone", f"(character 17 is {NO_BREAK}"),
        ("[collector]\ninstance = 'a\u00a0b'", "collector.instance", f"(character 2 is {NO_BREAK}"),
        ("[listen]\nhost = '192.168.1.10\u200b'", "listen.host[0]", f"(character 13 is {ZERO_WIDTH}"),
        ("[journal]\npath = 'data/\u200bjournal.db'", "journal.path", f"(character 6 is {ZERO_WIDTH}"),
        ("[grafana]\nboards = 'my\u00a0boards'", "grafana.boards", f"(character 3 is {NO_BREAK}"),
        ("[grafana]\nurl = 'http://grafana:3000\u200b'", "grafana.url", f"(character 20 is {ZERO_WIDTH}"),
        ("[[ecu]]\nid = '216000000101\u00a0'", "ecu[0].id", f"(character 13 is {NO_BREAK}"),
        (INFLUXDB + "bucket = 'so\u200blar'", "influxdb.bucket", f"(character 3 is {ZERO_WIDTH}"),
        (INFLUXDB.replace("home", "ho\u00a0me"), "influxdb.org", f"(character 3 is {NO_BREAK}"),
        (INFLUXDB.replace(SECRET, f"{SECRET}\u200b"), "influxdb.token", f"(character 28 is {ZERO_WIDTH}"),
        (
            "[[inverter]]\nid = '408000000001'\n[[inverter.panels]]\nchannel = 1\nname = 'Toit n°\u00a01'",
            "inverter[0].panels[0].name",
            f"(character 8 is {NO_BREAK}",
        ),
    ],
)
def test_a_character_that_nobody_sees_is_told_by_its_name(write: Write, text: str, key: str, hint: str) -> None:
    (fault,) = faults(write(text.replace("'", '"')))
    assert fault.startswith(f"{key}: expected ")
    assert fault.endswith(hint)


def test_so_is_one_in_the_name_of_a_tokens_file(write: Write) -> None:
    (fault,) = faults(write("[influxdb]\nurl = 'http://a'\norg = 'b'\ntoken_file = '/run/token\u200b'"))
    assert fault == (
        f"influxdb.token_file: the file cannot be read: No such file or directory (character 11 is {ZERO_WIDTH}"
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[[tariff]]\nprice_per_kwh = 0,30", "after a statement (decimals are written with a point)"),
        ("[site]\nlatitude = 52,1  # north", "after a statement (decimals are written with a point)"),
        ("[ledger]\nenabled = yes", "column 11: Invalid value (it is true or false, in small letters)"),
        ("[mirror]\nenabled = True  # on", "column 11: Invalid value (it is true or false, in small letters)"),
        ("[[tariff]]\nfrom = 01.02.2026", "after a statement (a day is written as 2026-02-28)"),
        ("[[tariff]]\nfrom = 2026-02-01 x", "Expected newline or end of document after a statement"),
        ("[site]\n\u00a0name = 'x'", "line 2, column 1: Invalid statement; U+00A0 NO-BREAK SPACE stands there"),
        ("[site]\nname = \u201cx\u201d", "column 8: Invalid value; U+201C LEFT DOUBLE QUOTATION MARK stands there"),
        ("[site]\nname = x", "line 2, column 8: Invalid value"),
        ("[site]\nname = ", "line 2, column 8: Invalid value"),
    ],
)
def test_a_character_between_values_that_looks_like_another_is_told(write: Write, text: str, fault: str) -> None:
    (told,) = faults(write(text))
    assert told.endswith(fault)


@pytest.mark.parametrize("name", ["Dach Süd", "Toit n° 1", "屋根", "Ζεύς ☀️", "é", " Roof "])
def test_a_name_may_have_any_character_that_takes_ink(write: Write, name: str) -> None:
    assert load(write(f'[site]\nname = "{name}"'), {}).site.name == name


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("token = 5", "influxdb.token: expected text in quotes"),
        (f"token = '{SECRET} x'", "influxdb.token: expected a token: one word of printable ASCII characters"),
        ("token = ''", "influxdb.token: expected a token: one word of printable ASCII characters"),
        ("token_file = 5", "influxdb.token_file: expected the name of a file, in quotes"),
        (f"token_file = '{SECRET}'", "influxdb.token_file: the file cannot be read: No such file or directory"),
        (f"token_file = '{'x' * 5000}'", "influxdb.token_file: the file cannot be read: File name too long"),
        ("token_file = '.'", "influxdb.token_file: the file cannot be read: Is a directory"),
        (
            f"token = '{SECRET}'\ntoken_file = 'x'",
            "influxdb.token_file: given besides token, one of them is wanted",
        ),
    ],
)
def test_a_bad_token_is_told_without_it(write: Write, line: str, told: str) -> None:
    assert faults(write(f"[influxdb]\nurl = 'http://a'\norg = 'b'\n{line}")) == [told]


def test_a_token_in_the_place_of_the_section_is_not_shown(write: Write) -> None:
    assert faults(write(f"influxdb = '{SECRET}'")) == ["influxdb: expected a table of keys and values"]


def test_two_tokens_of_the_environment_are_one_too_many(write: Write) -> None:
    assert faults(write(""), **ENVIRONMENT, INFLUXDB_TOKEN_FILE="/x") == [
        "INFLUXDB_TOKEN_FILE: given besides INFLUXDB_TOKEN, one of them is wanted"
    ]


def test_no_secret_is_in_a_repr(write: Write) -> None:
    config = load(write(INFLUXDB), {})
    assert SECRET not in f"{config!r} {config} {config.influxdb!r} {config.model_dump_json()}"


def test_whoever_never_asks_the_database_needs_no_token(write: Write) -> None:
    section = INFLUXDB.replace(f'token = "{SECRET}"\n', "")
    for text in (INFLUXDB, section, section + "token_file = '/nowhere'\n"):
        for environ in ({}, {"INFLUXDB_TOKEN": SECRET}, {"INFLUXDB_TOKEN_FILE": "/nowhere"}):
            influxdb = load(write(text), environ, needs_token=False).influxdb
            assert influxdb is not None
            assert influxdb.token.get_secret_value() == "none"
    assert load(write(""), {}, needs_token=False).influxdb is None


def test_a_folder_that_this_user_may_not_look_into_has_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "stat", denied)
    assert find({}) is None


def test_brackets_without_end_are_told(write: Write) -> None:
    (fault,) = faults(write("a = " + "[" * 5000))
    assert "nested more than" in fault


def test_the_mark_that_some_editors_put_first_is_no_fault(write: Write) -> None:
    assert load(write('\ufeff[site]\nname = "Dak"'), {}).site.name == "Dak"


def test_roofs_of_several_gateways_are_numbered_each_for_itself(write: Write) -> None:
    panels = "panels = [{channel = 1, array = 'South', row = 1, column = 1}]\n"
    inverters = "".join(f"[[inverter]]\nid = '40800000000{number}'\n{panels}" for number in (1, 2))
    gateways = "".join(f"[[ecu]]\nid = '21600000000{number}'\n" for number in (1, 2))
    assert len(load(write(gateways + inverters), {}).inverter) == 2
    assert faults(write(inverters)) == [
        "inverter[1].panels[0]: row 1, column 1 of 'South' is already that of inverter[0].panels[0]"
        " (if this inverter took its place: replaces = '408000000001')"
    ]


# Replaced devices

A, B, C, D = (f"40800000000{number}" for number in (1, 2, 3, 4))
ON_ONE_PLACE = "name = 'Garage'\npanels = [{channel = 1, name = 'P1', array = 'South', row = 1, column = 1}]\n"


def inverters(*lines: str) -> str:
    return "".join(f"[[inverter]]\nid = '{line}\n{ON_ONE_PLACE}" for line in lines)


def test_an_inverter_and_the_one_that_replaces_it_may_share_a_name_and_a_place(write: Write) -> None:
    assert len(faults(write(inverters(f"{A}'", f"{B}'")))) == 1
    for old, new in ((f"{A}'", f"{B}'\nreplaces = '{A}'"), (f"{B}'\nreplaces = '{A}'", f"{A}'")):
        assert [one.name for one in load(write(inverters(old, new)), {}).inverter] == ["Garage", "Garage"]


def test_so_may_all_of_a_chain_also_where_one_between_them_has_no_entry(write: Write) -> None:
    chain = (f"{C}'\nreplaces = '{B}'", f"{A}'", f"{B}'\nreplaces = '{A}'")
    assert len(load(write(inverters(*chain)), {}).inverter) == 3
    between = f"[[inverter]]\nid = '{B}'\nreplaces = '{A}'\n"
    assert len(load(write(inverters(*chain[:2]) + between), {}).inverter) == 3


def test_two_chains_are_on_one_place_as_little_as_two_inverters(write: Write) -> None:
    (fault,) = faults(write(inverters(f"{A}'", f"{B}'\nreplaces = '{A}'", f"{D}'\nreplaces = '{C}'")))
    assert fault.startswith("inverter[2].panels[0]: row 1, column 1 of 'South' is already that of inverter[0]")


def test_a_gateway_and_the_one_that_replaces_it_have_one_roof(write: Write) -> None:
    gateways = "[[ecu]]\nid = '216000000001'\n" + replacing("ecu", "216000000002 216000000001")
    assert len(faults(write(gateways + inverters(f"{A}'", f"{B}'")))) == 1


@pytest.mark.parametrize("day", ["2026-03-29", "'2026-03-29'"])
def test_the_day_of_a_replacement_is_one_of_toml_or_a_text(write: Write, day: str) -> None:
    (gateway,) = load(write(replacing("ecu", "216000000002 216000000001") + f"from = {day}"), {}).ecu
    assert (gateway.replaces, gateway.since) == ("216000000001", date(2026, 3, 29))


@given(pairs=st.lists(st.tuples(st.sampled_from((A, B, C, D)), st.sampled_from((A, B, C, D))), max_size=5))
def test_whatever_replaces_whatever_is_chains_with_an_end_or_a_fault(
    pairs: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "chains.toml"
    path.write_text(replacing("inverter", *(f"{new} {old}" for new, old in pairs)))
    olds, news = [old for _, old in pairs], [new for new, _ in pairs]
    try:
        chains = Succession(load(path, {}).inverter).chains()
    except ConfigError:
        return
    assert len(set(olds)) == len(olds)
    assert len(set(news)) == len(news)
    assert sorted((new, old) for chain in chains for old, new in pairwise(chain)) == sorted(pairs)


# Whatever a file holds

KEYS = ["site", "listen", "influxdb", "journal", "collector", "ecu", "inverter", "panels", "id", "channel", "token"]
KEYS += ["replaces", "from", "grid", "voltage_min_v", "voltage_max_v"]
KEYS += ["name", "timezone", "latitude", "longitude", "host", "data_ports", "control_port", "url", "org", "row", "path"]
scalars = (
    st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="ascii"))
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
)


def toml(value: object) -> str:
    """Inline TOML, which for these values is JSON save for the tables and some control characters."""
    match value:
        case dict():
            return "{" + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case _:
            return json.dumps(value).replace("\x7f", "\\u007f")


@given(document=st.dictionaries(st.sampled_from(KEYS), values, max_size=5))
def test_any_document_is_a_config_or_a_list_of_faults(
    document: dict[str, object], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text("".join(f"{key} = {toml(value)}\n" for key, value in document.items()))
    try:
        told = ["fine", load(path, {}).site.timezone]
    except ConfigError as exc:
        told = list(exc.faults)
    assert told
    assert all(line.isprintable() for line in told)
