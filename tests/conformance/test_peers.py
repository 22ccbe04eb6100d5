"""
The tests of `drms` and of sunpy's own JSOC client, unchanged and from the installed packages, on a local site.
"""

import os
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from sysconfig import get_path

import pytest
from packaging.requirements import Requirement

from jsoc_fido import localsite

HERE = Path(__file__).parent

#: What is run of each peer. Other sites than JSOC are not asked.
PEERS = {"drms": ["drms.tests", "-m", "not kis"], "sunpy": ["sunpy.net.jsoc.tests"]}

#: The address that sunpy's tests use, and the one that drms' tests are given.
SUNPY_EMAIL, DRMS_EMAIL = "jsoc@sunpy.org", "solar@example.com"

#: Seconds that the tests of a peer may take.
PATIENCE = 300

#: Settings of their own, so that pytest does not take those of a project they are installed in.
SETTINGS = """\
[pytest]
markers =
    jsoc: asks JSOC
    kis: asks KIS
    flaky: may fail now and then
    thread_unsafe: runs in one thread
    xdist_group: runs in one process
"""


def run(peer: str, url: str, folder: Path) -> dict[str, str]:
    """
    Run a peer's tests in a process of their own.

    Returns
    -------
    dict
        By test, an empty text if it did what the peer expects, or else the first line of why not.
    """
    home = folder / peer
    home.mkdir()
    (home / "pytest.ini").write_text(SETTINGS)
    command = [
        *(sys.executable, "-m", "pytest", "-c", "pytest.ini", f"--confcutdir={get_path('purelib')}"),
        *("-p", "peer_server", "-p", "no:cacheprovider", "--remote-data=any", "--junit-xml=outcomes.xml"),
        *("--pyargs", *PEERS[peer]),
    ]
    settings = {"PEER_SITE": url, "JSOC_EMAIL": DRMS_EMAIL, "HOME": str(home), "TMPDIR": str(home)}
    path = os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        command,
        cwd=home,
        env={**os.environ, **settings, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    # 0 is all passed, 1 some failed; anything else is no result.
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return outcomes_in(home / "outcomes.xml")


def outcomes_in(path: Path) -> dict[str, str]:
    """
    Read a report in the form of JUnit.
    """
    found = {}
    for case in ET.parse(path).iter("testcase"):
        trouble = next((case.find(kind) for kind in ("failure", "error") if case.find(kind) is not None), None)
        skipped = case.find("skipped")
        name = f"{case.get('classname')}::{case.get('name')}"
        if skipped is not None:  # or expected by the peer itself to fail
            found[name] = "" if skipped.get("type") == "pytest.xfail" else f"skipped: {skipped.get('message')}"
        else:
            found[name] = "" if trouble is None else (trouble.get("message") or "failed").splitlines()[0]
    return found


def expected(peer: str) -> dict[str, str]:
    """
    The tests that are known to fail with the installed version of a peer, and why.
    """
    tables = tomllib.loads((HERE / "expected_failures.toml").read_text("utf-8"))
    known = {}
    for title, table in tables.items():
        requirement = Requirement(title)
        if requirement.name == peer and requirement.specifier.contains(version(peer), prereleases=True):
            known |= table
    return known


@pytest.fixture(scope="session")
def outcomes(peer_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, dict[str, str]]:
    """
    What became of each test, by peer.
    """
    folder = tmp_path_factory.mktemp("outcomes")
    emails = [SUNPY_EMAIL, DRMS_EMAIL]
    with localsite.running(peer_directory, register=emails, staging_time=0.02) as site, ThreadPoolExecutor() as pool:
        # They mostly wait for files to be staged, so they may as well do it at the same time.
        runs = {peer: pool.submit(run, peer, site.url, folder) for peer in PEERS}
        return {peer: future.result() for peer, future in runs.items()}


def entry(name: str, known: Mapping[str, str]) -> str | None:
    """
    What lists a test: its own name, or that without parameters.
    """
    return next((item for item in (name, name.partition("[")[0]) if item in known), None)


@pytest.mark.parametrize("peer", PEERS)
def test_peer(outcomes, peer, record_property):
    found, known = outcomes[peer], expected(peer)
    failed = {name: words for name, words in found.items() if words}
    listed = {item for name in failed if (item := entry(name, known)) is not None}
    surprises = [f"{name}: {words}" for name, words in failed.items() if entry(name, known) is None]
    title = f"{peer} {version(peer)}"
    record_property("passed", f"{title}: {len(found) - len(failed)} of {len(found)} tests pass")
    for name in sorted(listed):
        record_property("expected", f"{title}: does not pass, as expected: {name} ({known[name]})")
    for name in sorted(known.keys() - listed):
        record_property("better", f"{title}: passes now, so take it off the list: {name}")
    assert len(found) > 20
    assert not surprises, "\n".join(surprises)
