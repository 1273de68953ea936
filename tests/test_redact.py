"""No secret in any text: registered values, fields that are secret by name, headers, log records and errors."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import redact
from connector.errors import ApiError, LearnsyncError
from connector.redact import MASK, scrub

SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f'{{"username": "ada", "password": "{SECRET}"}}',
        f'{{"privateKey":"{SECRET}"}}',
        f'{{"access_token" : "{SECRET}", "instance_url": "x"}}',
        f"client_secret={SECRET}&grant_type=client_credentials",
        f"password: {SECRET}",
        f"API_KEY={SECRET}",
        f"'api_key': '{SECRET}'",
        f"assertion={SECRET}",
    ],
)
def test_a_field_that_is_secret_by_name_is_masked(text: str) -> None:
    assert SECRET not in scrub(text)
    assert MASK in scrub(text)


@given(st.text(st.characters(codec="utf-8"), min_size=6, max_size=30))
def test_a_secret_by_name_is_masked_whatever_characters_it_has(secret: str) -> None:
    assert scrub(json.dumps({"password": secret, "other": 1})) == f'{{"password": {MASK}, "other": 1}}'


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="*"), min_size=6, max_size=30),
    st.text(max_size=20),
    st.text(max_size=20),
)
def test_a_registered_value_is_masked_wherever_it_stands(secret: str, before: str, after: str) -> None:
    redact.register(secret)
    assert secret not in scrub(f"{before}{secret}{after}")


def test_ordinary_text_is_left_alone() -> None:
    redact.register("short", None, "")
    text = "a short text about passwords and the key to success"
    assert scrub(text) == text


def test_errors_carry_no_secret() -> None:
    redact.register(SECRET)
    failure = ApiError(f"refused {SECRET}", remedy=f"not {SECRET}", status=400, body=f"echo {SECRET}")
    for text in (
        str(failure),
        failure.message,
        failure.remedy,
        failure.body,
        repr(failure),
        str(LearnsyncError(SECRET)),
    ):
        assert SECRET not in text


def test_log_records_carry_no_secret_whichever_way_they_are_made(caplog: pytest.LogCaptureFixture) -> None:
    redact.register(SECRET)
    logger = logging.getLogger("connector.redaction_test")
    redact.install("connector.redaction_test")
    with caplog.at_level(logging.DEBUG, "connector.redaction_test"):
        logger.info("sent %s", SECRET)
        logger.info(f"sent {SECRET}")
        logger.info("%(secret)s", {"secret": SECRET})
        try:
            int(SECRET)
        except ValueError:
            logger.exception("failed with %s", SECRET)
    assert len(caplog.records) == 4
    assert SECRET not in caplog.text
    assert caplog.text.count(MASK) >= 5


def test_the_filter_is_installed_once() -> None:
    for _ in range(3):
        redact.install("connector.redaction_once")
    assert len(logging.getLogger("connector.redaction_once").filters) == 1
