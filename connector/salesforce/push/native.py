"""LearningItemProgress as a target: only where the org's own describe permits it, and only when it was asked for.

Facts: docs/facts/salesforce.md section 0. No API version lists create, update or upsert for the object; one newer page
of the vendor prints Create and Update beside some of its fields, which is no evidence of access. So describe decides,
the default is no, and records are only ever updated by Id: Salesforce itself makes them.
"""

from connector.errors import NotFoundError, TargetRefusedError
from connector.salesforce.client import SalesforceClient
from connector.salesforce.targets import PROGRESS
from connector.settings import Settings, variable

SETTING = variable("salesforce", "allow_learning_item_progress_writes")
_INSTEAD = "Push without --target: the custom objects carry the same statuses (docs/salesforce-setup.md section 5)."


async def permit(client: SalesforceClient, settings: Settings) -> None:
    """Raise TargetRefusedError, which says why, unless describe and the setting both allow updates."""
    try:
        describe = await client.describe(PROGRESS.object)
    except NotFoundError:
        await client.check_version()
        raise TargetRefusedError(
            f"{PROGRESS.object} cannot be pushed to: it is not in this org, or the run-as user cannot see it"
            " (it comes with Enablement).",
            remedy=_INSTEAD,
        ) from None
    if not describe.get("updateable"):
        said = ", ".join(f"{word} = {str(bool(describe.get(word))).lower()}" for word in ("createable", "updateable"))
        raise TargetRefusedError(
            f"{PROGRESS.object} cannot be pushed to: Salesforce offers no create, update or upsert of it through any"
            f" API, and the describe of this org agrees ({said}).",
            remedy=f"{_INSTEAD} {SETTING} cannot change that.",
        )
    if not settings.salesforce.allow_learning_item_progress_writes:
        raise TargetRefusedError(
            f"{PROGRESS.object} is not pushed to: this org's describe calls it updateable, but it is Salesforce's own"
            f" record of progress, and {SETTING} is not true.",
            remedy=f"{_INSTEAD} Set {SETTING}=true only where learnsync may overwrite what Salesforce computed.",
        )
