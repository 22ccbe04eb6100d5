import threading
import time

import pytest
import requests
from asking import ADA, BOB, ask, finished

from jsoc_fido import localsite
from jsoc_fido.localsite import schema
from jsoc_fido.localsite.exporter import Exporter
from jsoc_fido.localsite.limits import Limits

LATER = "please wait until at least one request has completed before submitting a new one."


@pytest.fixture
def site(empty, make):
    make.add_magnetograms(empty)
    make.add_harps(empty)
    return empty


@pytest.fixture
def started():
    """
    Starts exporters, and stops them.
    """
    running = []

    def start(site, **limits):
        running.append(Exporter(site, staging_time=0.01, limits=Limits(**limits)))
        running[-1].start()
        return running[-1]

    yield start
    for exporter in running:
        exporter.stop()


def waiting(site, **limits):
    """
    An exporter that is not started, so that its requests stay queued.
    """
    return Exporter(site, limits=Limits(**limits))


def change(site, reply, **values):
    table = schema.requests
    with site.engine.begin() as connection:
        connection.execute(table.update().where(table.c.requestid == reply["requestid"]), values)


def test_jsoc_has_limits_and_a_site_of_ones_own_has_few():
    jsoc, own = Limits.jsoc(), Limits()
    assert (jsoc.pending, jsoc.pending_host, jsoc.pending_minutes, jsoc.record_set_length) == (1, 10, 60, 4095)
    assert (own.pending, own.pending_host, own.record_set_length) == (None, None, None)
    assert (jsoc.megabytes, jsoc.megabytes_unpacked, jsoc.megabytes_packed) == (100_000, 10_000, 1_000_000)
    assert (jsoc.repeat_hours, jsoc.retain_days) == (24, 7)
    assert Limits.jsoc(pending=3).pending == 3


@pytest.mark.parametrize(
    ("protocol", "compressed", "expected"),
    [
        ("fits", True, 100_000),
        ("as-is", True, 100_000),
        ("fits,**NONE**", True, 10_000),
        ("fits,**NONE**", False, 100_000),
        ("fits,compress Rice", False, 1_000_000),
        ("as-is", False, 1_000_000),
    ],
)
def test_size_depends_on_how_files_are_stored_and_asked_for(protocol, compressed, expected):
    assert Limits().most_megabytes(protocol, compressed=compressed) == expected


def test_size_is_that_of_the_limit_that_applies(site):
    exporter = waiting(site, megabytes=0.5, megabytes_unpacked=0.25, megabytes_packed=1_000_000)
    words = "Request exceeds max byte limit of {}MB"
    assert ask(exporter, "hmi.m_45s[^]{magnetogram}")["error"] == words.format("0.5")
    assert ask(exporter, "hmi.m_45s[^]{magnetogram}", protocol="fits,**NONE**")["error"] == words.format("0.25")
    assert ask(exporter, "test.harp_720s[101][^]{continuum}")["status"] == 2
    assert ask(exporter, "test.harp_720s[101][^]{continuum}", protocol="fits,**NONE**")["status"] == 3
    most = waiting(site, megabytes_packed=0)
    assert ask(most, "test.harp_720s[102][^]{continuum}")["error"] == words.format("0")


def test_large_sizes_are_told_with_all_their_digits(site):
    with site.engine.begin() as connection:
        connection.execute(site.holding("hmi.m_45s").table.update().values(sg_000_bytes=1 << 50))
    assert ask(waiting(site), "hmi.m_45s[^]")["error"] == "Request exceeds max byte limit of 100000MB"
    reply = ask(waiting(site, megabytes=1_000_000), "hmi.m_45s[^]")
    assert reply["error"] == "Request exceeds max byte limit of 1000000MB"


def test_one_request_of_an_address(site):
    exporter = waiting(site, pending=1)
    first = ask(exporter, "hmi.m_45s[:#1]")
    reply = ask(exporter, "hmi.m_45s[:#2]", notify="ADA@example.org")
    assert reply["status"] == 7
    assert reply["error"] == f"User ADA@example.org has 1 pending export requests ({first['requestid']}); {LATER}"
    assert ask(exporter, "hmi.m_45s[:#2]", notify=BOB)["status"] == 2


