"""How a session with an org is asked for: client credentials, or a JWT signed with the app's private key.

Facts: docs/facts/salesforce.md section 4. Neither flow gives a refresh token or a lifetime: a session lasts until a
call answers 401, and is then asked for again in the same way. A private key is read for each login and never kept.
"""

import logging
import os
import stat
import tomllib
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from connector import redact
from connector.errors import AuthenticationError, SettingsError
from connector.http.answers import Answer
from connector.http.refusals import login_reason
from connector.settings import KeyLogin, SecretLogin, variable

log = logging.getLogger(__name__)

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# Clients use three minutes; how long an org allows at most is not documented.
LIFETIME = timedelta(minutes=3)
PRODUCTION, TEST = "https://login.salesforce.com", "https://test.salesforce.com"
_TEST_HOSTS = ("test.salesforce.com", ".sandbox.my.salesforce.com", ".scratch.my.salesforce.com")
# RFC 7518 section 3.3: RS256 asks for a key of 2048 bits or more.
LEAST_KEY_BITS = 2048
_KEY = variable("salesforce", "private_key_file")
_KEY_REMEDY = "Name the PEM file with the RSA private key of the app's certificate (docs/salesforce-setup.md)."
# What people name in place of the key: words of the file → what it is.
_NOT_A_KEY = {
    b"-----BEGIN CERTIFICATE": "a certificate, not its private key",
    b"-----BEGIN PUBLIC KEY": "a public key",
    b"-----BEGIN RSA PUBLIC KEY": "a public key",
    b"-----BEGIN OPENSSH": "an OpenSSH key, not a PEM one",
}

CLIENT_CREDENTIALS_REMEDY = (
    "Check LEARNSYNC_SALESFORCE__LOGIN_URL (the org's My Domain URL), __CLIENT_ID and __CLIENT_SECRET, and that the app"
    " allows the client-credentials flow with a run-as user (docs/salesforce-setup.md)."
)
JWT_REMEDY = (
    "Check LEARNSYNC_SALESFORCE__LOGIN_URL (the org's My Domain URL), __CLIENT_ID, __USERNAME and __PRIVATE_KEY_FILE,"
    " and that the app has the JWT bearer flow enabled (docs/salesforce-setup.md)."
)
_JWT_REFUSALS: dict[str, str] = tomllib.loads(files(__package__).joinpath("jwt_refusals.toml").read_text("utf-8"))


def token_form(login: SecretLogin | KeyLogin, now: datetime) -> dict[str, str]:
    """The form for the token endpoint. Raises SettingsError where the private key cannot be used."""
    if isinstance(login, SecretLogin):
        return {"grant_type": "client_credentials", "client_id": login.client_id, "client_secret": login.client_secret}
    signed = assertion(login, now)
    redact.register(signed)
    return {"grant_type": JWT_GRANT, "assertion": signed}


def assertion(login: KeyLogin, now: datetime) -> str:
    """The RS256 JWT {iss, sub, aud, exp} of this login, valid for three minutes from `now`."""
    until = int((now + LIFETIME).timestamp())
    claims = {"iss": login.client_id, "sub": login.username, "aud": audience(login), "exp": until}
    return jwt.encode(claims, load_key(login.key_file), algorithm="RS256")


def audience(login: KeyLogin) -> str:
    """The setting, or the login host of the kind of org that LOGIN_URL names."""
    if login.audience:
        return login.audience
    host = urlsplit(login.login_url).hostname or ""
    return TEST if host.endswith(_TEST_HOSTS) else PRODUCTION


def load_key(path: Path) -> RSAPrivateKey:
    """The RSA key in a PEM file. Raises SettingsError that says what is wrong with the file, never what is in it."""
    data = _read(path)
    if warning := exposure(path):
        log.warning("%s: run `chmod 600 %s`", warning, path)
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError:  # how the library says that a password is needed
        plain = "Write a plain copy, readable by this user alone (`openssl pkey -in KEY -out PLAIN`), and name it."
        raise _unusable(path, ": the key is encrypted with a passphrase", plain) from None
    except (ValueError, UnsupportedAlgorithm):
        found = next((text for mark, text in _NOT_A_KEY.items() if mark in data), "no PEM private key that can be read")
        raise _unusable(path, f": the file holds {found}") from None
    if not isinstance(key, RSAPrivateKey):
        raise _unusable(path, ": the key is not an RSA key, and Salesforce takes RS256 only")
    if key.key_size < LEAST_KEY_BITS:
        raise _unusable(path, f": the key has {key.key_size} bits, RS256 needs {LEAST_KEY_BITS} or more")
    return key


def exposure(path: Path) -> str:
    """What to warn of when others than the file's owner can read the key; empty when all is well."""
    # Windows keeps no such bits.
    if os.name == "nt" or not path.is_file() or not path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        return ""
    return f"{_KEY} = {path}: other users of this machine can read the private key"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise _unusable(path, ": there is no such file") from None
    except OSError as failure:
        raise _unusable(path, f" cannot be read: {failure.strerror or failure}") from None


def _unusable(path: Path, why: str, remedy: str = _KEY_REMEDY) -> SettingsError:
    return SettingsError(f"{_KEY} = {path}{why}.", remedy=remedy)


def login_remedy(login: SecretLogin | KeyLogin) -> str:
    """What to check when a login fails for no reason that is known better."""
    return CLIENT_CREDENTIALS_REMEDY if isinstance(login, SecretLogin) else JWT_REMEDY


def refusal(login: SecretLogin | KeyLogin, answer: Answer) -> AuthenticationError:
    """The error for a token endpoint's answer {error, error_description}."""
    said, remedy = login_reason(answer), login_remedy(login)
    if isinstance(login, KeyLogin):
        remedy = next((text for words, text in _JWT_REFUSALS.items() if words in said.lower()), remedy)
    return AuthenticationError(
        f"Salesforce refused the login ({answer.status}: {said}).", remedy=remedy, status=answer.status
    )
