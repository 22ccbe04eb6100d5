"""
A site that is as slow as one far away, and the two clients that ask it.
"""

import os

import drms.config
import pytest
from astropy.utils import iers

from jsoc_fido import localsite
from jsoc_fido import site as site_module

EMAIL = "solar@example.com"

#: Seconds that the site takes for each answer.
DELAY = 0.1

iers.conf.auto_download = False
os.environ["PARFIVE_HIDE_PROGRESS"] = "1"


_REPORTED = pytest.StashKey[list[str]]()


def pytest_configure(config):
    config.stash[_REPORTED] = []


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stash[_REPORTED]:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def report(pytestconfig):
    """
    Takes what was measured of this package and of the one beside it; both and their ratio are printed at the end.
    """

    def add(what, ours, theirs, unit):
        ratio = f"{100 * ours / theirs:.3g} %"
        pytestconfig.stash[_REPORTED].append(f"{what:50} {ours:10.4g} {theirs:10.4g} {unit:5} {ratio:>10}")

    return add


@pytest.fixture(scope="session")
def directory(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmarks") / "site"
    localsite.init(folder)
    for day in ("2014-01-01", "2014-01-02", "2014-01-03"):
        localsite.synthesize(folder, "hmi.v_45s", f"{day}T00:00", f"{day}T01:00", size=64)
    localsite.synthesize(folder, "aia.lev1_euv_12s", "2014-01-01T00:00", "2014-01-01T01:00", size=16)
    return folder


@pytest.fixture(scope="session")
def slow_site(directory):
    with localsite.running(directory, delay=DELAY) as site:
        yield site


@pytest.fixture
def sunpys_client(monkeypatch):
    """
    Gives sunpy's own client, which asks another site than JSOC.
    """
    from sunpy.net.jsoc import JSOCClient

    def make(url):
        monkeypatch.setitem(drms.config._server_configs, "jsoc", site_module.site(url).server)
        return JSOCClient()

    return make


@pytest.fixture(params=["jsoc_fido", "sunpy"])
def client(request, slow_site, sunpys_client):
    """
    One of the clients; its ``name`` says which, and both ask the same site.
    """
    if request.param == "jsoc_fido":
        from jsoc_fido import JSOCClient

        return JSOCClient(site=slow_site.url, email=EMAIL)
    return sunpys_client(slow_site.url)
