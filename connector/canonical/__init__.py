"""Warehouse → canonical tables, by the maps that the settings name: learners and items matched, both tables built."""

import mappings
from connector.errors import MappingError
from connector.settings import Settings, variable


def load_maps(settings: Settings) -> mappings.Mapping:
    """Read and check the maps. Raises MappingError, which names file and row."""
    try:
        return mappings.load_mapping(settings.mapping.dir)
    except mappings.MappingError as failure:
        where = f"{variable('mapping', 'dir')} = {settings.mapping.dir}: " if settings.mapping.dir else ""
        raise MappingError(f"{where}{failure}.", remedy="Correct the map; `learnsync doctor` checks it.") from None
