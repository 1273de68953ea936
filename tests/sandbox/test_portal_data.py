"""What the portal is filled with, and how it changes."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from oulad import folders, lines, statuses

from connector.sandbox.kit.instants import canonical, naive_text, timespan
from connector.sandbox.portal import Portal
from connector.sandbox.portal.generator import course_sizes, generate
from connector.sandbox.portal.oulad import load_oulad

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def filled(scale: int = 5000, seed: int = 1) -> Portal:
    portal = Portal(now=lambda: NOW)
    generate(portal, scale=scale, seed=seed)
    return portal


@pytest.fixture(scope="module")
def portal() -> Portal:
    """Only read from."""
    return filled()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05", "2026-01-02T03:04:05.0000000"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.0000000"),
        ("2026-01-02T03:04:05.1234567", "2026-01-02T03:04:05.1234567"),
        ("2026-01-02T03:04:05.12+02:30", "2026-01-02T00:34:05.1200000"),
        ("2026-01-02T00:04:05.5-0100", "2026-01-02T01:04:05.5000000"),
        ("2026-01-02", "2026-01-02T00:00:00.0000000"),
        ("2026-13-02", None),
        ("2026-01-02T25:00:00", None),
        ("soon", None),
        (None, None),
        (7, None),
    ],
)
def test_canonical(text: object, expected: str | None) -> None:
    assert canonical(text) == expected


@pytest.mark.parametrize(
    ("ticks", "expected"),
    [
        (0, "00:00:00"),
        (51_719_878_697, "01:26:11.9878697"),
        (1_333_599_878_697, "1.13:02:39.9878697"),
        (937_840_000_000, "1.02:03:04"),
    ],
)
def test_timespan(ticks: int, expected: str) -> None:
    assert timespan(ticks) == expected


def test_naive_text_drops_trailing_zeros() -> None:
    assert naive_text(NOW) == "2026-06-01T12:00:00"
    assert naive_text(NOW.replace(microsecond=120_000)) == "2026-06-01T12:00:00.12"


class TestGenerator:
    def test_equal_arguments_give_equal_rows(self) -> None:
        first, second, other = filled(400), filled(400), filled(400, seed=2)
        for stream in ("users", "courses", "departments", "enrollments"):
            assert first.rows(stream) == second.rows(stream)
            assert first.rows(stream) != other.rows(stream)

    def test_counts(self, portal: Portal) -> None:
        counts = {s: portal.count(s) for s in ("users", "courses", "departments", "enrollments")}
        assert counts == {"users": 1250, "courses": 12, "departments": 13, "enrollments": 5000}

    @pytest.mark.parametrize("scale", [0, 1, 13, 40, 500])
    def test_small_scales_are_exact(self, scale: int) -> None:
        assert filled(scale).count("enrollments") == scale

    def test_all_statuses_at_any_scale(self, portal: Portal) -> None:
        for one in (portal, filled(60)):
            assert {row["status"] for row in one.rows("enrollments")} == set(range(13))

    def test_course_sizes_are_skewed(self, portal: Portal) -> None:
        sizes = Counter(row["courseId"] for row in portal.rows("enrollments"))
        ordered = sorted((sizes[course["id"]] for course in portal.courses()), reverse=True)
        assert ordered[0] > 1000 > 3 * ordered[8]
        assert ordered[-2:] == [1, 0]
        real = course_sizes(1_032_549, 2215, 258_000)
        assert sum(real) == 1_032_549
        assert real[0] > 10_000

    def test_dates_agree(self, portal: Portal) -> None:
        now = canonical(naive_text(NOW))
        for row in portal.rows("enrollments"):
            added, started, done, edited = (
                canonical(row[name]) for name in ("dateAdded", "dateStarted", "dateCompleted", "dateEdited")
            )
            chain = [stamp for stamp in (added, started, done, edited, now) if stamp]
            assert [stamp[:19] for stamp in chain] == sorted(stamp[:19] for stamp in chain)

    def test_one_active_enrollment_per_pair(self, portal: Portal) -> None:
        rows = portal.rows("enrollments")
        pairs = Counter((row["userId"], row["courseId"]) for row in rows)
        active = Counter((row["userId"], row["courseId"]) for row in rows if row["isActive"])
        assert set(active) == set(pairs)
        assert set(active.values()) == {1}
        assert max(pairs.values()) >= 3

    def test_a_bulk_edit_is_longer_than_a_page(self, portal: Portal) -> None:
        blocks = Counter((row["courseId"], row["dateEdited"]) for row in portal.rows("enrollments"))
        assert blocks.most_common(1)[0][1] > 1000

    def test_variety(self, portal: Portal) -> None:
        rows = portal.rows("enrollments")
        dues = [row["dateDue"] for row in rows if row["dateDue"]]
        assert any(due.endswith("T00:00:00") for due in dues)
        assert any(not due.endswith("T00:00:00") for due in dues)
        assert min(dues) < "2025" < "2026-07" < max(dues)
        for name in ("score", "dateStarted", "jobTitle", "dateDue", "accessDate", "courseCollectionId"):
            assert 0 < sum(row[name] is None for row in rows) < len(rows), name
        assert any(row["status"] == 3 and row["dateCompleted"] is None for row in rows)
        digits = {len(r["dateEdited"].rstrip("Z").partition(".")[2]) for r in rows}
        assert {0, 3, 7} <= digits
        users = portal.users()
        assert any(user["externalId"] is None for user in users)
        assert any(user["departmentId"].isupper() for user in users)
        addresses = [user["emailAddress"].lower() for user in users if user["emailAddress"]]
        assert len(addresses) < len(users)
        assert all(address.endswith(("@example.com", "@example.org")) for address in addresses)
        assert any(course["activeStatus"] == 1 for course in portal.courses())


class TestChanges:
    def test_edits_never_share_an_instant_unless_asked(self) -> None:
        portal = filled(200)
        ids = portal.edit(50)
        stamps = {row["id"]: canonical(row["dateEdited"]) for row in portal.rows("enrollments")}
        assert len({stamps[i] for i in ids}) == 50
        same = portal.edit(30, same_instant=True)
        rows = {row["id"]: canonical(row["dateEdited"]) for row in portal.rows("enrollments")}
        assert len({rows[i] for i in same}) == 1
        assert rows[same[0]] > max(stamps.values())  # type: ignore[operator, type-var]

    def test_edit_by_id_sets_what_is_asked(self) -> None:
        portal = filled(50)
        row = portal.rows("enrollments")[0]
        portal.edit([row["id"]], changes={"status": 5})
        after = portal.get("enrollments", row["id"])
        assert after is not None
        assert {name for name in row if row[name] != after[name]} <= {"status", "dateEdited"}
        assert after["status"] == 5

    def test_insert_and_delete(self) -> None:
        portal = filled(50)
        added = portal.insert(5)
        assert portal.count("enrollments") == 55
        portal.delete(added)
        portal.delete(10)
        assert portal.count("enrollments") == 40

    def test_malformed_row_replaces_the_one_with_its_id(self) -> None:
        portal = filled(50)
        row = portal.rows("enrollments")[0]
        course = row.pop("courseId")
        portal.put_row("enrollments", row)
        assert portal.count("enrollments") == 50
        served = portal.page("enrollments", where="course_id = ?", parameters=[course], order="seq", limit=50, skip=0)
        assert any('"courseId"' not in text for text in served[1])


class TestOulad:
    @folders
    def test_real_registrations(self, folder: Path) -> None:
        portal = Portal()
        load_oulad(portal, folder)
        people = {line["id_student"] for line in lines(folder)}
        assert (portal.count("courses"), portal.count("users")) == (22, len(people))
        rows = portal.rows("enrollments")
        counts = statuses(folder)
        assert len({row["id"] for row in rows}) == counts.total()
        assert Counter(row["status"] for row in rows) == counts
        # All of it: 12,361 Pass + 3,024 Distinction; 7,052 Fail; 10,156 Withdrawn.
        assert counts in ({3: 182, 5: 94, 6: 137}, {3: 15_385, 5: 7052, 6: 10_156})
        assert (len(people), counts.total()) in {(370, 413), (28_785, 32_593)}
        first = next(r for r in rows if r["courseName"] == "AAA 2013J")
        assert first["dateDue"] == "2014-06-26T00:00:00"
        assert all(row["dateAdded"] <= row["dateEdited"] for row in rows)
        assert all(user["externalId"] and user["emailAddress"] for user in portal.users())

    def test_missing_file_and_column_are_named(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"no file courses\.csv"):
            load_oulad(Portal(), tmp_path)
        (tmp_path / "courses.csv").write_text("code_module,code_presentation\nAAA,2013J\n")
        with pytest.raises(ValueError, match=r"courses\.csv: no column module_presentation_length"):
            load_oulad(Portal(), tmp_path)
