"""An org as a destination of pushes: which org it is, and what its calls cost."""

from connector.push.engine import Destination, Run
from connector.push.reports import PushReport
from connector.salesforce.client import SalesforceClient
from connector.warehouse.identity import require_same


class OrgDestination(Destination):
    """An org, whose calls count."""

    client: SalesforceClient

    async def org_id(self, run: Run) -> str:
        """The id of the org. That it is the one of this warehouse is checked when the file is next opened."""
        grant = await self.client.grant()
        note_by = "" if run.options.dry_run else run.run_id
        require_same(run.warehouse, grant.identity, run.settings.tenant_id, note_by=note_by)
        return grant.org_id

    def add_calls(self, report: PushReport) -> None:
        """What the session has used so far, whichever destinations share it."""
        client = self.client
        report.calls, report.api_used, report.api_allowed = client.calls_made, client.calls_used, client.calls_allowed
