"""What the value of a setting may be: a secret, an address, a host, a database, networks.

Each function takes what is written and answers with the value, or raises ValueError with words for the user.
"""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

_NAME: Final = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")
_PLACE: Final = re.compile(r"(?P<host>\[[^]]*\]|[^]:[]*)(:(?P<port>.*))?")
_SQLITE: Final = re.compile(r"sqlite(\+aiosqlite)?://(/(?P<file>[^?]*))?(?P<options>\?.*)?")
_POSTGRESQL: Final = re.compile(
    r"postgresql(\+asyncpg)?://([^:/]*(:[^@]*)?@)?(?P<place>[^/?@]*)(/[^?]*)?(\?(?P<options>.*))?"
)
"""Read as SQLAlchemy reads it, not as a web address: the password may hold a slash."""
DATABASE_OPTIONS: Final = ("sslmode", "sslrootcert", "sslcert", "sslkey", "host", "application_name")
"""What may stand after the ? of a PostgreSQL address: names of libpq's that asyncpg knows too."""
_SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


class Secret(SecretStr):
    """A value that no log, error or `repr` may show."""

    def __repr__(self) -> str:
        return "<secret>"

    __str__ = __repr__


def web_address(value: str) -> str:
    """An http or https address with a host, as it is written."""
    expected = "expected an address such as https://bridge.example.com"
    try:
        parts = urlsplit(value)
    except ValueError:
        raise ValueError(expected) from None
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ValueError(expected)
    _check_place(parts.netloc.rpartition("@")[2])
    return value


def base_address(value: str) -> str:
    """An address that paths are put after, and that requests with a token of ours go to."""
    if "@" in urlsplit(web_address(value)).netloc or "?" in value or "#" in value:
        raise ValueError("expected an address without a user, ? and #")
    return value.rstrip("/")


def methods_address(value: str) -> str:
    """The address that Slack's methods stand under, with the slash at its end that joining them needs."""
    return base_address(value) + "/"


def token(value: Secret) -> Secret:
    """A token as Copera and Slack issue them. Catches what a copy takes along, and a placeholder's `…`."""
    if not re.fullmatch("[!-~]*", value.get_secret_value()):
        raise ValueError("a token holds only letters, digits and punctuation of ASCII, and no space")
    return value


def _check_place(place: str) -> None:
    """HOST or HOST:PORT. Raises ValueError, without the text: part of a password may have got into it."""
    found = _PLACE.fullmatch(place)
    if found is None:
        raise ValueError("the host is neither a name nor an IP address")
    name = found["host"].strip("[]")
    host(name if found["host"] == name or ":" in name else "")
    port = found["port"]
    if port is not None and not (re.fullmatch("[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
        raise ValueError("the port is not a number from 1 to 65535")


def host(value: str) -> str:
    """A name that DNS may know, or an IP address, as it is written."""
    try:
        ip_address(value)
    except ValueError:
        try:
            is_name = _NAME.fullmatch(value.lower().encode("idna").decode())
        except UnicodeError:
            is_name = None
        if not is_name:
            raise ValueError("the host is neither a name nor an IP address") from None
    return value


def database_address(value: Secret) -> Secret:
    """The address of a database, by its form; whether anything answers there is seen when it is opened."""
    url = value.get_secret_value()
    file = _SQLITE.fullmatch(url)
    if file:
        if file["options"] or file["file"] in {None, "", ":memory:"}:
            raise ValueError("SQLite needs a file and nothing more, as in sqlite:///bridge.db")
        return value
    server = _POSTGRESQL.fullmatch(url)
    if server is None:
        raise ValueError("expected sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE")
    if server["place"]:
        _check_place(server["place"])
    _check_options(server["options"] or "")
    return value


def _check_options(options: str) -> None:
    for name, value in parse_qsl(options, keep_blank_values=True):
        if name not in DATABASE_OPTIONS:
            shown = f"option {name}" if re.fullmatch(r"\w{1,40}", name) else "option after the ?"
            raise ValueError(f"unknown {shown}; known are {', '.join(DATABASE_OPTIONS)}")
        if name == "sslmode" and value not in _SSL_MODES:
            raise ValueError(f"sslmode: expected one of {', '.join(_SSL_MODES)}")
        if name in {"sslrootcert", "sslcert", "sslkey"} and not Path(value).is_file():
            raise ValueError(f"{name}: there is no file {value}")


def secrets(value: object) -> object:
    """Secrets with commas between them; what is no text is left to pydantic."""
    if not isinstance(value, str):
        return value
    return tuple(Secret(item.strip()) for item in value.split(",") if item.strip())


def lower_case(value: object) -> object:
    """A text in lower case; what is no text is left to pydantic."""
    return value.lower() if isinstance(value, str) else value


def networks(value: object) -> object:
    """IP addresses and networks with commas between them; what is no text is left to pydantic."""
    if not isinstance(value, str):
        return value
    found = []
    for item in filter(None, (part.strip() for part in value.split(","))):
        try:
            found.append(ip_network(item))
        except ValueError:
            raise ValueError(f"{item} is not an address or network such as 10.0.0.0/8") from None
    return tuple(found)
