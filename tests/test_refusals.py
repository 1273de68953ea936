"""What a refusal of each API becomes: every row of every table, met by an answer that only this row is for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from connector.absorb import faults
from connector.absorb.login import oauth
from connector.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    ServerFaultError,
    ThrottledError,
    WrongPathError,
)
from connector.http.answers import Answer
from connector.http.refusals import Refusal, login_reason
from connector.learning_records import client as records
from connector.salesforce import session as salesforce


def salesforce_error(code: str, message: str) -> str:
    return json.dumps([{"errorCode": code, "message": message}])


def oauth_error(code: str) -> str:
    return json.dumps({"error": code})


Case = tuple[int, str, dict[str, str], type[ApiError], str]
Table = tuple[tuple[Refusal, ...], Callable[[Answer], ApiError], list[Case]]

# For each row, in the order of its table: status, body, headers → error and message.
TABLES: dict[str, Table] = {
    "Absorb": (
        faults.REFUSALS, faults.explain,
        [
            (403, '{"message":"Missing Authentication Token"}', {}, WrongPathError,
             "Absorb's gateway does not know the path of GET /things (what it says about Authorization misleads)."),
            (401, "", {}, AuthenticationError, "Absorb does not accept the token for GET /things."),
            (403, '{"message":"Forbidden"}', {}, PermissionDeniedError,
             "Absorb's gateway refused the API key on GET /things (403 Forbidden)."),
            (403, "no right {to} that", {}, PermissionDeniedError,
             "The account's role may not do GET /things: no right {to} that."),
            (404, "", {}, NotFoundError, "GET /things: not found, or not visible to this admin."),
            (429, "", {"retry-after": "400"}, ThrottledError,
             "Absorb throttles us on GET /things. It asks to stay away for 400 s."),
            (503, "", {}, ServerFaultError, "Absorb kept failing on GET /things (503)."),
            (302, "", {"location": "https://x.example/"}, WrongPathError,
             "GET /things was redirected to https://x.example/."),
            (422, "what?", {}, BadRequestError, "Absorb refused GET /things (422): what?"),
        ],
    ),
    "OAuth": (
        oauth.REFUSALS, lambda answer: oauth._refusal(answer, "refresh_token"),
        [
            (400, oauth_error("invalid_grant"), {}, AuthenticationError,
             "The portal no longer accepts the login (invalid_grant): it ended or was withdrawn."),
            (401, oauth_error("invalid_client"), {}, AuthenticationError,
             "The portal does not know this OAuth client (invalid_client)."),
            (401, "", {}, AuthenticationError, "The portal does not know this OAuth client (401)."),
            (429, "", {}, ThrottledError, "The portal throttles GET /things."),
            (502, "", {}, ServerFaultError, "The portal failed on GET /things (502)."),
            (404, "", {}, WrongPathError, "404: there is no OAuth endpoint at GET /things of this host."),
            (403, "Missing Authentication Token", {}, WrongPathError,
             "403: there is no OAuth endpoint at GET /things of this host."),
            (400, "what?", {}, AuthenticationError, "The portal refused GET /things (400: no reason given)."),
        ],
    ),
    "Salesforce": (
        salesforce.REFUSALS, lambda answer: salesforce.explain(answer, "Check the login."),
        [
            (403, salesforce_error("REQUEST_LIMIT_EXCEEDED", "TotalRequests"), {}, ThrottledError,
             "The org has no API calls left (TotalRequests)."),
            (401, salesforce_error("INVALID_SESSION_ID", "expired"), {}, AuthenticationError,
             "The org ends our sessions at once (INVALID_SESSION_ID: expired)."),
            (403, salesforce_error("INSUFFICIENT_ACCESS", "no"), {}, PermissionDeniedError,
             "The run-as user may not do GET /things (INSUFFICIENT_ACCESS: no)."),
            (404, "<html>", {}, NotFoundError, "GET /things: not found (<html>)."),
            (404, salesforce_error("NOT_FOUND", "gone"), {}, NotFoundError, "GET /things: NOT_FOUND (gone)."),
            (500, salesforce_error("UNKNOWN_EXCEPTION", "?"), {}, ServerFaultError,
             "The org kept failing on GET /things (500 UNKNOWN_EXCEPTION)."),
            (400, salesforce_error("MALFORMED_QUERY", "{x}"), {}, BadRequestError,
             "The org refused GET /things (400 MALFORMED_QUERY: {x})."),
        ],
    ),
    "LearningRecord API": (
        records.REFUSALS, records.explain,
        [
            (401, '{"detail":"no key"}', {}, AuthenticationError, "The LearningRecord API refused the key (no key)."),
            (403, '{"message":"no"}', {}, PermissionDeniedError,
             "The key of the LearningRecord API may not do GET /things (no)."),
            (405, "", {}, NotFoundError, "The LearningRecord API does not know GET /things (405)."),
            (429, "", {}, ThrottledError, "The LearningRecord API asks for a longer pause than a run may wait."),
            (307, "", {}, ProtocolError, "The LearningRecord API sent GET /things elsewhere (307)."),
            (408, '{"error":{"message":"slow"}}', {}, ServerFaultError,
             "The LearningRecord API failed on GET /things (408: slow)."),
            (400, '{"code":"E1","message":"no","details":["title"]}', {}, BadRequestError,
             "The LearningRecord API refused GET /things (400 E1: no ['title'])."),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "row"), [(name, row) for name, (rows, _, _) in TABLES.items() for row in range(len(rows))]
)
def test_every_row_is_met(name: str, row: int) -> None:
    table, explain, cases = TABLES[name]
    status, body, headers, error, message = cases[row]
    answer = Answer("GET", "/things", status, headers, body.encode())
    found = explain(answer)
    assert (type(found), found.message, found.status, found.body) == (error, message, status, body)
    assert next(number for number, each in enumerate(table) if each.fits(answer, found.code)) == row
    assert "{" not in found.remedy
    assert bool(found.remedy) == bool(table[row].remedy)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("status", [100, 204, 302, 400, 402, 418, 451, 499, 511, 599, 999])
@pytest.mark.parametrize("body", ["", "[]", "null", '"text"', "{{}", '{"error": {"code": []}}', "[1]"])
def test_no_answer_is_without_an_error(name: str, status: int, body: str) -> None:
    explain: Any = TABLES[name][1]
    assert isinstance(explain(Answer("GET", "/things", status, {}, body.encode())), ApiError)


REASONS = {
    '{"error":"invalid_grant","error_description":"user is inactive","echo":"mine"}': "invalid_grant: user is inactive",
    '[{"errorCode":"INVALID_LOGIN","message":"no"}]': "INVALID_LOGIN: no",
    '{"validations":[],"code":0,"message":"Wrong\\u001b[2J name","term":"ErrorLogin"}': "ErrorLogin: Wrong[2J name",
    '{"error":{"code":"E1","message":"no"},"message":"mine"}': "E1: no",
    '{"errors":[{"detail":"no"},{"detail":"mine"}]}': "no",
    '{"error":{"password":"mine"},"error_description":["mine"]}': "no reason given",
    '{"error_description":"%s"}' % ("x" * 500): "x" * 200,
    **dict.fromkeys(("mine", "", "[]", "[1]", "{}", '"mine"', "null", "<p>mine</p>"), "no reason given"),
}


@pytest.mark.parametrize("body", REASONS)
def test_of_a_refused_login_only_code_and_description_are_quoted(body: str) -> None:
    assert login_reason(Answer("POST", "/login", 400, {}, body.encode())) == REASONS[body]
