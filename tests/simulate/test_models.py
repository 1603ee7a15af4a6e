"""Every model of the table can stand on a simulated roof, and the collector reads what its gateway sends."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from collector.client.firmware import GENERATIONS, Firmware
from collector.protocol.models import MODELS, dialect
from collector.protocol.upload import decode
from collector.simulate.control import ControlPort
from collector.simulate.equipment import INVERTERS, UNLISTED, models_behind
from collector.simulate.roofs import solar_site
from collector.simulate.rounds import Site
from collector.simulate.steady import SteadySite
from collector.simulate.weather import Outlook
from tests.samples import known
from tests.simulate.peers import NOON, Peer, device, right_answer

JUNE = datetime(2026, 6, 20, tzinfo=UTC)


def gateway_for(model: str) -> Firmware:
    """The first generation that may have this model behind it."""
    return next(
        firmware
        for firmware in GENERATIONS.values()
        if model in models_behind(dialect(firmware.version, firmware.system))
    )


def roof(model: str) -> Site:
    return solar_site(gateway_for(model), 2, seed=3, models=[model], outlook=Outlook.CLEAR)


def steady(model: str) -> Site:
    return SteadySite(2, seed=3, model=model)


def test_the_model_that_stands_for_unknown_ones_is_not_in_the_table() -> None:
    assert UNLISTED.code not in {model.code for model in MODELS}
    assert UNLISTED.name == f"type {UNLISTED.code}"


@pytest.mark.parametrize("model", INVERTERS)
@pytest.mark.parametrize("site", [roof, steady])
def test_a_clear_day_of_every_model_is_read_as_it_was_meant(site: Callable[[str], Site], model: str) -> None:
    gateway = device(gateway_for(model).name)
    made = list(site(model).rounds(JUNE, JUNE + timedelta(days=1)))
    for polled in made:
        gateway.add(polled)
    heard = sorted((decode(record.frame.decode()) for record in gateway.store.records), key=lambda upload: upload.time)
    assert [problem for upload in heard for problem in upload.problems] == []
    meant = [inverter for polled in made for inverter in polled.inverters]
    read = [inverter for upload in heard for inverter in upload.inverters]
    assert [(one.uid, one.model, one.channels) for one in read] == [(one.uid, model, one.channels) for one in meant]
    assert {len(one.channels) for one in read} == {INVERTERS[model].channels}
    assert {one.uid[:3] for one in read} == {INVERTERS[model].uid_prefix}
    if site is roof:
        assert max(known(one.dc_power_w) for one in read) > INVERTERS[model].rated_w / 2


@pytest.mark.parametrize("model", [model.name for model in INVERTERS.values() if model.code])
def test_a_gateway_says_the_code_of_every_model_when_it_lists_its_inverters(model: str) -> None:
    gateway = device(gateway_for(model).name)
    polled = next(roof(model).rounds(NOON, NOON + timedelta(days=1)))
    gateway.add(polled)
    peer = Peer(right_answer)
    peer.perform(ControlPort(gateway).round(NOON))
    (listed,) = (frame for frame in peer.frames if frame[10:14] == b"A102")
    for inverter in polled.inverters:
        assert f"{inverter.uid}{INVERTERS[model].code}00000END".encode() in listed
