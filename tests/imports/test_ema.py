"""The vendor's OpenAPI as it is asked: signed as others sign, and what each of its answers leads to."""

import shutil
from collections.abc import Iterator
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.imports import ema
from collector.imports.ema import Failure, Refused, Service, signature
from collector.imports.fetching import Budget, Device, began, plan
from collector.journal.imported import ENERGY, POWER, Held
from tests.ema_service import APP_ID, SECRET, SYSTEM, EmaService, Site, hmac_by_openssl
from tests.fake_influx import Answer, FakeInflux
from tests.samples import ECU, UID

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on the path")


@pytest.fixture
def vendor() -> Iterator[EmaService]:
    with EmaService(Site({ECU: {UID: "YC600"}})) as service:
        yield service


def test_a_question_is_signed_as_another_client_signs_it() -> None:
    # What the client of another project makes of these.
    signed = signature(
        "s3cretS3cret",
        "1764403200000",
        "0123456789abcdef0123456789abcdef",
        "4028abcdefabcdefabcdefabcdefabcd",
        "/user/api/v2/systems/details/A123456789ABCDEF",
    )
    assert signed == "nSG862xHzZ6wSnZZt1zDm0KuFNmh+8l9vLE+7wewvO0="


@needs_openssl
def test_the_signature_is_the_one_that_openssl_computes() -> None:
    signed = signature("another secret", "1", "2", "3", "/a/b/c")
    assert signed == hmac_by_openssl("another secret", "1/2/3/c/GET/HmacSHA256")


@needs_openssl
def test_a_service_that_checks_signatures_takes_a_right_one_and_no_other(vendor: EmaService) -> None:
    vendor.checks_signatures = True
    assert b"create_date" in Service(APP_ID, SECRET, vendor.url).ask(ema.details(SYSTEM))
    with pytest.raises(Refused, match=r"code 4001.*--secret-file") as refused:
        Service(APP_ID, "wrong", vendor.url).ask(ema.details(SYSTEM))
    assert refused.value.failure is Failure.QUESTION


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        *((code, Failure.NOTHING) for code in (1000, 1001)),
        *((code, Failure.ACCOUNT) for code in (2001, 2002, 2003, 2004, 3000, 3004)),
        (2005, Failure.QUOTA),
        *((code, Failure.QUESTION) for code in (4000, 4001)),
        *((code, Failure.LATER) for code in (5000, 6000, 7001, 7002, 7003, 99)),
    ],
)
def test_each_code_has_what_follows_from_it(vendor: EmaService, code: int, failure: Failure) -> None:
    vendor.faults = [code]
    with pytest.raises(Refused, match=f"code {code}: .+") as refused:
        Service(APP_ID, SECRET, vendor.url).ask(ema.details(SYSTEM))
    assert (refused.value.failure, refused.value.code) == (failure, code)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html>"),
        Answer(200, b"[]"),
        Answer(502, b""),
        Answer(200, b'{"code": "x"}'),
        Answer(200, b"[" * 5000),
    ],
)
def test_what_is_no_answer_of_the_service_is_asked_for_later(answer: Answer) -> None:
    with FakeInflux(answer) as server, pytest.raises(Refused, match="no answer of the service") as refused:
        Service(APP_ID, SECRET, server.url).ask(ema.details(SYSTEM))
    assert refused.value.failure is Failure.LATER


def test_no_secret_is_told_when_nobody_answers() -> None:
    with pytest.raises(Refused, match="no answer from") as refused:
        Service(APP_ID, SECRET, "http://127.0.0.1:9").ask(ema.details(SYSTEM))
    assert SECRET not in str(refused.value)
    assert APP_ID not in str(refused.value)


@pytest.mark.parametrize(
    "body", [None, b"", b"{}", b'{"data": {}}', b'{"data": {"create_date": "soon"}}', b'{"data": 3}']
)
def test_a_system_of_unknown_age_is_as_old_as_any(body: bytes | None) -> None:
    assert began(body) == date(2010, 1, 1)


def test_the_plan_begins_with_the_latest_and_asks_for_nothing_that_is_held() -> None:
    device = Device(ECU, "", {UID: "YC600"})
    span, today = (date(2025, 1, 30), date(2025, 2, 3)), date(2025, 2, 3)
    held = {
        (ENERGY, f"{UID} 2025-01"): Held(is_whole=True, tells=True),
        (ENERGY, f"{UID} 2025-02"): Held(is_whole=False, tells=True),
        (POWER, f"{ECU} 2025-02-02"): Held(is_whole=True, tells=True),
    }
    planned = plan(SYSTEM, [device], span, today, held, lambda _, day: day != date(2025, 1, 31))
    assert [one.query["date_range"] for one in planned.energies] == ["2025-02"]
    asked = [(one.query["date_range"], one.is_whole) for one in planned.powers[ECU]]
    assert asked == [("2025-02-03", False), ("2025-02-01", True), ("2025-01-30", True)]


def test_two_days_without_powers_are_the_end_of_what_the_vendor_has_kept() -> None:
    device = Device(ECU, "", {})
    span, today = (date(2025, 1, 1), date(2025, 1, 31)), date(2025, 2, 3)
    held = {(POWER, f"{ECU} 2025-01-{day}"): Held(is_whole=True, tells=False) for day in (20, 19, 25)}
    planned = plan(SYSTEM, [device], span, today, held, lambda *_: True)
    assert [one.query["date_range"][-2:] for one in planned.powers[ECU]] == [
        *("31", "30", "29", "28", "27", "26", "24", "23", "22", "21")
    ]
    # What lies before a gap is asked for by its own days.
    planned = plan(SYSTEM, [device], (date(2025, 1, 1), date(2025, 1, 18)), today, held, lambda *_: True)
    assert len(planned.powers[ECU]) == 18


@given(st.integers(0, 20), st.integers(0, 40))
def test_a_budget_is_never_exceeded(calls: int, wanted: int) -> None:
    budget, taken = Budget(calls), 0
    for _ in range(wanted):
        try:
            budget.take()
        except Refused:
            break
        taken += 1
    assert taken == min(calls, wanted)
