"""Importing pieces of a package whose front page imports everything it has."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType


@contextmanager
def piecemeal(package: str, **names: object) -> Iterator[None]:
    """Modules of `package` are imported inside without its `__init__`; afterwards all is as ever.

    pyroute2's loads its databases, connection tracking and sqlite: 6 MB and half the time its
    import takes, in a process that must be small and back at once; aiohttp's loads a client: 4 MB.
    `names` are what the modules look for on the front page.
    """
    spec = find_spec(package) if package not in sys.modules else None
    if spec is None:
        yield
        return
    front_page = ModuleType(package)
    front_page.__path__ = list(spec.submodule_search_locations or ())
    front_page.__dict__.update(names)
    sys.modules[package] = front_page
    try:
        yield
    finally:
        del sys.modules[package]
