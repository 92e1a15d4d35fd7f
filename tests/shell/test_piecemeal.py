"""A package's pieces without its front page."""

from __future__ import annotations

import subprocess
import sys

PIECES = """
import sys
import lvsha.vrrp.process
from lvsha.kernel import rtnetlink
assert "pyroute2.ndb.main" not in sys.modules, "the front page was loaded"
assert "pyroute2" not in sys.modules, "something stands in for the package"
import pyroute2
assert pyroute2.AsyncIPRoute is rtnetlink.AsyncIPRoute
"""


def test_the_vrrp_process_needs_no_front_page_which_is_there_for_whoever_asks_later():
    done = subprocess.run(
        [sys.executable, "-c", PIECES], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


SERVER = """
import sys
import lvsha.director.process
assert "aiohttp.client" not in sys.modules, "the front page was loaded"
import aiohttp
from aiohttp import web
from lvsha.director import web as ours
assert aiohttp.ClientSession
assert web is ours.web
"""


def test_the_director_loads_no_http_client_of_its_servers_package():
    done = subprocess.run(
        [sys.executable, "-c", SERVER], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


WHOLE = """
import pyroute2
from lvsha.kernel import rtnetlink
assert sys.modules["pyroute2"] is pyroute2
assert pyroute2.AsyncIPRoute is rtnetlink.AsyncIPRoute
"""


def test_a_package_that_is_already_there_is_used_as_it_is():
    words = [sys.executable, "-c", f"import sys{WHOLE}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
