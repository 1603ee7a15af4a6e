"""The owners: one function each, from the instant at which somebody looks to what they have."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from collector.client.firmware import GENERATIONS
from collector.protocol.models import dialect
from collector.simulate._site import SolarSite
from collector.simulate.equipment import INVERTERS, Panel, RoofInverter, Shadow
from collector.simulate.sky import Place
from tests.sites.owner import Gateway, Noon, Owner, SixtyHertz, days

_PEAK_W, _TILT_DEG = 400.0, 35.0
_FIRMWARE = GENERATIONS["ecu-r-1"]
_SMALL = INVERTERS["YC600"]
_TARIFF = {"from": "2020-01-01", "price_per_kwh": 0.31, "feed_in_per_kwh": 0.09, "currency": "€"}

# Of thirty sites, what is wrong with four of them.
_FIRE_STATION, _TOWN_HALL, _LIBRARY, _SCHOOL = "Fire station", "Town hall", "Library", "School, east wing"
_THIRTY = (
    "Allotments",
    "Bakery",
    "Bus depot",
    "Chapel",
    "Clinic",
    "Cold store",
    "Community centre",
    "Dairy",
    _FIRE_STATION,
    "Football club",
    "Garage",
    "Garden centre",
    "Gymnasium",
    "Harbour office",
    "Housing block A",
    "Housing block B",
    "Kindergarten",
    _LIBRARY,
    "Market hall",
    "Mill",
    "Museum",
    "Post office",
    "Pumping station",
    _SCHOOL,
    "School, west wing",
    "Sports hall",
    "Station",
    "Swimming pool",
    _TOWN_HALL,
    "Works yard",
)
_WITHOUT_PEAK = ("Mill", "Museum", "Post office", "Pumping station", "Station")


def new_owner(now: datetime) -> Owner:
    """The first two hours, and nothing configured but the zone."""
    noon = Noon.at(now)
    gateway = _gateway("216000100001", _roof(1, 4, noon.to_the_sun_deg), noon.place, noon.clock, now, age_days=0)
    begun = now - timedelta(hours=2)
    return Owner(
        name="new-owner",
        zone=noon.zone,
        gateways=[Gateway(gateway.ecu, gateway.site, gateway.zone, begun, now)],
        remarks=["Nothing is wrong. There are two hours of records, and no name has been given."],
    )


def two_panels(now: datetime) -> Owner:
    """One inverter, more than a year old."""
    noon = Noon.at(now)
    sun = noon.to_the_sun_deg
    weak = RoofInverter(
        uid=_uid(2, 1), model=_SMALL, panels=(_panel(sun), Panel(0.7 * _PEAK_W, sun, _TILT_DEG)), radio_loss=0.02
    )
    gateway = _gateway("216000200001", [weak], noon.place, noon.clock, now, age_days=400, less_often=days(40))
    names = [{"id": gateway.ecu, "name": "Shed"}], [_inverter(_uid(2, 1), "Shed", ["Left", "Right"], "Shed", row=1)]
    return Owner(
        name="two-panels",
        zone=noon.zone,
        gateways=[gateway],
        remarks=["Right gives 70 % of what Left gives, all the time. Nothing else is wrong."],
        place=noon.place,
        config=_config(*names, tariffs=[_TARIFF]),
    )


def forty_panels(now: datetime) -> Owner:
    """Twenty inverters in three arrays with long names; four panels have no name."""
    noon = Noon.at(now)
    today, sun = now.astimezone(noon.clock).date(), noon.to_the_sun_deg
    afternoon = (270.0, 330.0) if sun == 0 else (210.0, 270.0)
    arrays = (("Hay barn, south", 8, 0.0), ("Hay barn, west", 6, 80.0), ("House", 6, -40.0))
    roof: list[RoofInverter] = []
    inverters: list[dict[str, object]] = []
    for array, count, away_deg in arrays:
        for number in range(1, count + 1):
            uid = _uid(3, len(roof) + 1)
            panels = [_panel(sun + (away_deg if sun == 180 else -away_deg))] * 2
            if (array, number) == ("Hay barn, south", 4):
                panels[0] = _panel(sun, dead=(today - days(20), date.max))
            if (array, number) == ("House", 2):
                panels[1] = _panel(sun - away_deg, shadow=Shadow(*afternoon, 70))
            roof.append(RoofInverter(uid=uid, model=_SMALL, panels=tuple(panels), line_v=number / 2))
            names = [f"{array} {2 * number - 1}", f"{array} {2 * number}"] if number > 1 or array == "House" else []
            inverters.append(_inverter(uid, f"{array} {number}", names, array, row=len(roof)))
    gateway = _gateway("216000300001", roof, noon.place, noon.clock, now, age_days=45)
    return Owner(
        name="forty-panels",
        zone=noon.zone,
        gateways=[gateway],
        remarks=[
            "Hay barn, south 7 is dead for 20 days.",
            "House 4 is in the shade in the afternoon.",
        ],
        place=noon.place,
        config=_config([{"id": gateway.ecu, "name": "Farm"}], inverters),
    )


def broken(now: datetime) -> Owner:
    """Sixteen panels, of which one is dead and two are silent."""
    noon = Noon.at(now)
    today = now.astimezone(noon.clock).date()
    roof, inverters = [], []
    for number in range(1, 9):
        panels = [_panel(noon.to_the_sun_deg)] * 2
        if number == 2:
            panels[0] = _panel(noon.to_the_sun_deg, dead=(today - days(12), date.max))
        uid = _uid(4, number)
        silent = today - days(2) if number == 6 else None
        roof.append(RoofInverter(uid=uid, model=_SMALL, panels=tuple(panels), dead_from=silent))
        names = [f"Panel {2 * number - 1}", f"Panel {2 * number}"]
        row, column = (1 if number < 5 else 2), ((number - 1) % 4 * 2 + 1)
        inverters.append(_inverter(uid, f"Inverter {number}", names, "Roof", row=row, column=column))
    gateway = _gateway("216000400001", roof, noon.place, noon.clock, now, age_days=75)
    return Owner(
        name="broken",
        zone=noon.zone,
        gateways=[gateway],
        remarks=["Panel 3 is dead for 12 days.", "Inverter 6 is silent for 2 days, with Panel 11 and Panel 12."],
        place=noon.place,
        config=_config([{"id": gateway.ecu, "name": "Roof"}], inverters, tariffs=[_TARIFF]),
    )


def three_zones(now: datetime) -> Owner:
    """Three sites on three continents behind one collector, which knows the place of the first two."""
    places = {
        "Utrecht": (Place(52.09, 5.12), "Europe/Amsterdam"),
        "Phoenix": (Place(33.45, -112.07), "America/Phoenix"),
        "Tokyo": (Place(35.68, 139.69), "Asia/Tokyo"),
    }
    gateways: list[Gateway] = []
    ecus: list[dict[str, object]] = []
    inverters: list[dict[str, object]] = []
    for order, (name, (place, zone)) in enumerate(places.items()):
        first = len(inverters) + 1
        roof = [
            RoofInverter(uid=_uid(5, first + number), model=_SMALL, panels=(_panel(180),) * 2) for number in range(3)
        ]
        until = _last_at(now, ZoneInfo(zone), time(11)) if name == "Tokyo" else now
        ecu = f"21600050000{order + 1}"
        gateways.append(_gateway(ecu, roof, place, ZoneInfo(zone), now, age_days=45, until=until, seed=order))
        here = {"latitude": place.latitude, "longitude": place.longitude} if name == "Phoenix" else {}
        ecus.append({"id": ecu, "name": name, "timezone": zone, **here})
        inverters += [
            _inverter(one.uid, f"{name} {number}", [f"{name} {2 * number - 1}", f"{name} {2 * number}"], name)
            for number, one in enumerate(roof, 1)
        ]
    return Owner(
        name="three-zones",
        zone="Europe/Amsterdam",
        gateways=gateways,
        remarks=[
            "Tokyo was last heard at 11 o'clock in the morning of its own time. The others are well; where it is dark"
            " they sleep."
        ],
        place=places["Utrecht"][0],
        config=_config(ecus, inverters),
    )


def thirty_sites(now: datetime) -> Owner:
    """Thirty sites with two inverters each."""
    noon = Noon.at(now)
    today, sun = now.astimezone(noon.clock).date(), noon.to_the_sun_deg
    gateways: list[Gateway] = []
    ecus: list[dict[str, object]] = []
    inverters: list[dict[str, object]] = []
    for order, name in enumerate(_THIRTY):
        ecu, until = f"2160006{order:05d}", now
        roof = []
        for number in (1, 2):
            uid = _uid(6, order * 10 + number)
            panels = [_panel(sun)] * 2
            if (name, number) == (_SCHOOL, 2):
                panels[1] = _panel(sun, dead=(today - days(10), date.max))
            silent = today - days(5) if (name, number) == (_LIBRARY, 2) else None
            roof.append(RoofInverter(uid=uid, model=_SMALL, panels=tuple(panels), dead_from=silent))
            peak_w = None if name in _WITHOUT_PEAK else _PEAK_W
            names = [f"{name} {2 * number - 1}", f"{name} {2 * number}"]
            inverters.append(_inverter(uid, f"{name} {number}", names, name, peak_w=peak_w))
        if name == _FIRE_STATION:
            until = now - timedelta(hours=4)
        if name == _TOWN_HALL:
            until = now - days(3)
        # Neighbours have the same clouds.
        gateways.append(
            _gateway(ecu, roof, noon.place, noon.clock, now, age_days=32, until=until, seed=60, less_often=days(0))
        )
        ecus.append({"id": ecu, "name": name})
    return Owner(
        name="thirty-sites",
        zone=noon.zone,
        gateways=gateways,
        remarks=[
            f"{_FIRE_STATION} is silent for 4 hours, {_TOWN_HALL} for 3 days.",
            f"{_LIBRARY} 2 is silent for 5 days; {_SCHOOL} 4 is dead for 10 days.",
            f"{', '.join(_WITHOUT_PEAK)} have no peak power.",
        ],
        place=noon.place,
        config=_config(ecus, inverters),
    )


def sixty_hertz(now: datetime) -> Owner:
    """Four inverters on a grid of 60 Hz and 240 V."""
    noon = Noon.at(now)
    roof = _roof(7, 4, noon.to_the_sun_deg)
    gateway = _gateway("216000700001", roof, noon.place, noon.clock, now, age_days=45)
    abroad = Gateway(gateway.ecu, SixtyHertz(gateway.site), gateway.zone, gateway.since, gateway.until)
    inverters = [
        _inverter(one.uid, f"Inverter {number}", [f"Panel {2 * number - 1}", f"Panel {2 * number}"], "Roof", row=number)
        for number, one in enumerate(roof, 1)
    ]
    return Owner(
        name="sixty-hertz",
        zone=noon.zone,
        gateways=[abroad],
        remarks=["Nothing is wrong: frequency and voltage are those of a grid of 60 Hz and 240 V."],
        place=noon.place,
        config=_config([{"id": gateway.ecu, "name": "Ranch"}], inverters),
    )


OWNERS: Mapping[str, Callable[[datetime], Owner]] = {
    "new-owner": new_owner,
    "two-panels": two_panels,
    "forty-panels": forty_panels,
    "broken": broken,
    "three-zones": three_zones,
    "thirty-sites": thirty_sites,
    "sixty-hertz": sixty_hertz,
}


def _uid(owner: int, number: int) -> str:
    return f"408000{owner}{number:05d}"


def _panel(azimuth_deg: float, *, shadow: Shadow | None = None, dead: tuple[date, date] | None = None) -> Panel:
    return Panel(_PEAK_W, azimuth_deg % 360, _TILT_DEG, shadow, dead)


def _roof(owner: int, inverters: int, azimuth_deg: float) -> list[RoofInverter]:
    return [
        RoofInverter(uid=_uid(owner, number), model=_SMALL, panels=(_panel(azimuth_deg),) * 2)
        for number in range(1, inverters + 1)
    ]


def _gateway(
    ecu: str,
    roof: Sequence[RoofInverter],
    place: Place,
    zone: tzinfo,
    now: datetime,
    *,
    age_days: int,
    until: datetime | None = None,
    seed: int = 0,
    less_often: timedelta | None = None,
) -> Gateway:
    """One that polls every ten minutes until so long ago, where that is given."""
    today = now.astimezone(zone).date()
    installed = today - days(age_days)
    site = SolarSite(
        place,
        roof,
        dialect=dialect(_FIRMWARE.version, _FIRMWARE.system),
        zone=zone,
        installed=installed,
        every_other_until=today - less_often if less_often is not None else None,
        seed=seed,
    )
    return Gateway(ecu, site, zone, datetime.combine(installed, time(), zone), until or now)


def _last_at(now: datetime, zone: tzinfo, clock: time) -> datetime:
    """The last time a clock showed this, three hours ago or earlier."""
    local = (now - timedelta(hours=3)).astimezone(zone)
    at = datetime.combine(local.date(), clock, zone)
    return (at if at <= local else at - days(1)).astimezone(UTC)


def _inverter(
    uid: str,
    name: str,
    panels: Sequence[str],
    array: str,
    *,
    peak_w: float | None = _PEAK_W,
    row: int | None = None,
    column: int = 1,
) -> dict[str, object]:
    """An inverter with two panels, which have a name if any are given."""
    entries: list[dict[str, object]] = []
    for channel in (1, 2):
        entry: dict[str, object] = {"channel": channel, "array": array}
        if panels:
            entry["name"] = panels[channel - 1]
        if peak_w is not None:
            entry["peak_w"] = peak_w
        if row is not None:
            entry |= {"row": row, "column": column + channel - 1}
        entries.append(entry)
    return {"id": uid, "name": name, "panels": entries}


def _config(
    ecus: Sequence[Mapping[str, object]],
    inverters: Sequence[Mapping[str, object]],
    tariffs: Sequence[Mapping[str, object]] = (),
) -> dict[str, Sequence[Mapping[str, object]]]:
    return {"ecu": ecus, "inverter": inverters, "tariff": tariffs}
