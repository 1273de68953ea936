"""`learnsync sandbox`: a portal, an org and a LearningRecord API on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from connector.cli.command import Run, command
from connector.cli.console import err, print_json
from connector.errors import SettingsError
from connector.files import tighten
from connector.sandbox.server import Ports, Sandbox, SandboxOptions

_ENV_FILE_MARK = "# Settings of a learnsync sandbox."


@command()
def sandbox(
    run: Run,
    *,
    scale: Annotated[int, typer.Option(min=0, help="How many enrollments the portal has, about.")] = 5000,
    courses: Annotated[int | None, typer.Option(min=1, help="How many courses; default grows with --scale.")] = None,
    dataset: Annotated[Path | None, typer.Option(help="Serve the OULAD registrations in this folder instead.")] = None,
    faults: Annotated[
        str,
        typer.Option(
            help="Fault profile: none, flaky, slow, stray401, expiring, unsorted, nosort, nosince, nodatefilter, …"
        ),
    ] = "none",
    absorb_port: Annotated[int, typer.Option(min=0, max=65535, help="0 = a free one.")] = 0,
    salesforce_port: Annotated[int, typer.Option(min=0, max=65535, help="0 = a free one.")] = 0,
    learning_records: Annotated[
        bool,
        typer.Option(
            "--learning-records",
            help="Settings of the LearningRecord API too: it takes one call per completed record.",
        ),
    ] = False,
    records_port: Annotated[int, typer.Option(min=0, max=65535, help="LearningRecord API; 0 = a free one.")] = 0,
    rate_limit: Annotated[float, typer.Option(min=0, help="Requests a second the portal allows; 0 = any.")] = 200,
    env_file: Annotated[Path | None, typer.Option(help="Also write the settings to this file.")] = None,
    oauth: Annotated[bool, typer.Option("--oauth", help="Settings for `learnsync auth login`.")] = False,
    jwt_key: Annotated[
        Path | None, typer.Option(help="Write a private key to this new file, and log in to the org with it (JWT).")
    ] = None,
) -> None:
    """Serve a local portal, org and LearningRecord API until interrupted, and print the settings that use them."""
    try:
        ports = Ports(absorb_port, salesforce_port, records_port)
        served = SandboxOptions(
            scale, courses, dataset, faults, ports=ports, rate_limit=rate_limit, learning_records=True
        )
        box = Sandbox(served)
        if env_file:
            _refuse_foreign(env_file)
        if jwt_key and jwt_key.exists():
            raise SettingsError(f"--jwt-key {jwt_key} exists.", remedy="Name a new file, or remove it.")
        box.start()
        settings = _settings(box, oauth=oauth, learning_records=learning_records, jwt_key=jwt_key)
    except (ValueError, OSError) as failure:
        raise SettingsError(f"The sandbox cannot start: {failure}.", remedy="See `learnsync sandbox --help`.") from None
    _announce(settings, env_file, as_json=run.as_json)
    box.run_forever()


def _settings(box: Sandbox, *, oauth: bool, learning_records: bool, jwt_key: Path | None) -> dict[str, str]:
    """The settings to print: those of the logins and targets that were asked for."""
    settings = box.settings() | (box.oauth_settings() if oauth else {})
    if not learning_records:
        settings = {name: value for name, value in settings.items() if "LEARNING_RECORDS" not in name}
    if jwt_key:
        settings |= box.jwt_settings(jwt_key)
        del settings["LEARNSYNC_SALESFORCE__CLIENT_SECRET"]
    return settings


def _refuse_foreign(env_file: Path) -> None:
    """A file of the user's own is not overwritten. A new one is readable by its owner only before secrets go in."""
    if env_file.exists() and not env_file.read_text("utf-8").startswith(_ENV_FILE_MARK):
        raise SettingsError(
            f"--env-file {env_file} exists and was not written by a sandbox.", remedy="Name another file, or remove it."
        )
    env_file.touch(mode=0o600)
    tighten(env_file)


def _announce(settings: dict[str, str], env_file: Path | None, *, as_json: bool) -> None:
    lines = [f"{name}={value}" for name, value in settings.items()]
    if env_file:
        env_file.write_text("\n".join([_ENV_FILE_MARK, *lines]) + "\n", "utf-8")
    if as_json:
        print_json({"settings": settings})
    else:
        print(*lines, sep="\n", flush=True)
        err.print("learnsync: the sandbox serves until you press Ctrl-C. Put the lines above into .env, or:")
        err.print("  learnsync sandbox --env-file .env", soft_wrap=True)
