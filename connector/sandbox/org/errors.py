"""How the org prints a refusal: of a whole request, and of one record among others."""

from typing import Any

from connector.sandbox.kit.errors import Refusal


def org_shape(refusal: Refusal) -> list[Any]:
    """``[{message, errorCode, fields?}]`` (docs/facts/salesforce.md section 3f).

    300 Multiple Choices lists the addresses of the records in place of an error (section 3b).
    """
    if refusal.status == 300:
        return list(refusal.details)
    entry: dict[str, Any] = {"message": refusal.message, "errorCode": refusal.code}
    return [entry | ({"fields": list(refusal.details)} if refusal.details else {})]


def as_entry(refusal: Refusal) -> dict[str, Any]:
    """An entry of ``errors`` in an UpsertResult (docs/facts/salesforce.md section 3b)."""
    return {"statusCode": refusal.code, "message": refusal.message, "fields": list(refusal.details)}


def refused(code: str, message: str, *fields: str) -> Refusal:
    """The refusal of one record, or of a request that is not well-formed (400)."""
    return Refusal(400, code, message, *fields)


def not_found(message: str = "The requested resource does not exist") -> Refusal:
    """404, whatever was asked for."""
    return Refusal(404, "NOT_FOUND", message)


def no_such_key(name: str = "") -> Refusal:
    """404 for a record or an external id field that is not there."""
    text = "Provided external ID field does not exist or is not accessible"
    return not_found(f"{text}: {name}" if name else text)


def missing(*fields: str) -> Refusal:
    """The refusal of a record that lacks what it needs."""
    return refused("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(fields)}]", *fields)


def no_such_record(*fields: str) -> Refusal:
    """The refusal of an id that no record has."""
    return refused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", *fields)
