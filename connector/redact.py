"""Keeps secrets out of every text a person or a log can see: known values, and fields that are secret by name."""

import json
import logging
import re
from typing import Any

MASK = "***"
_SECRET_FIELDS = re.compile(
    r'(?i)(["\']?(?:password|privatekey|client_secret|access_token|refresh_token|assertion|api_?key)["\']?\s*[:=]\s*)'
    r'("(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|[^\s,&}]+)'
)
_known: set[str] = set()


def register(*secrets: str | None) -> None:
    """Remember values (passwords, keys, tokens) so that `scrub` removes them wherever they appear."""
    # Very short values would blank out ordinary words; nothing that guards an account is that short.
    found = [secret for secret in secrets if secret and len(secret) >= 6]
    _known.update(found)
    # The same as a JSON text spells them.
    _known.update(json.dumps(secret)[1:-1] for secret in found)


def scrub(text: str) -> str:
    """Return `text` with registered secrets and secret-looking fields masked."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return _SECRET_FIELDS.sub(rf"\1{MASK}", text)


class RedactingFilter(logging.Filter):
    """Scrubs the finished message of each record, arguments and exception text included."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = scrub(record.getMessage())
        record.args = None
        if record.exc_info and not record.exc_text:
            record.exc_text = scrub(logging.Formatter().formatException(record.exc_info))
        return True


def install(*names: str) -> None:
    """Attach the filter to the named loggers and to their handlers (child loggers bypass a logger's own filter)."""
    redacting = RedactingFilter()
    for name in names:
        logger: Any = logging.getLogger(name)
        for target in (logger, *logger.handlers):
            if not any(isinstance(present, RedactingFilter) for present in target.filters):
                target.addFilter(redacting)
