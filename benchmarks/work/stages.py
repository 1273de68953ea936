"""The connector's stages that no server takes part in."""

from benchmarks.figures import Figures, Place, measured
from connector.local import run_build, run_publish
from connector.settings import load_settings


def build(place: Place) -> Figures:
    """Both canonical tables."""
    del place
    with measured() as figures:
        report = run_build(load_settings())
    figures.rows = report.tables["learning_item_progress"].rows
    return figures


def publish(place: Place) -> Figures:
    """The analysts' file."""
    with measured() as figures:
        run_publish(load_settings())
    figures.rows = place.scale
    return figures


def dagster_home(place: Place) -> None:
    """Make Dagster's own files where DAGSTER_HOME names them, with the dagster.yaml that is shipped."""
    from connector.cli.dagster_home import prepare  # noqa: PLC0415 - the stages are measured without it
    from pipelines.instance import make  # noqa: PLC0415

    make(prepare(place.folder / "dagster"))