def test_ten_requests_of_a_computer(site):
    exporter = waiting(site, pending_host=10)
    for number in range(1, 11):
        assert ask(exporter, f"hmi.m_45s[:#{number}]", notify=f"n{number}@example.org", host="192.0.2.1")["status"] == 2
    reply = ask(exporter, "hmi.m_45s[:#11]", host="192.0.2.1")
    assert reply == {"status": 7, "error": f"There are too many requests from {ADA}; {LATER}"}
    assert ask(exporter, "hmi.m_45s[:#11]", host="192.0.2.2")["status"] == 2


def test_requests_that_wait_too_long_count_no_more(site):
    exporter = waiting(site, pending=1, pending_host=1)
    first = ask(exporter, "hmi.m_45s[:#1]", host="192.0.2.1")
    change(site, first, submitted=time.time() - 59 * 60)
    assert ask(exporter, "hmi.m_45s[:#2]", host="192.0.2.1")["status"] == 7
    change(site, first, submitted=time.time() - 61 * 60)
    assert ask(exporter, "hmi.m_45s[:#2]", host="192.0.2.1")["status"] == 2


def test_finished_requests_do_not_count(site, started):
    exporter = started(site, pending=1, pending_host=1)
    for number in (1, 2):
        assert finished(exporter, ask(exporter, f"hmi.m_45s[:#{number}]", host="192.0.2.1"))["status"] == "0"
    # Where it came from is not kept longer than it counts.
    with site.engine.connect() as connection:
        assert {row.host for row in connection.execute(schema.requests.select())} == {""}


def test_long_record_sets_are_taken_and_fail(site, started):
    exporter = started(site, record_set_length=200)
    test = "[? drms.image_exists(quality) ?]"

    def of(length):
        text = "hmi.m_45s[:#1][? CAMERA=2 {}?]"
        return text.format(" " * (length - len(text) + 2))

    assert len(of(100)) == 100
    assert finished(exporter, ask(exporter, of(200 - len(test))))["status"] == "0"
    reply = ask(exporter, of(201 - len(test)), filenamefmt="{segment}")
    done = finished(exporter, reply)
    assert (done["status"], done["error"]) == (4, "Record-set specification is too long")
    # One that says itself what it thinks of QUALITY gets nothing added.
    assert finished(exporter, ask(exporter, of(200), q="1", filenamefmt="{recnum}"))["status"] == "0"


def test_jsoc_takes_4095_characters(site):
    exporter = Exporter(site, limits=Limits.jsoc(pending=None))
    table = schema.requests

    def error(length):
        text = "hmi.m_45s[:#1][? QUALITY>=0 {}?]"
        reply = ask(exporter, text.format(" " * (length - len(text) + 2)), filenamefmt=f"{length}{{segment}}")
        with site.engine.connect() as connection:
            return connection.execute(table.select().where(table.c.requestid == reply["requestid"])).one().error

    assert error(4095) is None
    assert error(4096) == "Record-set specification is too long"


def test_exports_expire(site, started):
    exporter = started(site)
    reply = ask(exporter, "hmi.m_45s[:#1]")
    done = finished(exporter, reply)
    folder = site.directory / done["dir"].lstrip("/")
    change(site, reply, finished=time.time() - 6.9 * 86400)
    assert finished(exporter, reply)["status"] == "0"
    change(site, reply, finished=time.time() - 7.1 * 86400)
    found = finished(exporter, reply)
    assert found["status"] == 5
    assert found["error"] == "Request was completed but is now deleted, 7 day limit exceeded"
    assert folder.is_dir()
    # The files go when the site starts, and from time to time.
    started(site)
    deadline = time.monotonic() + 30
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not folder.exists()
    assert finished(exporter, reply)["status"] == 5
    assert ask(exporter, "hmi.m_45s[:#1]")["requestid"] != reply["requestid"]


def test_exports_may_stay_for_ever_or_less_than_a_day(site, started):
    reply = ask(started(site), "hmi.m_45s[:#1]")
    for_ever, short = waiting(site, retain_days=None), waiting(site, retain_days=0.5)
    finished(for_ever, reply)
    change(site, reply, finished=time.time() - 1000 * 86400)
    assert finished(for_ever, reply)["status"] == "0"
    change(site, reply, finished=time.time() - 86400 * 0.6)
    assert finished(short, reply)["error"].endswith("0.5 day limit exceeded")
    # What has expired is no answer to the same question.
    assert ask(for_ever, "hmi.m_45s[:#1]")["requestid"] == reply["requestid"]
    assert ask(short, "hmi.m_45s[:#1]")["requestid"] != reply["requestid"]


