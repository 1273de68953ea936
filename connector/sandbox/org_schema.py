"""Objects and fields of the sandbox org, and their describe results.

The custom objects are read from the metadata that ships in ``mappings/salesforce``, so the sandbox judges
what an administrator would deploy. Standard objects are in ``org_standard``.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

_NS = "{http://soap.sforce.com/2006/04/metadata}"
_SOAP_TYPES = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "double": "xsd:double",
    "percent": "xsd:double",
    "int": "xsd:int",
    "datetime": "xsd:dateTime",
}


@dataclass(slots=True)
class FieldSchema:
    """One field, with the properties that decide what may be written to it."""

    name: str
    type: str
    label: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    nillable: bool = True
    createable: bool = True
    updateable: bool = True
    defaulted_on_create: bool = False
    default: Any = None
    external_id: bool = False
    id_lookup: bool = False
    unique: bool = False
    auto_number: bool = False
    formula: str | None = None
    name_field: bool = False
    restricted_picklist: bool = False
    picklist: dict[str, bool] = field(default_factory=dict)  # value -> active
    reference_to: str | None = None
    relationship_name: str | None = None

    @property
    def required(self) -> bool:
        """Whether a create must bring a value."""
        return self.createable and not self.nillable and not self.defaulted_on_create

    def describe(self) -> dict[str, Any]:
        """The field as ``GET sobjects/X/describe`` lists it (docs/facts/salesforce.md section 5)."""
        return {
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "soapType": _SOAP_TYPES.get(self.type, "xsd:string"),
            "length": self.length,
            "byteLength": self.length * 3,
            "precision": self.precision,
            "scale": self.scale,
            "digits": self.precision if self.type == "int" else 0,
            "nillable": self.nillable,
            "createable": self.createable,
            "updateable": self.updateable,
            "defaultedOnCreate": self.defaulted_on_create,
            "defaultValue": self.default,
            "custom": self.name.endswith("__c"),
            "externalId": self.external_id,
            "idLookup": self.id_lookup,
            "unique": self.unique,
            "caseSensitive": False,
            "calculated": self.formula is not None,
            "calculatedFormula": self.formula,
            "autoNumber": self.auto_number,
            "nameField": self.name_field,
            "filterable": True,
            "sortable": True,
            "groupable": self.type not in {"double", "percent", "datetime"},
            "restrictedPicklist": self.restricted_picklist,
            "dependentPicklist": False,
            "controllerName": None,
            "picklistValues": [
                {"active": active, "defaultValue": False, "label": value, "validFor": None, "value": value}
                for value, active in self.picklist.items()
            ],
            "referenceTo": [self.reference_to] if self.reference_to else [],
            "relationshipName": self.relationship_name,
            "polymorphicForeignKey": False,
            "permissionable": self.createable and self.nillable,
            "deprecatedAndHidden": False,
        }


@dataclass
class ObjectSchema:
    """One object: its fields by lower-case name, and what the integration user may do with it."""

    name: str
    label: str
    plural: str
    key_prefix: str
    fields: dict[str, FieldSchema]
    createable: bool = True
    updateable: bool = True
    deletable: bool = True
    name_format: str | None = None
    since: float = 0.0

    def field(self, name: str) -> FieldSchema | None:
        """The field of that name in any letter case."""
        return self.fields.get(name.lower())

    @cached_property
    def relationships(self) -> dict[str, FieldSchema]:
        """Lookup fields by lower-case relationship name (``lms_course__r``)."""
        return {f.relationship_name.lower(): f for f in self.fields.values() if f.relationship_name}

    @cached_property
    def required(self) -> list[str]:
        """Names of the fields that a create must fill."""
        return [f.name for f in self.fields.values() if f.required]

    @cached_property
    def indexed(self) -> list[str]:
        """Names of the external id fields, which the store indexes."""
        return [f.name for f in self.fields.values() if f.external_id]

    @cached_property
    def formulas(self) -> list[str]:
        """Names of the formula fields, computed on reading."""
        return [f.name for f in self.fields.values() if f.formula is not None]

    def remove(self, name: str) -> None:
        """Takes a field away, as an administrator (or missing field-level security) does."""
        del self.fields[name.lower()]
        for cached in ("relationships", "required", "indexed", "formulas"):
            self.__dict__.pop(cached, None)

    def summary(self, version: str) -> dict[str, Any]:
        """The entry in the list of all objects."""
        base = f"/services/data/v{version}/sobjects/{self.name}"
        return {
            "name": self.name,
            "label": self.label,
            "labelPlural": self.plural,
            "keyPrefix": self.key_prefix,
            "custom": self.name.endswith("__c"),
            "createable": self.createable,
            "updateable": self.updateable,
            "deletable": self.deletable,
            "undeletable": self.deletable,
            "queryable": True,
            "retrieveable": True,
            "replicateable": True,
            "searchable": True,
            "triggerable": self.createable,
            "customSetting": False,
            "deprecatedAndHidden": False,
            "urls": {
                "sobject": base,
                "describe": f"{base}/describe",
                "rowTemplate": base + "/{ID}",
            },
        }

    def describe(self, version: str) -> dict[str, Any]:
        """The whole describe result."""
        return self.summary(version) | {
            "fields": [f.describe() for f in self.fields.values()],
            "childRelationships": [],
            "recordTypeInfos": [],
        }


def object_schema(
    name: str, label: str, plural: str, key_prefix: str, fields: list[FieldSchema], **rights: Any
) -> ObjectSchema:
    """An object of the given fields behind the system fields that every object has."""
    everything = [*system_fields(), *fields]
    return ObjectSchema(name, label, plural, key_prefix, {f.name.lower(): f for f in everything}, **rights)


def read_only(name: str, type_: str, label: str, **properties: Any) -> FieldSchema:
    """A field that the org itself fills."""
    return FieldSchema(name, type_, label, createable=False, updateable=False, defaulted_on_create=True, **properties)


def system_fields() -> list[FieldSchema]:
    """Id, audit fields and IsDeleted, present on every object."""
    user = {"length": 18, "reference_to": "User", "nillable": False}
    return [
        read_only("Id", "id", "Record ID", length=18, nillable=False, id_lookup=True),
        read_only("IsDeleted", "boolean", "Deleted", nillable=False, default=False),
        read_only("CreatedDate", "datetime", "Created Date", nillable=False),
        read_only("CreatedById", "reference", "Created By ID", relationship_name="CreatedBy", **user),
        read_only("LastModifiedDate", "datetime", "Last Modified Date", nillable=False),
        read_only("LastModifiedById", "reference", "Last Modified By ID", relationship_name="LastModifiedBy", **user),
        read_only("SystemModstamp", "datetime", "System Modstamp", nillable=False),
    ]


def owner_field() -> FieldSchema:
    """OwnerId, on every object that is not the detail of another one."""
    return FieldSchema(
        "OwnerId",
        "reference",
        "Owner ID",
        length=18,
        nillable=False,
        defaulted_on_create=True,
        reference_to="User",
        relationship_name="Owner",
    )


def shipped_metadata() -> Traversable:
    """The folder of object definitions inside the packaged ``mappings``."""
    return resources.files("mappings").joinpath("salesforce/force-app/main/default/objects")


def load_custom_objects(root: Traversable | None = None) -> list[ObjectSchema]:
    """Every custom object of the shipped metadata; key prefixes are given out in order of name."""
    folders = sorted((root or shipped_metadata()).iterdir(), key=lambda entry: entry.name)
    objects = [entry for entry in folders if entry.name.endswith("__c")]
    return [_custom_object(entry, f"a0{chr(ord('X') + at)}") for at, entry in enumerate(objects)]


def _custom_object(folder: Traversable, key_prefix: str) -> ObjectSchema:
    root = _parse(folder.joinpath(f"{folder.name}.object-meta.xml"))
    files = sorted(folder.joinpath("fields").iterdir(), key=lambda entry: entry.name)
    fields = [custom_field(_parse(entry)) for entry in files if entry.name.endswith(".field-meta.xml")]
    name_node = root.find(f"{_NS}nameField")
    if name_node is None:
        raise ValueError(f"{folder.name}: the object definition has no nameField")
    return object_schema(
        folder.name,
        _text(root, "label"),
        _text(root, "pluralLabel"),
        key_prefix,
        [owner_field(), _name_field(name_node), *fields],
        name_format=_text(name_node, "displayFormat") or None,
    )


def _name_field(node: ET.Element) -> FieldSchema:
    label = _text(node, "label")
    if _text(node, "type") == "AutoNumber":
        return read_only(
            "Name",
            "string",
            label,
            length=80,
            nillable=False,
            auto_number=True,
            name_field=True,
            id_lookup=True,
        )
    # A text name may stay blank on create: the org then puts the record id there.
    return FieldSchema("Name", "string", label, length=80, defaulted_on_create=True, name_field=True, id_lookup=True)


def custom_field(node: ET.Element) -> FieldSchema:
    """A field from its ``CustomField`` definition."""
    name, kind, formula = _text(node, "fullName"), _text(node, "type"), _text(node, "formula") or None
    out = FieldSchema(name, _describe_type(node), _text(node, "label"), formula=formula)
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


def _describe_type(node: ET.Element) -> str:
    return {
        "Text": "string",
        "Checkbox": "boolean",
        "Lookup": "reference",
        "Picklist": "picklist",
        "Percent": "percent",
        "Number": "double",
        "DateTime": "datetime",
    }[_text(node, "type")]


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
