"""Objects and fields of the sandbox org, and their describe results (docs/facts/salesforce.md section 5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

_SOAP_TYPES = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "double": "xsd:double",
    "percent": "xsd:double",
    "int": "xsd:int",
    "datetime": "xsd:dateTime",
}


class Trait:
    """A yes-or-no property of a field, kept among its `traits` under the name that describe gives it."""

    def __set_name__(self, _owner: type, name: str) -> None:
        head, *rest = name.split("_")
        self.shown = head + "".join(word.capitalize() for word in rest)

    def __get__(self, field: FieldSchema, _owner: type) -> bool:
        return self.shown in field.traits

    def __set__(self, field: FieldSchema, value: bool) -> None:
        (field.traits.add if value else field.traits.discard)(self.shown)


@dataclass(slots=True)
class FieldSchema:
    """One field, with the properties that decide what may be written to it; `picklist` is value → active."""

    nillable = Trait()
    createable = Trait()
    updateable = Trait()
    defaulted_on_create = Trait()
    external_id = Trait()
    id_lookup = Trait()
    unique = Trait()
    auto_number = Trait()
    name_field = Trait()
    restricted_picklist = Trait()

    name: str
    type: str
    label: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    default: Any = None
    formula: str | None = None
    picklist: dict[str, bool] = field(default_factory=dict)
    reference_to: str | None = None
    relationship_name: str | None = None
    traits: set[str] = field(default_factory=lambda: {"nillable", "createable", "updateable"})

    def set(self, **traits: bool) -> FieldSchema:
        """The field itself, with some traits added or taken away."""
        for trait, value in traits.items():
            setattr(self, trait, value)
        return self

    @property
    def required(self) -> bool:
        """Whether a create must bring a value."""
        return self.createable and not self.nillable and not self.defaulted_on_create

    def describe(self) -> dict[str, Any]:
        """The field as ``GET sobjects/X/describe`` lists it."""
        traits = {t.shown: t.shown in self.traits for t in vars(FieldSchema).values() if isinstance(t, Trait)}
        return traits | {
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "soapType": _SOAP_TYPES.get(self.type, "xsd:string"),
            "length": self.length,
            "byteLength": self.length * 3,
            "precision": self.precision,
            "scale": self.scale,
            "digits": self.precision if self.type == "int" else 0,
            "defaultValue": self.default,
            "custom": self.name.endswith("__c"),
            "calculated": self.formula is not None,
            "calculatedFormula": self.formula,
            "groupable": self.type not in {"double", "percent", "datetime"},
            "picklistValues": [
                {"active": active, "defaultValue": False, "label": value, "validFor": None, "value": value}
                for value, active in self.picklist.items()
            ],
            "referenceTo": [self.reference_to] if self.reference_to else [],
            "relationshipName": self.relationship_name,
            "permissionable": self.createable and self.nillable,
            "controllerName": None,
            **dict.fromkeys(("filterable", "sortable"), True),
            **dict.fromkeys(
                ("caseSensitive", "dependentPicklist", "polymorphicForeignKey", "deprecatedAndHidden"), False
            ),
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
        always = ("queryable", "retrieveable", "replicateable", "searchable")
        return dict.fromkeys(always, True) | {
            "name": self.name,
            "label": self.label,
            "labelPlural": self.plural,
            "keyPrefix": self.key_prefix,
            "custom": self.name.endswith("__c"),
            "createable": self.createable,
            "updateable": self.updateable,
            "deletable": self.deletable,
            "undeletable": self.deletable,
            "triggerable": self.createable,
            "customSetting": False,
            "deprecatedAndHidden": False,
            "urls": {"sobject": base, "describe": f"{base}/describe", "rowTemplate": base + "/{ID}"},
        }

    def describe(self, version: str) -> dict[str, Any]:
        """The whole describe result."""
        fields = [f.describe() for f in self.fields.values()]
        return self.summary(version) | {"fields": fields, "childRelationships": [], "recordTypeInfos": []}
