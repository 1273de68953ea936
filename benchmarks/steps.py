"""What is measured, in the order of one round: contenders, which have a title, and the preparations between them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

LEARNSYNC, DAGSTER = ("connector.cli",), ("dagster", "job", "execute", "-m", "pipelines.definitions", "-j")


@dataclass(frozen=True)
class Step:
    """One process. A step without a title prepares what others measure, and is done only where one of them needs it."""

    name: str
    # A function of benchmarks.work, as module:function; or the arguments of `python -m`.
    work: str | tuple[str, ...]
    title: str = ""
    # Steps that must have been done before.
    after: tuple[str, ...] = ()
    # The contender that it is compared with.
    beside: str = ""
    # Which folder it works in; one that is kept stays from round to round.
    place: str = ""
    kept: bool = False
    # Done in the first round only, in a folder that is kept.
    once: bool = False
    # How many enrollments: a name of `sizes`.
    size: str = "full"
    # The portal to read: all of it, or one that serves only what changed.
    portal: Literal["", "whole", "changed"] = ""
    # The org to push to, new in each round unless the folder is kept.
    org: str = ""
    # A package that may be missing.
    package: str = ""

    @property
    def missing(self) -> bool:
        """Whether the package that it needs is not installed."""
        return bool(self.package) and find_spec(self.package) is None


def sizes(scale: int) -> Mapping[str, int]:
    """How many enrollments each size stands for."""
    small = {name: min(most, scale) for name, most in (("small", 100_000), ("tiny", 2_000), ("demo", 5_000))}
    return {"full": scale, "tenth": scale // 10, "five": scale * 5, **small}


READING = (
    Step("floor", "floor:enrollments", "floor: httpx to disk, one read_json", portal="whole"),
    Step("pull_users", "pulls:users", "pull of one long list (users)", place="pull", portal="whole"),
    Step(
        "pull", "pulls:enrollments", "pull, full", after=("pull_users",), beside="floor", place="pull", portal="whole"
    ),
    Step("change", "pulls:change", after=("pull",), place="pull", portal="whole"),
    Step(
        "requests", "floor:changes", "bare incremental requests, 0.1 % changed",
        after=("change",), place="pull", portal="whole",
    ),
    Step(
        "pull_changed", "pulls:everything", "pull, 0.1 % changed",
        after=("change",), beside="requests", place="pull", portal="whole",
    ),
    Step(
        "pull_nothing", "pulls:everything", "pull, nothing changed",
        after=("pull_changed",), beside="requests", place="pull", portal="whole",
    ),
)  # fmt: skip


def _building(size: str, label: str, *, with_publish: bool = False) -> Iterable[Step]:
    """The first build of a warehouse of that size, one after no change, one after 0.1 % changed; publishes between."""
    filled, place, name = f"fill_{size}", f"build_{size}", "build" if size == "full" else f"build_{size}"
    yield Step(filled, "fill:warehouse", place=filled, once=True, size=size)
    yield Step(f"copy_{size}", "copies:filled", after=(filled,), place=place, size=size)
    before = f"copy_{size}"
    for state, said in (("", "first"), ("_nothing", "nothing changed"), ("_changed", "0.1 % changed")):
        if state == "_changed":
            yield Step(f"slice_{size}", "pulls:slice_of", after=(before,), place=place, size=size, portal="changed")
            before = f"slice_{size}"
        beside = name if state else ""
        title = f"build of {label}, {said}"
        yield Step(f"{name}{state}", "stages:build", title, (before,), beside, place=place, size=size)
        before = f"{name}{state}"
        if with_publish:
            told, than = f"publish of {label}, {said}", "publish" if state else ""
            yield Step(f"publish{state}", "stages:publish", told, (before,), than, place=place, size=size)
            before = f"publish{state}"


PUSHING = (
    *(
        Step(f"built_{size}", "fill:built", place=f"built_{size}", once=True, size=size)
        for size in ("small", "tiny", "full")
    ),
    Step("copy_bulk", "copies:built", after=("built_small",), place="bulk", size="small"),
    Step(
        "push_bulk", "pushes:push", "push by bulk jobs, first",
        ("copy_bulk",), place="bulk", size="small", org="bulk",
    ),
    Step(
        "push_nothing", "pushes:push", "push, nothing changed",
        ("push_bulk",), "push_bulk", place="bulk", size="small", org="bulk",
    ),
    Step("copy_records", "copies:built", after=("built_small",), place="records", size="small"),
    Step("records", "pushes:records", after=("copy_records",), place="records", size="small", org="records"),
    Step(
        "simple_bulk", "pushes:simple", "simple-salesforce, bulk2.upsert of the same",
        ("records",), "push_bulk", place="records", size="small", org="simple", package="simple_salesforce",
    ),
    Step("copy_collections", "copies:built", after=("built_tiny",), place="collections", size="tiny"),
    Step(
        "push_collections", "pushes:push", "push by collections, first",
        ("copy_collections",), place="collections", size="tiny", org="collections",
    ),
    Step("copy_few", "copies:built", after=("built_tiny",), place="few", size="tiny"),
    Step("few", "pushes:records", after=("copy_few",), place="few", size="tiny", org="records"),
    Step(
        "simple_few", "pushes:simple", "simple-salesforce, bulk2.upsert of the same",
        ("few",), "push_collections", place="few", size="tiny", org="simple_few", package="simple_salesforce",
    ),
    Step(
        "dry_run", "pushes:dry_run", "dry run of a first push",
        ("built_full",), place="built_full", kept=True, org="dry",
    ),
)  # fmt: skip

PEERS = (
    Step(
        "pull_small", "pulls:enrollments", "pull, full, as many rows as dlt",
        place="small", size="small", portal="whole",
    ),
    Step(
        "dlt_arrow", "peers:arrow", "dlt, hand-tuned: Arrow tables, merge",
        beside="pull_small", size="small", portal="whole", package="dlt",
    ),
    Step(
        "dlt_dicts", "peers:dicts", "dlt, its normal way: dicts, merge",
        beside="pull_small", size="small", portal="whole", package="dlt",
    ),
)  # fmt: skip

SYNCING = (
    Step("home", "stages:dagster_home", place="sync", once=True),
    Step("sync_first", (*LEARNSYNC, "sync"), place="sync", once=True, size="demo", portal="whole", org="demo"),
    Step(
        "sync_cli", (*LEARNSYNC, "sync"), "sync with an org, nothing new: learnsync",
        ("sync_first",), place="sync", kept=True, size="demo", portal="whole", org="demo",
    ),
    Step(
        "sync_dagster", (*DAGSTER, "incremental_sync"), "sync with an org, nothing new: Dagster",
        ("sync_first", "home"), "sync_cli", place="sync", kept=True, size="demo", portal="whole", org="demo",
    ),
    Step("full_home", "stages:dagster_home", place="sync_full", once=True),
    Step("full_first", (*LEARNSYNC, "sync"), place="sync_full", once=True, portal="whole"),
    Step(
        "sync_full_cli", (*LEARNSYNC, "sync"), "sync, nothing new: learnsync",
        ("full_first",), "requests", place="sync_full", kept=True, portal="whole",
    ),
    Step(
        "sync_full_dagster", (*DAGSTER, "incremental_sync"), "sync, nothing new: Dagster",
        ("full_first", "full_home"), "sync_full_cli", place="sync_full", kept=True, portal="whole",
    ),
)  # fmt: skip

STARTING = (
    Step("help", (*LEARNSYNC, "--help"), "learnsync --help", place="sync", kept=True),
    Step("status", (*LEARNSYNC, "status"), "learnsync status", ("sync_first",), place="sync", kept=True, size="demo"),
)

STEPS = (
    *READING,
    *_building("tenth", "a tenth"),
    *_building("full", "all", with_publish=True),
    *_building("five", "five times"),
    *PUSHING,
    *PEERS,
    *SYNCING,
    *STARTING,
)
CONTENDERS = {step.name: step for step in STEPS if step.title}
# What a quick run leaves out: the same work at other sizes.
OTHER_SIZES = tuple(name for name in CONTENDERS if name.startswith(("build_tenth", "build_five", "sync_full")))


def needed(names: Iterable[str]) -> list[Step]:
    """The steps of a round that measures these contenders, in order."""
    by_name = {step.name: step for step in STEPS}
    wanted, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += by_name[name].after
    return [step for step in STEPS if step.name in wanted]
