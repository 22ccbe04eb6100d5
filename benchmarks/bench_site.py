"""
The local site: how fast it makes records, and how fast it answers.
"""

import json
import subprocess
import sys
import urllib.parse
import urllib.request

import pytest

from jsoc_fido import localsite

PROGRAM = """
import json, resource, sys, time
from jsoc_fido import localsite
if __name__ == "__main__":
    localsite.init(sys.argv[1])
    began = time.perf_counter()
    records = localsite.synthesize(sys.argv[1], "hmi.v_45s", "2014-01-01T00:00", "2014-01-06T05:00")
    seconds = time.perf_counter() - began
    own, child = (resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"records": records, "seconds": seconds, "megabytes": own, "megabytes of a child": child}))
"""


def bench_ten_thousand_records(benchmark, tmp_path):
    benchmark.group = "10,000 synthetic records"
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, "utf-8")

    def synthesize():
        words = [sys.executable, program, tmp_path / "site"]
        return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)

    result = benchmark.pedantic(synthesize, rounds=1)
    benchmark.extra_info.update(result)
    print(result)
    assert result["records"] >= 10_000
    assert result["seconds"] < 10
    assert result["megabytes"] + result["megabytes of a child"] < 500


@pytest.fixture
def fast_site(directory):
    with localsite.running(directory) as site:
        yield site


def bench_rs_list(benchmark, fast_site):
    benchmark.group = "rs_list of 2,107 records with all keywords"
    query = {
        "op": "rs_list",
        "ds": "aia.lev1_euv_12s[2014.01.01_00:00:00_UTC-2014.01.01_01:00:00_UTC]",
        "key": "**ALL**",
        "seg": "image",
    }
    url = f"{fast_site.url}/cgi-bin/ajax/jsoc_info?{urllib.parse.urlencode(query)}"

    def ask():
        with urllib.request.urlopen(url) as reply:
            return json.load(reply)

    reply = benchmark.pedantic(ask, rounds=3, warmup_rounds=1)
    assert reply["count"] == 2107
    assert benchmark.stats.stats.mean < 1
