"""The site stands once for the whole tier: building it takes seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lvsha.lab.topology import Lab
from tests.kernel.site import Site, build


@pytest.fixture(scope="session")
def standing_site() -> Iterator[Site]:
    with Lab() as lab:
        site = build(lab)
        yield site
        site.close()


@pytest.fixture
def site(standing_site: Site) -> Site:
    """The site with an empty IPVS table."""
    standing_site.forget()
    return standing_site
