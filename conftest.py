"""
What every test and every documented example runs on: a DRMS site in a box, and nothing of the user's own settings.
"""

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from astropy.config.paths import set_temp_cache
from astropy.utils import iers

# Nothing is measured against the Earth's orientation here, and tests are offline.
iers.conf.auto_download = False
os.environ.setdefault("MPLBACKEND", "agg")
os.environ["PARFIVE_HIDE_PROGRESS"] = "1"
for variable in ("JSOC_EMAIL", "JSOC_FIDO_SITE", "JSOC_FIDO_ENABLE"):
    os.environ.pop(variable, None)

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("jsoc_fido", deadline=None)
hypothesis.settings.load_profile("jsoc_fido")

#: What the guide's searches need, and one address that may stage.
HOLDINGS = (
    ("hmi.v_45s", "2014-01-01T00:00", "2014-01-01T01:00"),
    ("hmi.v_45s", "2014-01-02T00:00", "2014-01-02T01:00"),
    ("aia.lev1_euv_12s", "2014-01-01T00:00", "2014-01-01T01:00"),
    ("hmi.sharp_720s", "2014-01-01T00:00", "2014-01-01T01:00"),
)
EMAIL = "solar@example.com"

#: Folders with examples: their doctests run on the local site.
DOCUMENTED = ("jsoc_fido", "docs", "README.rst")


@pytest.fixture(scope="session", autouse=True)
def _own_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, set_temp_cache(tmp_path_factory.mktemp("cache")):
        import sunpy

        sunpy.config.set("downloads", "download_dir", str(tmp_path_factory.mktemp("downloads")))
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("JSOC_FIDO_STATE", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="module", autouse=True)
def _other_sites() -> None:
    """
    Forget the sites of other tests: the system gives their addresses to new ones.
    """
    from jsoc_fido.site import _site_at

    _site_at.cache_clear()


@pytest.fixture(scope="session")
def site_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    A folder with a site that holds what the guide searches.
    """
    from jsoc_fido import localsite

    directory = tmp_path_factory.mktemp("site")
    localsite.init(directory)
    for series, start, end in HOLDINGS:
        localsite.synthesize(directory, series, start, end, size=16)
    return directory


@pytest.fixture(scope="session")
def _running_site(site_directory: Path):
    from jsoc_fido import localsite

    with localsite.running(site_directory, register=[EMAIL], staging_time=0.02) as site:
        yield site


@pytest.fixture
def local_site(_running_site, monkeypatch: pytest.MonkeyPatch):
    """
    The running site, with an empty log of requests; searches that name no site ask it.
    """
    _running_site.requests.clear()
    monkeypatch.setenv("JSOC_FIDO_SITE", _running_site.url)
    return _running_site


@pytest.fixture(autouse=True)
def _examples(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    Run documented examples in an empty folder, on the local site.
    """
    item = request.node
    if type(item).__name__ == "DoctestItem":
        request.getfixturevalue("local_site")
        monkeypatch.setenv("JSOC_EMAIL", EMAIL)
        monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _logging_is_left_alone() -> Iterator[None]:
    """
    The command sets how loud the package is, for the rest of the process; here that is a test.
    """
    before = logging.getLogger("jsoc_fido").level
    yield
    logging.getLogger("jsoc_fido").setLevel(before)


@pytest.fixture(autouse=True)
def _registry_is_left_alone() -> Iterator[None]:
    """
    Fido's registry and the attrs are the same after a test as before, in value and order.
    """
    if "jsoc_fido" not in sys.modules:
        yield
        return
    import sunpy.net.attrs
    from sunpy.net import Fido

    before = list(Fido.registry.items()), sunpy.net.attrs.jsoc
    yield
    assert [list(Fido.registry), sunpy.net.attrs.jsoc] == [[key for key, _ in before[0]], before[1]]


@pytest.fixture(scope="session")
def realdata() -> Path:
    """
    Real replies, files and queries; they lie beside the project and are not part of it.
    """
    folder = Path(__file__).parent.parent / "shared" / "realdata"
    if not folder.is_dir():
        pytest.skip("the real data (../shared/realdata) is not here")
    return folder
