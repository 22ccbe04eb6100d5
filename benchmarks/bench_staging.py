"""
Staging: how much longer many files of many branches take than they must, when an export takes a hundredth of its time.
"""

import math
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager

import drms.config
import pytest
from sunpy.net import attrs as a

from jsoc_fido import JSOCClient, localsite
from jsoc_fido import site as site_module
from jsoc_fido.attrs import Series
from jsoc_fido.connection import Limits

EMAIL = "solar@example.com"
BRANCHES, FILES = 20, 50
ROUNDS = 5

#: Seconds that an export takes, instead of JSOC's 76.
STAGING = 0.76

#: A site in a process of its own, so that it does not wait for the client.
SERVE = (
    "import sys; from jsoc_fido import localsite;"
    f"localsite.serve(sys.argv[1], staging_time={STAGING}, pending=1, register=[{EMAIL!r}], repeat_hours=0)"
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """
    A site with a thousand files in twenty pieces of time.
    """
    directory = tmp_path_factory.mktemp("staging") / "site"
    localsite.init(directory)
    for branch in range(BRANCHES):
        localsite.synthesize(directory, "hmi.v_45s", *times(branch), size=16)
    return directory


@pytest.fixture
def url(directory, monkeypatch, tmp_path):
    monkeypatch.setenv("JSOC_FIDO_STATE", str(tmp_path / "state"))
    # JSOC's manners, at this pace.
    monkeypatch.setattr(site_module, "LOCAL", Limits(poll=(0.05, 0.3), pause=0.01))
    with subprocess.Popen([sys.executable, "-c", SERVE, directory], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def times(branch):
    start = 60 * branch
    seconds = 45 * FILES
    assert seconds < 3600
    day, hour = 1 + start // 1440, start % 1440 // 60
    return f"2014-01-{day:02}T{hour:02}:00:00", f"2014-01-{day:02}T{hour:02}:{seconds // 60}:{seconds % 60:02}"


def branches():
    query = a.Time(*times(0))
    for branch in range(1, BRANCHES):
        query |= a.Time(*times(branch))
    return query


@contextmanager
def measured():
    seconds = []
    began = time.perf_counter()
    yield seconds
    seconds.append(time.perf_counter() - began)


def unavoidable(url, requests, path):
    """
    Seconds of one staging for each request, and of the files alone over the one connection that is allowed.

    The site writes the files in that time; what it needs beyond it is not in here.
    """
    with measured() as seconds:
        again = JSOCClient(url, EMAIL).get_request([request.id for request in requests], path=path, progress=False)
    assert not again.errors
    return len(requests) * STAGING + seconds[0]


def bench_staging(url, report, tmp_path, monkeypatch):
    """
    A thousand files in twenty branches, beside what cannot be avoided: medians of some rounds, each with a new export.
    """
    client = JSOCClient(url, EMAIL)
    response = client.search(branches(), Series("hmi.v_45s"))
    taken, needed = [], []
    for number in range(ROUNDS):
        place = tmp_path / f"{number}"
        # Nothing is known of the request before, which would be used again.
        monkeypatch.setenv("JSOC_FIDO_STATE", str(place / "state"))
        plan = client.fetch(response, path=place / "files", notify=EMAIL, dry_run=True)
        requests = int(sum(plan["Requests"]))
        with measured() as seconds:
            results = client.fetch(response, path=place / "files", notify=EMAIL, progress=False)
        assert not results.errors
        assert len(results) == len(response) >= BRANCHES * FILES
        assert len(response.requests) == requests
        taken += seconds
        needed.append(unavoidable(url, response.requests, place / "again"))
    title = f"{len(response)} files, {BRANCHES} branches, {requests} requests, beside what must be"
    report(title, statistics.median(taken), statistics.median(needed), "s")
    print("each round:", *(f"{one:.2f}/{other:.2f}" for one, other in zip(taken, needed, strict=True)))


def bench_staging_one_by_one(url, report, tmp_path):
    """
    The same in twenty searches, each fetched by itself: nothing can be merged, as in a loop.
    """
    client = JSOCClient(url, EMAIL)
    responses = [client.search(a.Time(*times(branch)), Series("hmi.v_45s")) for branch in range(BRANCHES)]
    with measured() as seconds:
        for number, response in enumerate(responses):
            assert not client.fetch(response, path=tmp_path / f"{number}", notify=EMAIL, progress=False).errors
    staged = [request for response in responses for request in response.requests]
    title = f"the same in a loop, {len(staged)} requests, beside what must be"
    report(title, seconds[0], unavoidable(url, staged, tmp_path / "again"), "s")


@pytest.mark.parametrize("way", ["together", "loop"])
def bench_staging_of_sunpy(url, report, tmp_path, sunpys_client, way):
    """
    sunpy's client, as far as it comes, beside the staging alone.
    """
    client = sunpys_client(url)
    words = a.jsoc.Series("hmi.v_45s"), a.jsoc.Notify(EMAIL)
    came = 0
    with measured() as seconds:
        try:
            if way == "together":
                came += len(client.fetch(client.search(branches(), *words), path=tmp_path, progress=False))
            else:
                for branch in range(BRANCHES):
                    response = client.search(a.Time(*times(branch)), *words)
                    came += len(client.fetch(response, path=tmp_path, progress=False))
            end = "finished"
        except drms.DrmsExportError as err:
            end = str(err)[:60]
    needed = (1 if way == "together" else BRANCHES) * STAGING
    report(f"sunpy, {way}: {came} files, {end}", seconds[0] if came else math.nan, needed, "s")
