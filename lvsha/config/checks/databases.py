"""The `redis`, `mysql` and `postgres` checks in the file."""

from __future__ import annotations

from typing import Literal

from lvsha.config.checks.check import CommonCheck
from lvsha.config.checks.tls import FilePath
from lvsha.core.probes import MysqlProbe, PostgresProbe, RedisProbe


class RedisCheck(CommonCheck):
    """The target answers PING with PONG."""

    type: Literal["redis"] = "redis"
    password_file: FilePath | None = None
    """A file whose first line is the password for AUTH, read at every probe."""

    def probe(self) -> RedisProbe:
        return RedisProbe(self.password_file)


class MysqlCheck(CommonCheck):
    """A MySQL or MariaDB greets and judges the login of a user lvsha, whatever it says."""

    type: Literal["mysql"] = "mysql"

    def probe(self) -> MysqlProbe:
        return MysqlProbe()


class PostgresCheck(CommonCheck):
    """A PostgreSQL takes a connection as far as asking for the password of a user lvsha."""

    type: Literal["postgres"] = "postgres"

    def probe(self) -> PostgresProbe:
        return PostgresProbe()
