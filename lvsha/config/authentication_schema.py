"""How virtual routers authenticate, as the file has it.

No message about a value here may show it: it may be a secret in the wrong place.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from lvsha.config.checks.tls import FilePath
from lvsha.config.mapping import Strict
from lvsha.config.scalars import whole
from lvsha.config.wording import WrongValueError
from lvsha.core.authentication import HmacKey, HmacKeys, Password

_PASSWORD = re.compile(r"[\x21-\x7e]{1,8}")


def _password(value: object) -> str:
    if not isinstance(value, str):
        raise WrongValueError("a password is text", "put it in quotes")
    if not _PASSWORD.fullmatch(value):
        raise WrongValueError("a password has 1 to 8 printable characters without blanks")
    return value


def _key_number(value: object) -> int:
    if not isinstance(value, str) or not re.fullmatch("[0-9]{1,3}", value):
        raise WrongValueError("keys are numbered from 1 to 255")
    return whole(1, 255)(int(value))


def _mapping(value: object) -> object:
    if not isinstance(value, dict):
        raise WrongValueError("what authenticates is a mapping with a type")
    return value


def _key(value: object) -> object:
    if not isinstance(value, dict):
        raise WrongValueError("a key is a mapping with its file", "write {file: /etc/lvsha/key}")
    return value


KeyNumber: TypeAlias = Annotated[
    int, PlainValidator(_key_number), WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,3}$"})
]


class PasswordAuthentication(Strict):
    """A password in every advertisement, readable by all on the segment: version 2 only."""

    type: Literal["pass"]
    password: Annotated[
        str,
        PlainValidator(_password),
        WithJsonSchema({"type": "string", "pattern": "^[!-~]{1,8}$"}),
    ]
    """1 to 8 printable characters."""

    def resolved(self) -> Password:
        return Password(self.password)


class KeyFile(Strict):
    """Where a key is."""

    file: FilePath
    """A file that only root can read: 32 to 64 bytes, or `hex:` and their hexadecimal digits."""


class HmacAuthentication(Strict):
    """A signature behind every advertisement: keepalived's `auth_hmac`. Clocks must agree."""

    type: Literal["hmac"]
    keys: dict[KeyNumber, Annotated[KeyFile, BeforeValidator(_key)]]
    """The keys by number, 1 to 255: each is believed."""
    active: Annotated[
        int,
        PlainValidator(whole(1, 255)),
        WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 255}),
    ]
    """Number of the key this node signs with."""

    def resolved(self) -> HmacKeys:
        """Without the keys themselves: they are read where they are needed."""
        keys = tuple(HmacKey(number, key.file) for number, key in self.keys.items())
        return HmacKeys(keys, self.active)


Authentication: TypeAlias = Annotated[
    Annotated[PasswordAuthentication | HmacAuthentication, Field(discriminator="type")],
    BeforeValidator(_mapping),
]
