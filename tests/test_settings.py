"""Settings: where each value comes from, and what a wrong one is told."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connector import redact
from connector.errors import SettingsError
from connector.settings import (
    REGIONS,
    Settings,
    load_settings,
    names_of,
    require_absorb,
    require_salesforce,
    variable,
)

REPO = Path(__file__).resolve().parents[1]
SECRET = "s3cr3t-v4lue-that-nobody-may-see"
SECRETS = ("LEARNSYNC_ABSORB__API_KEY", "LEARNSYNC_ABSORB__PASSWORD", "LEARNSYNC_SALESFORCE__CLIENT_SECRET")


def at(settings: Settings, variable: str) -> Any:
    """The value that a variable sets."""
    found: Any = settings
    for part in variable.removeprefix("LEARNSYNC_").lower().split("__"):
        found = getattr(found, part)
    return found.get_secret_value() if hasattr(found, "get_secret_value") else found


def set_all(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"LEARNSYNC_{name}", value)


def toml(text: str, name: str = "learnsync.toml") -> Path:
    path = Path(name)
    path.write_text(text, "utf-8")
    return path


def refusal() -> str:
    with pytest.raises(SettingsError) as found:
        load_settings()
    assert found.value.exit_code == 2
    assert found.value.remedy
    return str(found.value)


# -- values ----------------------------------------------------------------------------------------------

DEFAULTS = [
    ("LEARNSYNC_TENANT_ID", "default"),
    ("LEARNSYNC_ABSORB__BASE_URL", None),
    ("LEARNSYNC_ABSORB__REGION", "us"),
    ("LEARNSYNC_ABSORB__REQUESTS_PER_SECOND", 20),
    ("LEARNSYNC_ABSORB__BURST", 20),
    ("LEARNSYNC_ABSORB__CONCURRENCY", 8),
    ("LEARNSYNC_ABSORB__OVERLAP_MINUTES", 30),
    ("LEARNSYNC_ABSORB__PAGE_SIZE", 1000),
    ("LEARNSYNC_SALESFORCE__LOGIN_URL", None),
    ("LEARNSYNC_SALESFORCE__API_VERSION", "67.0"),
    ("LEARNSYNC_SALESFORCE__BULK_THRESHOLD", 2000),
    ("LEARNSYNC_SALESFORCE__API_BUDGET_PERCENT", 80),
    ("LEARNSYNC_SALESFORCE__MAX_CHANGE_PERCENT", 30),
    ("LEARNSYNC_LIMITS__ANSWER_MEGABYTES", 32),
    ("LEARNSYNC_LIMITS__CALL_SECONDS", 90),
    ("LEARNSYNC_LIMITS__JOB_HOURS", 4),
    ("LEARNSYNC_WAREHOUSE__PATH", Path("data/warehouse.duckdb")),
    ("LEARNSYNC_WAREHOUSE__PUBLISH_PATH", Path("data/learning.duckdb")),
    ("LEARNSYNC_WAREHOUSE__PUBLISH_MODE", 0o640),
    ("LEARNSYNC_MAPPING__DIR", None),
    ("LEARNSYNC_MAPPING__TIMEZONE", "UTC"),
    ("LEARNSYNC_MAPPING__AS_OF", None),
]


@pytest.mark.parametrize(("variable", "expected"), DEFAULTS)
def test_default(variable: str, expected: object) -> None:
    assert at(load_settings(), variable) == expected


GOOD = [
    ("LEARNSYNC_TENANT_ID", "acme-eu.1", "acme-eu.1"),
    ("LEARNSYNC_PROVIDER", "Acme Academy", "Acme Academy"),
    ("LEARNSYNC_ABSORB__BASE_URL", "https://rest.example.com/", "https://rest.example.com"),
    ("LEARNSYNC_ABSORB__BASE_URL", "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ("LEARNSYNC_ABSORB__BASE_URL", "http://localhost:1", "http://localhost:1"),
    ("LEARNSYNC_ABSORB__BASE_URL", "http://[::1]:8080", "http://[::1]:8080"),
    ("LEARNSYNC_ABSORB__REGION", "EU", "eu"),
    ("LEARNSYNC_ABSORB__API_KEY", SECRET, SECRET),
    ("LEARNSYNC_ABSORB__PASSWORD", '{"json": 1}', '{"json": 1}'),
    ("LEARNSYNC_ABSORB__USERNAME", " admin ", "admin"),
    ("LEARNSYNC_ABSORB__REQUESTS_PER_SECOND", "0.5", 0.5),
    ("LEARNSYNC_ABSORB__PAGE_SIZE", "1", 1),
    ("LEARNSYNC_ABSORB__PAGE_SIZE", "1000", 1000),
    ("LEARNSYNC_ABSORB__OVERLAP_MINUTES", "0", 0),
    ("LEARNSYNC_SALESFORCE__LOGIN_URL", "https://acme.my.salesforce.com", "https://acme.my.salesforce.com"),
    ("LEARNSYNC_SALESFORCE__CLIENT_SECRET", SECRET, SECRET),
    ("LEARNSYNC_SALESFORCE__API_VERSION", "66.0", "66.0"),
    ("LEARNSYNC_SALESFORCE__PUSH_UNMATCHED", "true", True),
    ("LEARNSYNC_WAREHOUSE__PATH", "/srv/w.duckdb", Path("/srv/w.duckdb")),
    ("LEARNSYNC_WAREHOUSE__PUBLISH_MODE", "0644", 0o644),
    ("LEARNSYNC_WAREHOUSE__PUBLISH_MODE", "600", 0o600),
    ("LEARNSYNC_WAREHOUSE__PUBLISH_MODE", " 0o660 ", 0o660),
    ("LEARNSYNC_MAPPING__TIMEZONE", "Europe/Berlin", "Europe/Berlin"),
    ("LEARNSYNC_MAPPING__AS_OF", "2026-03-01T00:00:00Z", datetime(2026, 3, 1, tzinfo=UTC)),
    ("LEARNSYNC_MAPPING__AS_OF", "2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
    ("LEARNSYNC_MAPPING__AS_OF", "2026-03-01 02:00:00.5+02:00", datetime(2026, 3, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
    ("LEARNSYNC_MAPPING__AS_OF", "", None),
    ("LEARNSYNC_ABSORB__PAGE_SIZE", "", 1000),
]


@pytest.mark.parametrize(("variable", "value", "expected"), GOOD)
def test_a_variable_sets_its_value(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: object
) -> None:
    monkeypatch.setenv(variable, value)
    assert at(load_settings(), variable) == expected


@pytest.mark.parametrize("region", REGIONS)
def test_the_region_chooses_the_gateway_unless_there_is_a_url(monkeypatch: pytest.MonkeyPatch, region: str) -> None:
    monkeypatch.setenv("LEARNSYNC_ABSORB__REGION", region)
    assert load_settings().absorb.url == REGIONS[region]
    monkeypatch.setenv("LEARNSYNC_ABSORB__BASE_URL", "https://own.example")
    assert load_settings().absorb.url == "https://own.example"


def test_as_of_is_now_unless_it_is_set() -> None:
    before = datetime.now(UTC)
    assert before <= load_settings().as_of() <= datetime.now(UTC)
    fixed = datetime(2026, 3, 1, tzinfo=UTC)
    assert load_settings(mapping={"as_of": fixed}).as_of() == fixed


# -- wrong values ----------------------------------------------------------------------------------------

BAD = [
    ("LEARNSYNC_TENANT_ID", "a b", "letters, digits"),
    ("LEARNSYNC_TENANT_ID", "x" * 65, "64"),
    ("LEARNSYNC_ABSORB__BASE_URL", "rest.myabsorb.com", "absolute URL"),
    ("LEARNSYNC_ABSORB__BASE_URL", "ftp://rest.myabsorb.com", "absolute URL"),
    ("LEARNSYNC_ABSORB__BASE_URL", "https://", "absolute URL"),
    ("LEARNSYNC_ABSORB__BASE_URL", "http://rest.myabsorb.com", "loopback"),
    ("LEARNSYNC_ABSORB__BASE_URL", "http://localhost.evil.example", "loopback"),
    ("LEARNSYNC_ABSORB__BASE_URL", "http://127.0.0.1.evil.example", "loopback"),
    ("LEARNSYNC_ABSORB__BASE_URL", "http://10.0.0.1", "loopback"),
    ("LEARNSYNC_ABSORB__BASE_URL", "https://rest.example.com?x=1", "without ?"),
    ("LEARNSYNC_ABSORB__BASE_URL", f"https://admin:{SECRET}@rest.example.com", "credentials"),
    ("LEARNSYNC_ABSORB__BASE_URL", "https://rest.example.com:port", "URL"),
    ("LEARNSYNC_ABSORB__BASE_URL", "https://[::1", "URL"),
    ("LEARNSYNC_ABSORB__REGION", "mars", "sandbox-us"),
    ("LEARNSYNC_ABSORB__REQUESTS_PER_SECOND", "0", "greater than 0"),
    ("LEARNSYNC_ABSORB__REQUESTS_PER_SECOND", "fast", "number"),
    ("LEARNSYNC_ABSORB__REQUESTS_PER_SECOND", "nan", "LEARNSYNC_ABSORB__REQUESTS_PER_SECOND"),
    ("LEARNSYNC_ABSORB__BURST", "0", "greater than or equal to 1"),
    ("LEARNSYNC_ABSORB__CONCURRENCY", "0", "greater than or equal to 1"),
    ("LEARNSYNC_ABSORB__CONCURRENCY", "2.5", "integer"),
    ("LEARNSYNC_ABSORB__OVERLAP_MINUTES", "-1", "greater than or equal to 0"),
    ("LEARNSYNC_ABSORB__PAGE_SIZE", "1001", "from 1 to 1000"),
    ("LEARNSYNC_ABSORB__PAGE_SIZE", "0", "from 1 to 1000"),
    ("LEARNSYNC_ABSORB__PAGE_SIZE", "many", "from 1 to 1000"),
    ("LEARNSYNC_SALESFORCE__LOGIN_URL", "http://acme.my.salesforce.com", "loopback"),
    ("LEARNSYNC_SALESFORCE__LOGIN_URL", "acme", "absolute URL"),
    ("LEARNSYNC_SALESFORCE__LOGIN_URL", "https://acme..salesforce.com", "host that no network could find"),
    ("LEARNSYNC_ABSORB__BASE_URL", "https://rest my absorb", "host that no network could find"),
    ("LEARNSYNC_LIMITS__CALL_SECONDS", "0", "greater than 0"),
    ("LEARNSYNC_LIMITS__CALL_SECONDS", "nan", "less than or equal to 3600"),
    ("LEARNSYNC_LIMITS__LIST_PAGES", "0", "greater than or equal to 1"),
    ("LEARNSYNC_SALESFORCE__API_VERSION", "v67", "67.0"),
    ("LEARNSYNC_SALESFORCE__BULK_THRESHOLD", "0", "greater than or equal to 1"),
    ("LEARNSYNC_SALESFORCE__API_BUDGET_PERCENT", "101", "less than or equal to 100"),
    ("LEARNSYNC_SALESFORCE__API_BUDGET_PERCENT", "0", "greater than 0"),
    ("LEARNSYNC_SALESFORCE__MAX_CHANGE_PERCENT", "101", "less than or equal to 100"),
    ("LEARNSYNC_SALESFORCE__PUSH_UNMATCHED", "perhaps", "boolean"),
    ("LEARNSYNC_WAREHOUSE__LOCK_TIMEOUT_SECONDS", "-1", "greater than or equal to 0"),
    ("LEARNSYNC_WAREHOUSE__PUBLISH_MODE", "rw-r-----", "0640"),
    ("LEARNSYNC_WAREHOUSE__PUBLISH_MODE", "0840", "0640"),
    ("LEARNSYNC_WAREHOUSE__PUBLISH_MODE", "4640", "0640"),
    ("LEARNSYNC_WAREHOUSE__PUBLISH_MODE", "0755", "0640"),
    ("LEARNSYNC_WAREHOUSE__PUBLISH_MODE", "0040", "0640"),
    ("LEARNSYNC_MAPPING__TIMEZONE", "Mars/Olympus", "IANA"),
    ("LEARNSYNC_MAPPING__TIMEZONE", "Europe", "IANA"),
    ("LEARNSYNC_MAPPING__TIMEZONE", "../../etc/passwd", "IANA"),
    ("LEARNSYNC_MAPPING__AS_OF", "yesterday", "ISO instant"),
    ("LEARNSYNC_MAPPING__AS_OF", "2026-02-30T00:00:00Z", "ISO instant"),
    ("LEARNSYNC_MAPPING__AS_OF", "0001-01-01T00:00:00+02:00", "ISO instant"),
]


@pytest.mark.parametrize(("variable", "value", "hint"), BAD)
def test_a_wrong_value_names_its_variable_and_what_to_put_there(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, hint: str
) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv(variable, value)
    message = refusal()
    assert variable in message
    assert hint in message
    assert SECRET not in message


def test_every_wrong_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, ABSORB__PAGE_SIZE="5000", MAPPING__TIMEZONE="Mars", TENANT_ID="?")
    message = refusal()
    assert all(f"LEARNSYNC_{name}" in message for name in ("ABSORB__PAGE_SIZE", "MAPPING__TIMEZONE", "TENANT_ID"))


def test_both_files_in_one_place_name_both_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, WAREHOUSE__PATH="data/x.duckdb", WAREHOUSE__PUBLISH_PATH="./data/../data/x.duckdb")
    message = refusal()
    assert "LEARNSYNC_WAREHOUSE__PATH" in message
    assert "LEARNSYNC_WAREHOUSE__PUBLISH_PATH" in message


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("LEARNSYNC_ABSORB__APIKEY", "LEARNSYNC_ABSORB__API_KEY"),
        ("LEARNSYNC_ABSORB_API_KEY", "LEARNSYNC_ABSORB__API_KEY"),
        ("LEARNSYNC_TENANT", "LEARNSYNC_TENANT_ID"),
        ("LEARNSYNC_WAREHOUSE__PUBLISHPATH", "LEARNSYNC_WAREHOUSE__PUBLISH_PATH"),
        ("LEARNSYNC_SALESFORCE__LOGINURL", "LEARNSYNC_SALESFORCE__LOGIN_URL"),
    ],
)
@pytest.mark.parametrize("source", ["environment", ".env"])
def test_an_unknown_variable_is_refused_with_the_one_that_was_meant(
    monkeypatch: pytest.MonkeyPatch, source: str, wrong: str, right: str
) -> None:
    if source == "environment":
        monkeypatch.setenv(wrong, SECRET)
    else:
        Path(".env").write_text(f"{wrong}={SECRET}\n", "utf-8")
    message = refusal()
    assert wrong in message
    assert f"{right}?" in message
    assert SECRET not in message


def test_variables_of_other_programs_are_nobodys_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_SETTING", "1")
    Path(".env").write_text("DATABASE_URL=postgres://x\nLEARNSYNC_TENANT_ID=acme\n", "utf-8")
    assert load_settings().tenant_id == "acme"


def test_every_variable_of_the_contract_is_known() -> None:
    assert {variable for variable, _ in DEFAULTS} <= set(names_of(Settings))


def test_every_variable_that_code_and_documents_name_is_one() -> None:
    known = {*names_of(Settings), "LEARNSYNC_CONFIG", "LEARNSYNC_LOG_LEVEL"}
    texts = [REPO / "README.md"]
    for folder, suffix in (("connector", "*.py"), ("pipelines", "*.py"), ("benchmarks", "*.py"), ("docs", "*.md")):
        texts += (REPO / folder).rglob(suffix)
    named = {name for path in texts for name in re.findall(r"LEARNSYNC_[A-Z_]*[A-Z]", path.read_text("utf-8"))}
    assert len(named) > 20
    assert named - known == set()


def test_a_variable_is_derived_from_the_model() -> None:
    assert variable("absorb", "api_key") == "LEARNSYNC_ABSORB__API_KEY"
    assert variable("tenant_id") == "LEARNSYNC_TENANT_ID"
    for path in (("absorb", "apikey"), ("absorb",), ()):
        with pytest.raises(KeyError):
            variable(*path)


# -- secrets ---------------------------------------------------------------------------------------------


def test_secrets_show_in_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, f"{SECRET}-{name[-3:]}")
    settings = load_settings()
    for text in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert SECRET not in text
    for name in SECRETS:
        assert SECRET not in redact.scrub(f"the value is {SECRET}-{name[-3:]}!")


@pytest.mark.parametrize("missing", ["API_KEY", "USERNAME", "PASSWORD"])
def test_a_missing_credential_is_named_and_the_others_are_not_shown(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    for name in {"API_KEY", "USERNAME", "PASSWORD"} - {missing}:
        monkeypatch.setenv(f"LEARNSYNC_ABSORB__{name}", SECRET)
    with pytest.raises(SettingsError) as found:
        require_absorb(load_settings())
    message = str(found.value)
    assert f"LEARNSYNC_ABSORB__{missing} is not set" in message
    assert SECRET not in message


def test_all_missing_credentials_are_named_at_once() -> None:
    with pytest.raises(
        SettingsError, match="API_KEY, LEARNSYNC_ABSORB__USERNAME, LEARNSYNC_ABSORB__PASSWORD are not set"
    ):
        require_absorb(load_settings())
    with pytest.raises(
        SettingsError, match="LOGIN_URL, LEARNSYNC_SALESFORCE__CLIENT_ID, LEARNSYNC_SALESFORCE__CLIENT_SECRET are"
    ):
        require_salesforce(load_settings())


def test_complete_credentials_are_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, ABSORB__API_KEY="k", ABSORB__USERNAME="u", ABSORB__PASSWORD="p")
    assert require_absorb(load_settings()) == ("k", "u", "p", Path("data"))


# -- the file --------------------------------------------------------------------------------------------


def test_the_environment_wins_over_dotenv_and_that_over_toml(monkeypatch: pytest.MonkeyPatch) -> None:
    toml('tenant_id = "toml"\n[absorb]\npage_size = 1\nburst = 1\nconcurrency = 1\n')
    Path(".env").write_text("LEARNSYNC_ABSORB__BURST=2\nLEARNSYNC_ABSORB__CONCURRENCY=2\n", "utf-8")
    monkeypatch.setenv("LEARNSYNC_ABSORB__CONCURRENCY", "3")
    found = load_settings()
    assert (found.tenant_id, found.absorb.page_size, found.absorb.burst, found.absorb.concurrency) == ("toml", 1, 2, 3)


TENANTS = """
provider = "Everybody's"
[absorb]
region = "eu"
page_size = 500
[tenants.acme]
provider = "Acme"
[tenants.acme.absorb]
page_size = 100
api_key = "env:ACME_KEY"
[tenants.beta.mapping]
timezone = "Asia/Kolkata"
"""


def test_a_tenants_table_overlays_the_file_and_env_references_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    toml(TENANTS)
    set_all(monkeypatch, TENANT_ID="acme")
    monkeypatch.setenv("ACME_KEY", SECRET)
    found = load_settings()
    assert (found.tenant_id, found.provider, found.absorb.region, found.absorb.page_size) == ("acme", "Acme", "eu", 100)
    assert at(found, "LEARNSYNC_ABSORB__API_KEY") == SECRET
    assert found.mapping.timezone == "UTC"
    assert redact.scrub(SECRET) == redact.MASK


def test_another_tenant_sees_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    toml(TENANTS)
    set_all(monkeypatch, TENANT_ID="beta")
    found = load_settings()
    assert (found.provider, found.absorb.page_size, found.absorb.api_key) == ("Everybody's", 500, None)
    assert found.mapping.timezone == "Asia/Kolkata"


def test_the_environment_wins_over_a_tenants_table(monkeypatch: pytest.MonkeyPatch) -> None:
    toml(TENANTS)
    set_all(monkeypatch, TENANT_ID="acme", ABSORB__PAGE_SIZE="7")
    monkeypatch.setenv("ACME_KEY", SECRET)
    assert load_settings().absorb.page_size == 7


def test_the_file_itself_may_choose_the_tenant() -> None:
    toml('tenant_id = "beta"\n' + TENANTS)
    assert load_settings().mapping.timezone == "Asia/Kolkata"


def test_the_default_tenant_may_have_a_table_too() -> None:
    toml('[tenants.default]\nprovider = "Ours"\n')
    assert load_settings().provider == "Ours"


@pytest.mark.parametrize("key", ["absorb.api_key", "absorb.password", "salesforce.client_secret"])
def test_a_tenants_plain_secret_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    toml(f'[tenants.acme]\n{key} = "{SECRET}"\n')
    set_all(monkeypatch, TENANT_ID="acme")
    message = refusal()
    assert key.split(".")[1] in message
    assert "tenants.acme" in message
    assert "env:" in message
    assert SECRET not in message


def test_a_reference_to_an_unset_variable_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    toml(TENANTS)
    set_all(monkeypatch, TENANT_ID="acme")
    assert "ACME_KEY" in refusal()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[absorb]\npage_size = 5000\n", ["LEARNSYNC_ABSORB__PAGE_SIZE"]),
        ("[absorb]\npage_sise = 5\n", ["PAGE_SISE", "LEARNSYNC_ABSORB__PAGE_SIZE?"]),
        ("tenantid = 'x'\n", ["TENANTID", "LEARNSYNC_TENANT_ID?"]),
        ("absorb = 3\n", ["LEARNSYNC_ABSORB"]),
        ("[absorb\n", ["learnsync.toml", "cannot be read"]),
        ("tenants = 3\ntenant_id = 'x'\n", ["tenants"]),
    ],
)
def test_a_wrong_file_names_what_is_wrong(text: str, words: list[str]) -> None:
    toml(text)
    message = refusal()
    assert all(word in message for word in words), message


def test_a_date_in_the_file_is_an_instant_in_utc() -> None:
    toml("[mapping]\nas_of = 2026-03-01\n")
    assert load_settings().as_of() == datetime(2026, 3, 1, tzinfo=UTC)
    toml("[mapping]\nas_of = 2026-03-01T00:00:00\n")
    assert load_settings().as_of() == datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(("written", "fits"), [('"0644"', True), ("0o644", True), ("644", False), ("true", False)])
def test_a_mode_in_the_file_is_a_text_or_an_octal_number(written: str, fits: bool) -> None:
    toml(f"[warehouse]\npublish_mode = {written}\n")
    if fits:
        assert load_settings().warehouse.publish_mode == 0o644
    else:
        assert "LEARNSYNC_WAREHOUSE__PUBLISH_MODE" in refusal()


def test_the_file_may_lie_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_all(monkeypatch, CONFIG=str(toml('provider = "There"\n', "other.toml").resolve()))
    assert load_settings().provider == "There"
    set_all(monkeypatch, CONFIG=str(tmp_path / "missing.toml"))
    message = refusal()
    assert "LEARNSYNC_CONFIG" in message
    assert "missing.toml" in message
