"""
The queue: whose turn it is, what is asked once, and what is said while one waits.
"""

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sunpy.net import attrs as a

from jsoc_fido import JSOCClient, exports, localsite, staging
from jsoc_fido.exceptions import ExportError, ExportTimeout
from jsoc_fido.journal import Journal
from jsoc_fido.staging import Staging
from jsoc_fido.waiting import Announcer, Watch

EMAIL = "solar@example.com"
HOUR = a.Time("2014-01-01T00:00", "2014-01-01T00:45")


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Iterator[localsite.RunningSite]:
    """
    A site that takes one request of an address at a time, and needs a while for it.
    """
    directory = tmp_path_factory.mktemp("queue") / "site"
    localsite.init(directory)
    localsite.synthesize(directory, "hmi.v_45s", HOUR.start, HOUR.end, size=16)
    with localsite.running(directory, register=[EMAIL], staging_time=0.1, jsoc_limits=True) as running:
        yield running


@pytest.fixture
def client(archive, monkeypatch, tmp_path) -> JSOCClient:
    monkeypatch.setenv("JSOC_FIDO_STATE", str(tmp_path / "state"))
    archive.requests.clear()
    return JSOCClient(archive.url, EMAIL)


@pytest.fixture
def orders(client) -> list[exports.Order]:
    """
    Three that no other test asks for, as each is taken once only.
    """
    rows = client.search(HOUR, a.jsoc.Series("hmi.v_45s"))
    found = []
    for _ in range(3):
        row = next(_rows)
        found += exports.plan(rows[row : row + 1], protocol="fits", notify=EMAIL)
    return found


_rows = iter(range(1000))


def test_requests_are_made_one_after_the_other(client, archive, orders):
    requests = staging.submit(orders, Watch.of(60), Journal())
    assert len({request.id for request in requests}) == 3
    # No one was sent away with status 7, and the last one is not waited for.
    assert archive.count("exp_request") == 3
    assert [entry.state for entry in Journal().requests()] == ["pending", "done", "done"]
    staging.wait(requests[-1], Watch.of(60), Journal())


def test_the_same_twice_is_one_request(client, archive, orders):
    requests = staging.submit([orders[0], orders[0]], Watch.of(60), Journal())
    (again,) = staging.submit(orders[:1], Watch.of(60), Journal())
    assert [request.id for request in requests] == [again.id]
    assert archive.count("exp_request") == 1


def test_one_that_is_refused_keeps_no_other_from_being_made(client, archive, orders, caplog):
    bad = replace(orders[1], record_set="hmi.v_45s[^][? CAMERA = = 2 ?]")
    with pytest.raises(ExportError, match="CAMERA"):
        staging.submit([orders[0], bad, orders[2]], Watch.of(60), Journal())
    assert len(Journal().requests()) == 2
    assert "1 of 3 requests were refused" in caplog.text


def test_calls_of_several_threads_stand_in_one_queue(client, archive, orders):
    journal = Journal()
    threads = [threading.Thread(target=staging.submit, args=([order], Watch.of(60), journal)) for order in orders[:2]]
    queue = Staging(orders[2:], timeout=60, journal=journal)
    for thread in threads:
        thread.start()
    queue.start()
    for thread in threads:
        thread.join()
    (request,) = queue.requests(orders[2])
    assert not exports.is_pending(request)
    assert len({entry.requestid for entry in journal.requests()}) == 3


def test_what_is_asked_for_while_another_request_runs_waits_for_it(client, orders):
    staging.submit(orders[:1], Watch.of(60), Journal())
    said = []
    staging.submit(orders[1:2], Watch.of(60, said.append), Journal())
    assert any("busy with JSOC_" in words for words in said)


def test_nobody_waits_for_longer_than_told(client, orders):
    staging.submit(orders[:1], Watch.of(60), Journal())
    with pytest.raises(ExportTimeout, match="took longer"):
        staging.submit(orders[1:2], Watch.of(0), Journal())


def test_what_is_stopped_gives_up_at_once(client, orders):
    queue = Staging(orders, timeout=60, journal=Journal())
    queue.start()
    queue.stop()
    for order in orders[1:]:
        with pytest.raises(ExportTimeout, match="stopped"):
            queue.requests(order)


class Bar:
    """
    What a progress bar is told.
    """

    made: list["Bar"]

    def __init__(self, **options: object) -> None:
        self.options, self.words, self.count, self.closed = options, [], 0, False
        self.made.append(self)

    def set_postfix_str(self, words: str) -> None:
        self.words.append(words)

    def update(self, count: int) -> None:
        self.count += count

    def close(self) -> None:
        self.closed = True


def test_a_bar_is_shown_when_there_is_something_to_say(caplog):
    Bar.made = []
    announcer = Announcer(Bar, total=2)
    announcer.close()
    assert Bar.made == []
    with caplog.at_level(logging.INFO, "jsoc_fido"):
        announcer.waiting("JSOC_20140101_001 is being staged, for 1 s now")
        announcer.waiting("JSOC_20140101_001 is being staged, for 2 s now")
        announcer.finished()
        announcer.waiting("JSOC_20140101_002 is being staged, for 0 s now")
        announcer.close()
    (bar,) = Bar.made
    assert bar.options["total"] == 2
    assert len(bar.words) == 3
    assert (bar.count, bar.closed) == (1, True)
    # A log has each thing once.
    assert [record.message[:17] for record in caplog.records] == ["JSOC_20140101_001", "JSOC_20140101_002"]


def test_the_time_that_is_left_is_not_exceeded():
    watch = Watch(time.monotonic() + 0.05, threading.Event())
    began = time.monotonic()
    watch.pause(60, "something")
    assert time.monotonic() - began < 30
    with pytest.raises(ExportTimeout):
        watch.pause(60, "something")


def test_no_address_is_in_the_names_of_the_queues(client, orders, tmp_path):
    staging.submit(orders[:1], Watch.of(60), Journal())
    queues = list((Path(tmp_path) / "state" / "queues").iterdir())
    assert queues
    assert not any("example" in queue.name or "solar" in queue.name for queue in queues)
