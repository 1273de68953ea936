"""No secret in any text: registered values, fields that are secret by name, headers, log records and errors."""

from __future__ import annotations

import html
import json
import logging
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import examples

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


def base64(text: str) -> str:
    return b64encode(text.encode()).decode()


# What a server may make of a value that it echoes.
SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "percent": lambda value: quote(value, safe=""),
    "percent, lower case": lambda value: "".join(
        f"%{byte:02x}" if not chr(byte).isalnum() or byte > 127 else chr(byte) for byte in value.encode()
    ),
    "percent but slashes": quote,
    "percent twice": lambda value: quote(quote(value, safe=""), safe=""),
    "form": quote_plus,
    "JSON": lambda value: json.dumps(value)[1:-1],
    "JSON in UTF-8": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    "JSON with escaped slashes": lambda value: json.dumps(value)[1:-1].replace("/", "\\/"),
    "JSON in JSON": lambda value: json.dumps(json.dumps(value))[1:-1].strip('\\"'),
    "Python": lambda value: repr(value)[1:-1],
    "HTML": html.escape,
    "HTML in numbers": lambda value: "".join(
        letter if letter.isascii() and letter.isalnum() else f"&#{ord(letter)};" for letter in value
    ),
    "HTML in HTML": lambda value: html.escape(html.escape(value)),
    "JSON in HTML": lambda value: html.escape(json.dumps(value)[1:-1]),
    "JSON in percent": lambda value: quote(json.dumps(value)[1:-1], safe=""),
    "HTML in JSON": lambda value: html.escape(value).replace("&", "\\u0026"),
    "base64": base64,
    "base64 for addresses": lambda value: urlsafe_b64encode(value.encode()).decode().rstrip("="),
    "base64, percent": lambda value: quote(base64(value), safe=""),
    "a pair": lambda value: f"ada:{value}",
    "a pair, percent": lambda value: quote(f"ada:{value}", safe=""),
    "a pair in base64": lambda value: base64(f"ada:{value}"),
    "another pair in base64": lambda value: base64(f"ada@x:{value}"),
    "a third pair in base64": lambda value: base64(f"ada@xy:{value}"),
    "a login in base64": lambda value: base64(f"grant=x&id=ada&secret={value}&scope=all"),
}


@pytest.mark.property
@settings(max_examples=examples(25), deadline=None)
@given(
    name=st.sampled_from(list(SPELLINGS)),
    value=st.text(st.characters(codec="utf-8"), min_size=6, max_size=12).map(lambda text: f"k7Q{text}z4"),
)
def test_a_secret_is_masked_in_whatever_spelling(name: str, value: str) -> None:
    redact.register(value)
    echo = SPELLINGS[name](value)
    seen = scrub(f"the login was <{echo}>, refused")
    assert echo not in seen
    assert seen.startswith("the login was <")
    assert seen.endswith(">, refused")
    redact._known.clear()


HARD = "p@ss word+\\\\\"&'</é%25€😀"


@pytest.mark.parametrize("name", SPELLINGS)
def test_nothing_is_left_of_a_secret_that_is_hard_to_spell(name: str) -> None:
    redact.register(HARD)
    assert scrub(f"<{SPELLINGS[name](HARD)}>") in ("<***>", "<ada:***>", "<ada%3A***>", "<***%3D>", "<***%3D%3D>")


def test_a_header_in_latin_1_is_found_too() -> None:
    redact.register("Gürteltier-1")
    assert scrub(f"Basic {b64encode('ada:Gürteltier-1'.encode('latin-1')).decode()}") == "Basic ***"
    assert scrub("pw=G%FCrteltier-1") == "pw=***"


def test_a_header_with_a_credential_that_nobody_registered_is_masked() -> None:
    assert scrub("sent 'Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln'") == "sent 'Authorization: Bearer ***'"
    assert scrub("Basic authentication is off") == "Basic authentication is off"


def test_two_secrets_of_which_one_holds_the_other_leave_nothing() -> None:
    redact.register("abc/def", "abc/def/ghi=")
    assert scrub("abc%2fdef%2fghi%3d abc\\/def") == "*** ***"


@pytest.mark.parametrize(
    "text", ["\\" * 20_000, "%5c" * 7_000, "%25" * 7_000, "&amp;" * 4_000, "a" * 20_000, "k\\" * 10_000]
)
def test_no_body_makes_it_slow(text: str) -> None:
    redact.register('k\\\\\\"\\\\&&&%%%k', "kkkkkk")
    started = time.perf_counter()
    scrub(text + "kkkkkk")
    assert time.perf_counter() - started < 2


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


def test_an_error_moves_no_cursor_and_can_be_printed_anywhere() -> None:
    failure = LearnsyncError("refused: \x1b[2J\x07\u202eno\ud800\r", remedy="one\n\ttwo\x9b")
    assert (failure.message, failure.remedy) == ("refused: [2Jno", "one\n\ttwo")


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
