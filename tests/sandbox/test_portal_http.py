"""The portal over real HTTP: credentials, paging, filters, errors and writing operations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from connector.sandbox.server import Sandbox, SandboxOptions

NOBODY = "00000000-0000-4000-8000-000000000000"


def sign_in(sandbox: Sandbox) -> httpx.Client:
    """A client as the connector would be: key, token, base URL."""
    settings = sandbox.settings()
    key = settings["LEARNSYNC_ABSORB__API_KEY"]
    headers = {"x-api-key": key, "x-api-version": "2"}
    answer = httpx.post(f"{sandbox.absorb_url}/authenticate", json=credentials(sandbox), headers=headers)
    assert answer.status_code == 200
    return httpx.Client(base_url=sandbox.absorb_url, headers={**headers, "Authorization": f"Bearer {answer.json()}"})


def credentials(sandbox: Sandbox) -> dict[str, str]:
    settings = sandbox.settings()
    return {
        "username": settings["LEARNSYNC_ABSORB__USERNAME"],
        "password": settings["LEARNSYNC_ABSORB__PASSWORD"],
        "privateKey": settings["LEARNSYNC_ABSORB__API_KEY"],
    }


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    """One portal for everything that only reads."""
    with Sandbox(SandboxOptions(salesforce=False, rate_limit=0)) as sandbox:
        yield sandbox


@pytest.fixture
def own() -> Iterator[Sandbox]:
    """A small portal of its own for everything that writes."""
    with Sandbox(SandboxOptions(salesforce=False, rate_limit=0, scale=300)) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def api(shared: Sandbox) -> Iterator[httpx.Client]:
    with sign_in(shared) as client:
        yield client


def biggest(sandbox: Sandbox) -> str:
    found = sandbox.portal.select("SELECT course_id FROM enrollments GROUP BY course_id ORDER BY count(*) DESC LIMIT 1")
    return str(found[0][0])


def pull(client: httpx.Client, path: str, **query: Any) -> list[dict[str, Any]]:
    """Page until a page comes back empty."""
    rows: list[dict[str, Any]] = []
    for page in range(1000):
        answer = client.get(path, params={"_limit": 1000, **query, "_offset": page})
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["returnedItems"] == len(body["enrollments"])
        if not body["enrollments"]:
            return rows
        rows += body["enrollments"]
    raise AssertionError("the list never ended")


class TestCredentials:
    @pytest.mark.parametrize("missing", ["username", "password", "privateKey"])
    def test_missing_field_is_400(self, shared: Sandbox, api: httpx.Client, missing: str) -> None:
        body = {name: value for name, value in credentials(shared).items() if name != missing}
        answer = api.post("/authenticate", json=body)
        assert answer.status_code == 400
        assert answer.json()["code"] == 400

    @pytest.mark.parametrize("wrong", ["username", "password", "privateKey"])
    def test_wrong_field_is_401(self, shared: Sandbox, api: httpx.Client, wrong: str) -> None:
        answer = api.post("/authenticate", json=credentials(shared) | {wrong: "wrong"})
        assert answer.status_code == 401
        assert set(answer.json()) == {"validations", "code", "message", "term", "_meta"}

    def test_pascal_case_body_works(self, own: Sandbox) -> None:
        body = {name[0].upper() + name[1:]: value for name, value in credentials(own).items()}
        key = {"x-api-key": body["PrivateKey"]}
        answer = httpx.post(f"{own.absorb_url}/Authenticate", json=body, headers=key)
        assert answer.status_code == 200
        assert isinstance(answer.json(), str)

    @pytest.mark.parametrize("change", [str.lower, lambda _key: "", lambda key: key + "x"])
    def test_wrong_key_is_forbidden(self, api: httpx.Client, change: Any) -> None:
        answer = api.get("/users", headers={"x-api-key": change(api.headers["x-api-key"])})
        assert (answer.status_code, answer.json()) == (403, {"message": "Forbidden"})

    def test_raw_token_works_too(self, api: httpx.Client) -> None:
        raw = api.headers["authorization"].removeprefix("Bearer ")
        assert api.get("/users", headers={"Authorization": raw}).status_code == 200

    @pytest.mark.parametrize("offered", ["", "Bearer nonsense"])
    def test_bad_token_is_401(self, api: httpx.Client, offered: str) -> None:
        answer = api.get("/users", headers={"Authorization": offered})
        denied = {"message": "Authorization has been denied for this request."}
        assert (answer.status_code, answer.json()) == (401, denied)

    def test_new_token_revokes_the_previous_one(self, own: Sandbox) -> None:
        with sign_in(own) as first:
            assert first.get("/users").status_code == 200
            with sign_in(own) as second:
                assert first.get("/users").status_code == 401
                assert second.get("/users").status_code == 200

    def test_unknown_path_reads_like_an_auth_fault(self, api: httpx.Client) -> None:
        answer = api.get("/api/rest/v2/users")
        assert answer.status_code == 403
        assert "not a valid key=value pair (missing equal-sign)" in answer.json()["message"]


class TestPaging:
    def test_offset_is_a_page_index(self, shared: Sandbox, api: httpx.Client) -> None:
        path = f"/courses/{biggest(shared)}/enrollments"
        first = api.get(path, params={"_limit": 7, "_offset": 0}).json()
        second = api.get(path, params={"_limit": 7, "_offset": 1}).json()
        both = api.get(path, params={"_limit": 14}).json()
        assert first["enrollments"] + second["enrollments"] == both["enrollments"]
        assert (second["limit"], second["offset"], second["returnedItems"]) == (7, 1, 7)

    def test_default_limit_is_20(self, api: httpx.Client) -> None:
        body = api.get("/users").json()
        assert (body["limit"], body["offset"], len(body["users"])) == (20, 0, 20)

    @pytest.mark.parametrize(
        "query",
        [
            "_limit=1001",
            "_limit=0",
            "_limit=-1",
            "_limit=ten",
            "_offset=65536",
            "_offset=-1",
            "limit=1001",
            "modifiedSince=yesterday",
            "status=13",
            "_sort=nonsense",
            "_sort=-score",
            "_filter=nonsense eq 1",
            "_filter=score gt 3",
            "_filter=status eq",
            "_filter=(status eq 3",
            "_filter=status eq 3 3",
            "_filter=dateEdited gt '2026-01-01T00:00:00'",
            "_filter=id eq guid'short'",
            "_filter=status",
            "_filter=status gt null",
            "_filter=status eq 3; drop table users",
        ],
    )
    def test_nonsense_is_422(self, shared: Sandbox, api: httpx.Client, query: str) -> None:
        answer = api.get(f"/courses/{biggest(shared)}/enrollments?{query}")
        assert answer.status_code == 422
        assert answer.json()["term"] == "ErrorGeneric"

    def test_highest_offset_answers_an_empty_page(self, api: httpx.Client) -> None:
        body = api.get("/courses", params={"_limit": 1000, "_offset": 65535}).json()
        assert (body["returnedItems"], body["courses"]) == (0, [])

    @pytest.mark.parametrize("query", [{}, {"_sort": "dateEdited"}, {"_sort": "-dateAdded,id"}])
    def test_pages_add_up_to_the_course(self, shared: Sandbox, api: httpx.Client, query: dict[str, str]) -> None:
        course = biggest(shared)
        truth = [row for row in shared.portal.rows("enrollments") if row["courseId"] == course]
        assert len(truth) > 1000
        rows = pull(api, f"/courses/{course}/enrollments", **query)
        assert {row["id"]: row for row in rows} == {row["id"]: row for row in truth}
        assert len(rows) == len(truth)

    def test_every_course_together_is_everything(self, shared: Sandbox, api: httpx.Client) -> None:
        seen = [row["id"] for c in shared.portal.courses() for row in pull(api, f"/courses/{c['id']}/enrollments")]
        assert sorted(seen) == sorted(row["id"] for row in shared.portal.rows("enrollments"))

    def test_default_order_is_by_name(self, api: httpx.Client) -> None:
        names = [row["name"] for row in api.get("/courses", params={"_limit": 1000}).json()["courses"]]
        assert names == sorted(names)
        people = [row["lastName"] for row in api.get("/users", params={"_limit": 1000}).json()["users"]]
        assert people == sorted(people)

    def test_deprecated_parameters_still_page(self, api: httpx.Client) -> None:
        old = api.get("/users", params={"limit": 5, "offset": 2}).json()
        assert old == api.get("/users", params={"_limit": 5, "_offset": 2}).json()

    def test_a_users_enrollments(self, shared: Sandbox, api: httpx.Client) -> None:
        wanted = shared.portal.rows("enrollments")[0]["userId"]
        rows = pull(api, f"/users/{wanted.upper()}/enrollments")
        assert rows
        assert {row["userId"] for row in rows} == {wanted}

    def test_unknown_course_and_user_are_404(self, api: httpx.Client) -> None:
        for path in (
            f"/courses/{NOBODY}/enrollments",
            f"/users/{NOBODY}/enrollments",
            f"/enrollments/{NOBODY}",
        ):
            answer = api.get(path)
            assert (answer.status_code, answer.json()["code"]) == (404, 404)


class TestFilters:
    @pytest.mark.parametrize(
        ("text", "rule"),
        [
            ("status eq 3", lambda row: row["status"] == 3),
            ("status ne 3 and isActive", lambda row: row["status"] != 3 and row["isActive"]),
            ("not (status eq 3) or isActive eq false", lambda row: row["status"] != 3 or not row["isActive"]),
            ("dateDue eq null", lambda row: row["dateDue"] is None),
            (
                "dateDue ne null and progress ge 50.5",
                lambda row: row["dateDue"] and (row["progress"] or 0) >= 50.5,
            ),
            ("startsWith(fullName,'ADA')", lambda row: row["fullName"].startswith("Ada")),
            ("endswith(fullName,'o''brien')", lambda row: row["fullName"].endswith("O'Brien")),
            ("substringof('an',fullname)", lambda row: "an" in row["fullName"].lower()),
            ("tolower(jobTitle) eq 'nurse'", lambda row: row["jobTitle"] == "Nurse"),
            ("jobTitle eq 'NURSE'", lambda row: row["jobTitle"] == "Nurse"),
        ],
    )
    def test_filter_is_the_rule(self, shared: Sandbox, api: httpx.Client, text: str, rule: Any) -> None:
        course = biggest(shared)
        truth = {r["id"] for r in shared.portal.rows("enrollments") if r["courseId"] == course and rule(r)}
        rows = pull(api, f"/courses/{course}/enrollments", _filter=text)
        assert {row["id"] for row in rows} == truth
        first = api.get(f"/courses/{course}/enrollments", params={"_filter": text}).json()
        assert first["totalItems"] == len(truth)

    def test_guids_compare_without_case(self, shared: Sandbox, api: httpx.Client) -> None:
        row = shared.portal.rows("enrollments")[0]
        text = f"id eq guid'{row['id'].upper()}'"
        assert pull(api, f"/courses/{row['courseId']}/enrollments", _filter=text) == [row]

    def test_modified_since_is_strict_and_reads_every_form(self, own: Sandbox) -> None:
        course = biggest(own)
        own.portal.put_row(
            "enrollments",
            own.portal.rows("enrollments")[0]
            | {"id": NOBODY, "courseId": course, "dateEdited": "2030-05-01T12:00:00.1234567"},
        )
        with sign_in(own) as api:
            path = f"/courses/{course}/enrollments"
            for since, expected in {
                "2030-05-01T12:00:00.1234567": 0,
                "2030-05-01T12:00:00.1234566Z": 1,
                "2030-05-01T14:00:00+02:00": 1,
                "2030-05-01T14:00:01+02:00": 0,
                "2030-05-01": 1,
                "2030-05-02": 0,
            }.items():
                assert len(pull(api, path, modifiedSince=since)) == expected, since
            exact = "dateEdited {} datetime'2030-05-01T12:00:00.1234567'"
            assert len(pull(api, path, _filter=exact.format("gt"))) == 0
            assert len(pull(api, path, _filter=exact.format("ge"))) == 1

    def test_sort_by_date_edited(self, shared: Sandbox, api: httpx.Client) -> None:
        rows = pull(api, f"/courses/{biggest(shared)}/enrollments", _sort="dateEdited")
        stamps = [row["dateEdited"].rstrip("Z").ljust(20, ".").ljust(27, "0") for row in rows]
        assert stamps == sorted(stamps)

    def test_nested_custom_fields(self, own: Sandbox) -> None:
        user = own.portal.users()[3]
        own.portal.patch("users", user["id"], {"customFields": {**user["customFields"], "string1": "blue"}})
        with sign_in(own) as api:
            body = api.get("/users", params={"_filter": "customFields/string1 eq 'blue'"}).json()
        assert [row["id"] for row in body["users"]] == [user["id"]]


class TestWriting:
    def test_enroll_update_and_re_enroll(self, own: Sandbox) -> None:
        user, course = own.portal.users()[0]["id"], own.portal.courses()[-1]["id"]
        with sign_in(own) as api:
            pair = f"/users/{user}/enrollments/{course}"
            assert api.get(pair).status_code == 404
            first = api.post(pair).json()
            assert first["courseId"] == course
            assert api.post(pair).json() == first
            body = {"CourseId": course, "Status": 3, "score": 88.5, "fullName": "ignored"}
            assert api.post(f"/users/{user}/enrollments", json=body).json() == first
            row = api.get(pair).json()
            assert (row["status"], row["score"], row["progress"]) == (3, 88.5, 100.0)
            assert row["dateCompleted"]
            assert row["fullName"] != "ignored"
            assert row == api.get(f"/enrollments/{first['enrollmentId']}").json()
            second = api.post(pair, params={"reEnroll": "true"}).json()
            assert second["enrollmentId"] != first["enrollmentId"]
            history = pull(api, f"/users/{user}/enrollments", _filter=f"courseId eq guid'{course}'")
            active = {r["id"]: r["isActive"] for r in history}
            assert active == {first["enrollmentId"]: False, second["enrollmentId"]: True}

    @pytest.mark.parametrize("body", [{}, {"courseId": "no"}, [], {"courseId": NOBODY, "status": 13}])
    def test_bad_body_is_422(self, own: Sandbox, body: Any) -> None:
        with sign_in(own) as api:
            user = own.portal.users()[0]["id"]
            assert api.post(f"/users/{user}/enrollments", json=body).status_code == 422

    def test_unenrolled_rows_vanish(self, own: Sandbox) -> None:
        gone = [row["id"] for row in own.portal.rows("enrollments")[:3]]
        with sign_in(own) as api:
            assert api.post("/enrollments/unenroll", json=[*gone, NOBODY]).status_code == 404
            assert own.portal.count("enrollments") == 300
            assert api.post("/enrollments/unenroll", json=gone).status_code == 200
            assert api.get(f"/enrollments/{gone[0]}").status_code == 404
            assert api.post("/enrollments/unenroll", json=["x"]).status_code == 422
        assert own.portal.count("enrollments") == 297

    def test_deleted_course_is_404(self, own: Sandbox) -> None:
        course = biggest(own)
        own.portal.delete_course(course)
        with sign_in(own) as api:
            assert api.get(f"/courses/{course}/enrollments").status_code == 404


class TestControl:
    def test_change_and_state(self, own: Sandbox) -> None:
        before = {row["id"]: row for row in own.portal.rows("enrollments")}
        url = own.absorb_url
        body = {"edits": 5, "inserts": 4, "deletes": 2}
        changed = httpx.post(f"{url}/_sandbox/change", json=body).json()
        assert {name: len(ids) for name, ids in changed.items()} == body
        after = {row["id"]: row for row in own.portal.rows("enrollments")}
        assert set(after) == (set(before) | set(changed["inserts"])) - set(changed["deletes"])
        touched = set(changed["edits"]) - set(changed["deletes"])
        assert {i for i in after if i in before and after[i] != before[i]} == touched
        state = httpx.get(f"{url}/_sandbox/state").json()
        assert state["counts"]["enrollments"] == 302

    def test_due_dates_are_dropped_unless_the_portal_is_told_to_keep_them(self, own: Sandbox) -> None:
        free = "SELECT u.key, c.key FROM users u, courses c WHERE NOT EXISTS (SELECT 1 FROM enrollments e WHERE"
        pairs = own.portal.select(f"{free} e.user_id = u.key AND e.course_id = c.key) LIMIT 2")
        with sign_in(own) as client:
            for (user, course), keeps in zip(pairs, (False, True), strict=True):
                told = client.post("/_sandbox/keeps_dates", json={"keeps_dates": keeps})
                assert told.json() == {"keeps_dates": keeps}
                body = {"courseId": course, "dateDue": "2026-05-31T12:00:00Z"}
                assert client.post(f"/users/{user}/enrollments", json=body).status_code in {200, 201}
                (row,) = own.portal.enrollments_of(user, course)
                assert row["dateDue"] == (body["dateDue"] if keeps else None)
            assert client.post("/_sandbox/keeps_dates", json={"keeps_dates": 1}).status_code == 400

    def test_rows_are_served_verbatim(self, own: Sandbox) -> None:
        course = biggest(own)
        odd = {"id": NOBODY, "courseId": course, "dateEdited": "not a date", "extra": [1, {"a": None}]}
        body = {"stream": "enrollments", "rows": [odd]}
        assert httpx.post(f"{own.absorb_url}/_sandbox/rows", json=body).status_code == 200
        with sign_in(own) as api:
            assert odd in pull(api, f"/courses/{course}/enrollments")

    def test_lists_can_leave_fields_out_or_empty_them(self, own: Sandbox) -> None:
        course, altered = biggest(own), {"stream": "enrollments", "leave_out": ["dateDue"], "empty": ["fullName"]}
        assert httpx.post(f"{own.absorb_url}/_sandbox/answers", json=altered).status_code == 200
        with sign_in(own) as api:
            rows = pull(api, f"/courses/{course}/enrollments")
            assert not any("dateDue" in row or row["fullName"] is not None for row in rows)
            httpx.post(f"{own.absorb_url}/_sandbox/answers", json={"stream": "enrollments"})
            truth = {row["id"]: row for row in own.portal.rows("enrollments")}
            assert all(row == truth[row["id"]] for row in pull(api, f"/courses/{course}/enrollments"))

    def test_bad_requests_are_400(self, own: Sandbox) -> None:
        unknown = {"stream": "enrollments", "leave_out": ["due"]}
        bad = (("change", {"edit": 1}), ("change", []), ("rows", {"stream": "nope"}), ("answers", unknown))
        for path, body in bad:
            assert httpx.post(f"{own.absorb_url}/_sandbox/{path}", json=body).status_code == 400
