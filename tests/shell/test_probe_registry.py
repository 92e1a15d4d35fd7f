"""Every specification has its probe, and every check type of the file its specification."""

from __future__ import annotations

from importlib import import_module
from typing import get_args

import pytest

from lvsha.config.checks import CHECKS
from lvsha.core.probes import Probe
from lvsha.probes import PROBES


@pytest.mark.parametrize("specification", get_args(Probe), ids=lambda each: each.__name__)
def test_a_specification_names_a_function_in_a_file_of_its_own(specification: type) -> None:
    name = PROBES[specification]
    assert callable(getattr(import_module(f"lvsha.probes.{name}"), name))


def test_the_file_can_ask_for_every_probe() -> None:
    made = {get_type.__annotations__["return"] for get_type in (c.probe for c in CHECKS.values())}
    assert made == {specification.__name__ for specification in PROBES}