def test_the_same_request_counts_as_the_same_for_a_day(site):
    exporter = waiting(site)
    first = ask(exporter, "hmi.m_45s[:#1]")
    change(site, first, submitted=time.time() - 23.9 * 3600)
    assert ask(exporter, "hmi.m_45s[:#1]", notify=BOB)["requestid"] == first["requestid"]
    change(site, first, submitted=time.time() - 24.1 * 3600)
    assert ask(exporter, "hmi.m_45s[:#1]")["requestid"] != first["requestid"]


def test_offline_records_have_a_number_but_no_export(site):
    assert localsite.set_online(site.directory, "test.harp_720s[101]", online=False) == 3
    reply = ask(waiting(site), "test.harp_720s[101]")
    assert reply["status"] == 25
    words, _, requestid = reply["error"].rpartition("; ")
    assert words.endswith("place the requested data online, and then you may try again")
    assert requestid.startswith("JSOC_")
    localsite.set_online(site.directory, "test.harp_720s[101]", online=True)
    assert ask(waiting(site), "test.harp_720s[101]")["status"] == 2


def test_limits_over_http(site):
    with localsite.running(site.directory, jsoc_limits=True, staging_time=60, pending=5, pending_host=2) as running:
        url = f"{running.url}/cgi-bin/ajax/jsoc_fetch"
        form = {"op": "exp_request", "notify": ADA, "protocol": "fits"}
        found = [
            requests.post(url, {**form, "ds": f"hmi.m_45s[:#{number}]"}, timeout=30).json() for number in (1, 2, 3)
        ]
    assert [reply["status"] for reply in found] == [2, 2, 7]
    assert "too many requests" in found[2]["error"]


def test_a_limit_that_there_is_not_is_named(small_directory):
    before = threading.active_count()
    with pytest.raises(TypeError, match="pendings"), localsite.running(small_directory, pendings=1):
        pass
    assert threading.active_count() <= before


@pytest.mark.parametrize(
    ("steps", "given", "status"),
    [
        ("", None, 3),
        # Without steps, nothing becomes smaller.
        ("", "0.1", 3),
        ("rebin,scale=0.5", None, 3),
        ("rebin,scale=0.5", "0.25", 2),
        # Less than it is cannot be claimed, nor can more be had.
        ("rebin,scale=0.5", "0.001", 2),
        ("rebin,scale=0.9", "0.001", 3),
        ("rebin,scale=2", None, 3),
        ("fold", "0.25", 2),
        ("fold", "0.75", 3),
        ("fold", "5e-324", 2),
        ("rebin,scale=1e300", None, 3),
        ("Maproj,cols=" + "9" * 400 + ",rows=2", None, 3),
    ],
)
def test_size_is_that_of_what_processing_leaves(site, steps, given, status):
    """
    Contract B.9, F.2: ``sizeratio``.
    """
    exporter = waiting(site, megabytes=0.5)
    parameters = {"process=n": f"0|{steps}" if steps else "0"} | ({"sizeratio": given} if given else {})
    assert ask(exporter, "hmi.m_45s[^]", **parameters)["status"] == status


def test_the_limit_is_told_with_the_ratio(site):
    exporter = waiting(site, megabytes=0.5)
    reply = ask(exporter, "hmi.m_45s[^]", sizeratio="3", **{"process=n": "0|fold"})
    assert reply["error"] == "Request exceeds max byte limit of 0.5MB; processing makes 3MB of each MB"
    reply = ask(waiting(site, megabytes=0.125), "hmi.m_45s[^]", sizeratio="0.25", **{"process=n": "0|fold"})
    assert reply["error"] == "Request exceeds max byte limit of 0.125MB; processing makes 0.25MB of each MB"


@pytest.mark.parametrize("ratio", ["0", "-1", "nan", "inf", "half"])
def test_what_is_no_ratio(site, ratio):
    assert ask(waiting(site), "hmi.m_45s[^]", sizeratio=ratio)["error"] == f"sizeratio={ratio} is no number above 0."
