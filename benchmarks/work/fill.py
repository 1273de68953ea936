"""Warehouses filled by SQL with the rows of a portal of any size, in seconds."""

from pathlib import Path

from benchmarks import rows
from benchmarks.figures import Place
from benchmarks.shape import Shape, row_id
from connector.local import run_build
from connector.settings import load_settings
from connector.warehouse.database import Connection, Warehouse

_SQL = Path(__file__).with_name("sql")
_FILE = "warehouse.duckdb"


def warehouse(place: Place) -> None:
    """Departments apart, every stream of a portal of that scale, as a first pull would leave it."""
    shape = Shape.of(place.scale, place.courses if place.size in {"tenth", "full", "five"} else None)
    with Warehouse(place.folder / _FILE).connect() as connection:
        _courses(connection, shape)
        for name in ("fill_users", "fill_courses", "fill_enrollments"):
            values = {"users": shape.users, "enrollments": shape.enrollments}
            query = (_SQL / f"{name}.sql").read_text("utf-8")
            connection.execute(query, {key: value for key, value in values.items() if f"${key}" in query})
        connection.execute("DROP TABLE bench_courses")


def _courses(connection: Connection, shape: Shape) -> None:
    """The courses as a table: number, first enrollment, id and name."""
    connection.execute("CREATE TEMP TABLE bench_courses (number BIGINT, first BIGINT, id UUID, name VARCHAR)")
    numbers = range(shape.courses)
    columns = [
        list(numbers),
        list(shape.starts),
        [row_id("c", number) for number in numbers],
        [rows.course_name(number) for number in numbers],
    ]
    connection.execute("INSERT INTO bench_courses SELECT unnest($1), unnest($2), unnest($3)::UUID, unnest($4)", columns)


def built(place: Place) -> None:
    """The same, and both canonical tables."""
    warehouse(place)
    run_build(load_settings())
