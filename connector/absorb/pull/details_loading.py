"""Details into the warehouse: rows, removals and the end of being due, in one transaction a chunk."""

from collections.abc import Mapping, Sequence

from connector.absorb.pull.details_reading import ServedPair
from connector.absorb.pull.landing import drop_files
from connector.absorb.pull.options import Context, StreamReport
from connector.streams import DETAIL_STREAMS
from connector.times import utc_now
from connector.warehouse.database import Connection, Stamp
from connector.warehouse.load import Batch, load_together
from connector.warehouse.statements import rows_param, statements

sql = statements(__package__)


class DetailLoader:
    """Loads chunk after chunk; `reports` gets the counts."""

    def __init__(self, context: Context, reports: Mapping[str, StreamReport]) -> None:
        self._context = context
        self._reports = reports
        self._chunks = 0

    def load(self, served: Sequence[ServedPair]) -> None:
        """Everything served for these pairs, which are no longer due then."""
        if not served:
            return
        self._chunks += 1
        settings = self._context.settings
        stamp = Stamp(settings.tenant_id, self._context.run_id, utc_now())
        batches = [batch for stream in self._reports if (batch := self._land(stream, served)) is not None]

        def settle(connection: Connection) -> None:
            self._mark_removed(connection, served, stamp)
            done = rows_param(entry for one in served for entry in one.pair.entries)
            connection.execute(sql("details_due_done"), {"served": done, "tenant_id": settings.tenant_id})

        counts = load_together(self._context.warehouse, batches, settle, stamp)
        for stream, count in counts.items():
            self._reports[stream].counts.add(count)
        for batch in batches:
            drop_files(batch, settings)

    def _land(self, stream: str, served: Sequence[ServedPair]) -> Batch | None:
        """The lists of a chunk as one page: each list's own text, under the key that the loader reads."""
        lists = [text for one in served for name, text in one.lists if name == stream]
        if not lists:
            return None
        path = self._context.folder / "details" / stream / f"{self._chunks:010d}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'{{"{DETAIL_STREAMS[stream].collection}": [{",".join(lists)}]}}', "utf-8")
        return Batch(stream, files=[path])

    def _mark_removed(self, connection: Connection, served: Sequence[ServedPair], stamp: Stamp) -> None:
        names = {**stamp.names, "now": stamp.now}
        for stream in self._reports:
            lists = [(one.pair, whole) for one in served for whole in one.whole if whole.stream == stream]
            if lists:
                empty = ({"user_id": pair.user_id, "course_id": pair.course_id} for pair, one in lists if not one.ids)
                values = {
                    "named": rows_param(name for _, whole in lists for name in whole.named),
                    "empty": rows_param(empty),
                    "served": rows_param(row_id for _, whole in lists for row_id in whole.ids),
                }
                connection.execute(sql("details_removed", stream=stream), {**names, **values})
        attempted = [lesson for one in served for lesson in one.attempted]
        if attempted:
            values = {
                "answered": rows_param(attempted),
                "served": rows_param(row_id for lesson in attempted for row_id in lesson.ids),
            }
            connection.execute(sql("attempts_removed"), {**names, **values})
