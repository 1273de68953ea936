"""The objects of the org; the custom ones are read from the metadata that ships in ``mappings/salesforce``.

So the sandbox judges what an administrator would deploy.
"""

import xml.etree.ElementTree as ET
from importlib import resources
from importlib.resources.abc import Traversable

from connector.sandbox.org.schema.builtin import builtin_objects, fields_of
from connector.sandbox.org.schema.model import FieldSchema, ObjectSchema

_NS = "{http://soap.sforce.com/2006/04/metadata}"
_COURSE_FIELDS = "education-cloud/main/default/objects/LearningCourse/fields"
_TYPES = {
    "Text": "string",
    "Checkbox": "boolean",
    "Lookup": "reference",
    "Picklist": "picklist",
    "Percent": "percent",
    "Number": "double",
    "DateTime": "datetime",
}


def load_objects() -> list[ObjectSchema]:
    """Every object of the org: those it has anyway, with the fields that ship for them, and the custom ones."""
    made = [*builtin_objects(), *load_custom_objects()]
    course = next(schema for schema in made if schema.name == "LearningCourse")
    course.fields |= {field.name.lower(): field for field in load_fields(_shipped(_COURSE_FIELDS))}
    return made


def load_custom_objects() -> list[ObjectSchema]:
    """Every custom object of the shipped metadata; key prefixes are given out in order of name."""
    objects = [entry for entry in _listed(_shipped("force-app/main/default/objects")) if entry.name.endswith("__c")]
    return [_custom_object(entry, f"a0{chr(ord('X') + at)}") for at, entry in enumerate(objects)]


def load_fields(folder: Traversable) -> list[FieldSchema]:
    """The custom fields that a folder defines, in order of name."""
    return [custom_field(_parse(entry)) for entry in _listed(folder) if entry.name.endswith(".field-meta.xml")]


def _shipped(path: str) -> Traversable:
    """A folder inside the packaged ``mappings/salesforce``."""
    return resources.files("mappings").joinpath("salesforce", path)


def _listed(folder: Traversable) -> list[Traversable]:
    return sorted(folder.iterdir(), key=lambda entry: entry.name)


def _custom_object(folder: Traversable, key_prefix: str) -> ObjectSchema:
    root = _parse(folder.joinpath(f"{folder.name}.object-meta.xml"))
    name_node = root.find(f"{_NS}nameField")
    if name_node is None:
        raise ValueError(f"{folder.name}: the object definition has no nameField")
    own = [_name_field(name_node), *load_fields(folder.joinpath("fields"))]
    fields = fields_of("(every)") | fields_of("(owned)") | {field.name.lower(): field for field in own}
    name_format = _text(name_node, "displayFormat") or None
    labels = (_text(root, "label"), _text(root, "pluralLabel"))
    return ObjectSchema(folder.name, *labels, key_prefix, fields, name_format=name_format)


def _name_field(node: ET.Element) -> FieldSchema:
    out = FieldSchema("Name", "string", _text(node, "label"), length=80)
    out.set(name_field=True, id_lookup=True, defaulted_on_create=True)
    if _text(node, "type") == "AutoNumber":
        out.set(nillable=False, createable=False, updateable=False, auto_number=True)
    return out  # a text name may stay blank on create: the org then puts the record id there


def custom_field(node: ET.Element) -> FieldSchema:
    """A field from its ``CustomField`` definition."""
    name, kind, formula = _text(node, "fullName"), _text(node, "type"), _text(node, "formula") or None
    out = FieldSchema(name, _TYPES[kind], _text(node, "label"), formula=formula)
    out.nillable = not _flag(node, "required")
    out.createable = out.updateable = formula is None
    out.external_id = out.id_lookup = _flag(node, "externalId")
    out.unique = _flag(node, "unique")
    out.precision, out.scale = _number(node, "precision"), _number(node, "scale")
    out.length = _number(node, "length")
    if kind == "Lookup":
        out.length, out.reference_to = 18, _text(node, "referenceTo")
        out.relationship_name = name.removesuffix("__c") + "__r"
    elif kind == "Checkbox":
        out.nillable, out.defaulted_on_create = False, True
        out.default = _flag(node, "defaultValue")
    elif kind == "Picklist":
        _read_picklist(out, node)
    return out


def _read_picklist(out: FieldSchema, node: ET.Element) -> None:
    values = node.findall(f"{_NS}valueSet/{_NS}valueSetDefinition/{_NS}value")
    out.picklist = {_text(value, "fullName"): True for value in values}
    out.restricted_picklist = node.findtext(f"{_NS}valueSet/{_NS}restricted") == "true"
    out.length = 255


def _parse(entry: Traversable) -> ET.Element:
    return ET.fromstring(entry.read_bytes())  # noqa: S314 - our own packaged file


def _text(node: ET.Element, tag: str) -> str:
    return node.findtext(f"{_NS}{tag}") or ""


def _flag(node: ET.Element, tag: str) -> bool:
    return _text(node, tag) == "true"


def _number(node: ET.Element, tag: str) -> int:
    return int(_text(node, tag) or 0)
