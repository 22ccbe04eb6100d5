"""
This package and sunpy's own client, doing the same on the same site; ratios are in brackets.
"""

import itertools

import astropy.units as u
import pytest
from sunpy.net import attrs as a
from sunpy.net.jsoc.attrs import Keyword, Notify, Series

from conftest import EMAIL

HOURS = [a.Time(f"2014-01-0{day}T00:00", f"2014-01-0{day}T01:00") for day in (1, 2, 3)]
VELOCITY = Series("hmi.v_45s")

SEARCHES = {
    "search: an hour of Dopplergrams": ((HOURS[0], VELOCITY), 81),
    "search: a test of a keyword": ((HOURS[0], VELOCITY, Keyword("CADENCE") > 1), 81),
    "search: 2107 EUV images": ((HOURS[0], Series("aia.lev1_euv_12s")), 2107),
    "search: three days": ((HOURS[0] | HOURS[1] | HOURS[2], VELOCITY), 243),
}


@pytest.mark.parametrize("title", SEARCHES)
def bench_search(benchmark, client, title):
    words, count = SEARCHES[title]
    benchmark.group = title
    response = benchmark.pedantic(client.search, words, rounds=3, warmup_rounds=1)
    assert len(response) == count


def bench_fetch(benchmark, client, tmp_path):
    """
    Search, stage and download seven files.
    """
    benchmark.group = "search, stage and download 7 files"
    runs = itertools.count()

    def fetch():
        run = next(runs)
        # Another keyword test each time: a site answers the same request twice with the first one's files.
        words = HOURS[0], VELOCITY, a.Sample(585 * u.s), Keyword("QUALITY") >= -run, Notify(EMAIL)
        return client.fetch(client.search(*words), path=tmp_path / str(run), progress=False)

    files = benchmark.pedantic(fetch, rounds=2)
    assert len(files) == 7
    assert not files.errors
