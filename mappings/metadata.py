"""salesforce/: the metadata that an administrator deploys, as far as the code asks what it holds."""

from functools import cache

from mappings.files import PACKAGED

FOLDER = PACKAGED / "salesforce"
_SUFFIX = ".field-meta.xml"


@cache
def shipped_fields(object_name: str) -> dict[str, bool]:
    """The custom fields that ship for an object, and whether each is a formula; none for an object of somebody else."""
    folder = FOLDER / "force-app" / "main" / "default" / "objects" / object_name / "fields"
    files = sorted(folder.glob(f"*{_SUFFIX}"))
    return {file.name.removesuffix(_SUFFIX): "<formula>" in file.read_text("utf-8") for file in files}
