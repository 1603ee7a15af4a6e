"""Grafana's answers, one fault at a time, by a small server in its place."""

from pathlib import Path

import pytest

from collector.boards.write import BOARDS
from collector.config import Config
from collector.doctor import grafana
from collector.doctor.findings import Finding, Level
from tests.doctor.looking import levels, look, only
from tests.fake_influx import Answer, FakeInflux, json_answer, page
from tests.samples import config

HEALTH, SEARCH = "/api/health", "/api/search"
SOURCE, SETTINGS = f"/api/datasources/uid/{grafana.DATA_SOURCE}/health", "/api/frontend/settings"
PASSWORD = "the-password-of-grafana"


def well() -> dict[str, Answer]:
    boards = [{"uid": built["uid"], "title": built["title"]} for built in (build() for build in BOARDS)]
    return {
        HEALTH: json_answer(200, {"database": "ok", "version": "12.3.0"}),
        SEARCH: json_answer(200, boards),
        SOURCE: json_answer(200, {"status": "OK", "message": "2 buckets found"}),
        SETTINGS: json_answer(200, {"dateFormats": {"defaultTimezone": "Europe/Amsterdam"}}),
    }


def configured(url: str, folder: Path, **more: object) -> Config:
    password = folder / "password"
    password.write_text(f"{PASSWORD}\n", encoding="utf-8")
    return config(grafana={"url": url, "password_file": str(password), **more})


async def found(folder: Path, answers: dict[str, Answer], **more: object) -> list[Finding]:
    with FakeInflux() as fake:
        fake.answers = well() | answers
        findings = await grafana.check(look(configured=configured(fake.url, folder, **more)))
        assert all(request.method == "GET" for request in fake.requests)
    assert PASSWORD not in repr(findings)
    return findings


async def test_all_is_well(tmp_path: Path) -> None:
    assert levels(await found(tmp_path, {})) == [Level.OK] * 4


async def test_without_a_password_its_health_is_all_and_that_is_said(tmp_path: Path) -> None:
    findings = await found(tmp_path, {}, password_file=None)
    assert levels(findings) == [Level.OK, Level.SKIPPED]
    assert "password_file" in findings[1].remedy


async def test_a_token_goes_out_as_one(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\ufeffglsa_token\n", encoding="utf-16-le")
    with FakeInflux() as fake:
        fake.answers = well()
        settings = configured(fake.url, tmp_path, token_file=str(tmp_path / "token"))
        assert levels(await grafana.check(look(configured=settings))) == [Level.OK] * 4
        assert {request.token for request in fake.requests if request.path != HEALTH} == {"Bearer glsa_token"}


async def test_nothing_is_looked_at_without_an_address() -> None:
    assert levels(await grafana.check(look())) == [Level.SKIPPED]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({HEALTH: page(200)}, "no Grafana"),
        ({HEALTH: Answer(hang_up=True)}, "the connection failed"),
        ({HEALTH: json_answer(503, {"database": "failing"})}, "its own database"),
        ({SEARCH: json_answer(401, {"message": "Invalid username or password"})}, "does not know this user"),
        ({SEARCH: json_answer(200, [{"uid": "solar-now"}])}, "boards are missing"),
        ({SOURCE: json_answer(404, {"message": "not found"})}, "is missing"),
        ({SOURCE: json_answer(400, {"status": "ERROR", "message": "unauthorized"})}, "unauthorized"),
    ],
)
async def test_each_fault_is_a_failure_of_its_own(tmp_path: Path, answers: dict[str, Answer], said: str) -> None:
    assert said in only(await found(tmp_path, answers), Level.FAILURE).found


async def test_a_grafana_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grafana, "TIMEOUT_S", 0.2)
    assert "no answer within" in only(await found(tmp_path, {HEALTH: Answer(hang=True)}), Level.FAILURE).found


async def test_a_grafana_that_does_not_run_is_named(tmp_path: Path) -> None:
    findings = await grafana.check(look(configured=configured("http://127.0.0.1:1", tmp_path)))
    assert "no connection" in only(findings, Level.FAILURE).found


async def test_another_time_zone_than_the_sites_is_a_warning(tmp_path: Path) -> None:
    for zone in ("UTC", "browser", "America/New_York"):
        other = {SETTINGS: json_answer(200, {"dateFormats": {"defaultTimezone": zone}})}
        assert zone in only(await found(tmp_path, other), Level.WARNING).found
    same = {SETTINGS: json_answer(200, {"dateFormats": {"defaultTimezone": "Europe/Berlin"}})}
    assert levels(await found(tmp_path, same)) == [Level.OK] * 4


async def test_a_file_that_can_not_be_read_is_a_failure_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    findings = await found(tmp_path, {}, password_file=str(tmp_path / "missing"))
    assert "No such file" in only(findings, Level.FAILURE).found
    assert Level.OK in levels(findings)


async def test_answers_that_make_no_sense_are_no_crash(tmp_path: Path) -> None:
    for odd in (json_answer(200, []), json_answer(200, {"dateFormats": 3}), page(500), json_answer(200, None)):
        for path in (HEALTH, SEARCH, SOURCE, SETTINGS):
            await found(tmp_path, {path: odd})
