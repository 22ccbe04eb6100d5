"""
What was interrupted is finished later, in this process or in another.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from sunpy.net import attrs as a

from jsoc_fido import JSOCClient
from jsoc_fido.exceptions import NotRegisteredError
from jsoc_fido.journal import Job, Journal

EMAIL = "solar@example.com"
#: What no other test stages: a site gives the same request the same files.
MINUTES = a.Time("2014-01-01T00:30:00", "2014-01-01T00:32:30")


@pytest.fixture
def client(local_site, monkeypatch, tmp_path):
    monkeypatch.setenv("JSOC_FIDO_STATE", str(tmp_path / "state"))
    return JSOCClient()


@pytest.fixture
def table(client):
    return client.search(MINUTES, a.jsoc.Series("hmi.v_45s"))


@pytest.fixture
def broken(table, site_directory):
    """
    The second of the files is missing at the site, until the fixture is called.
    """
    path = site_directory / table["Dopplergram"][1].lstrip("/")
    content = path.read_bytes()
    path.unlink()
    yield lambda: path.write_bytes(content)
    path.write_bytes(content)


def test_a_complete_fetch_is_forgotten(client, table, tmp_path):
    client.fetch(table, path=tmp_path / "data", progress=False)
    assert Journal().jobs() == []
    assert len(client.resume(progress=False)) == 0


def test_the_rest_is_fetched_later(client, local_site, table, broken, tmp_path):
    results = client.fetch(table, path=tmp_path / "data" / "{T_REC:%H%M}" / "{file}", progress=False)
    assert len(results.errors) == 1
    (job,) = Journal().jobs()
    assert job.files == len(table)
    broken()
    local_site.requests.clear()
    again = client.resume(progress=False)
    assert not again.errors
    assert len(again) == len(table)
    assert local_site.count("file") == 1
    assert {Path(file).parent.name for file in again} >= {Path(file).parent.name for file in results}
    assert Journal().jobs() == []


def test_what_was_staged_is_not_staged_again(client, local_site, table, broken, tmp_path):
    results = client.fetch(table, path=tmp_path / "data", notify=EMAIL, protocol="as-is", method="url", progress=False)
    assert local_site.count("exp_request") == 1
    assert len(results) == len(table) - 1
    assert EMAIL not in json.dumps([(job.rows, job.options) for job in Journal().jobs()])
    with pytest.raises(NotRegisteredError):
        client.resume(progress=False)
    client.resume(progress=False, notify=EMAIL)
    assert local_site.count("exp_request") == 1
    assert client.requests()["State"].tolist() == ["done"]


def test_only_what_goes_into_a_path(client, table, broken, tmp_path):
    client.fetch(table, path=tmp_path / "one", progress=False)
    client.fetch(table, path=tmp_path / "two", progress=False)
    broken()
    assert len(client.resume(path=tmp_path / "two", progress=False)) == len(table)
    assert [job.options["path"] for job in Journal().jobs()] == [str(tmp_path / "one")]


def test_a_fetch_that_fails_keeps_none_from_being_finished(client, table, broken, tmp_path):
    client.fetch(table, path=tmp_path / "staged", notify=EMAIL, protocol="as-is", method="url", progress=False)
    client.fetch(table, path=tmp_path / "quick", progress=False)
    broken()
    with pytest.raises(NotRegisteredError):
        client.resume(progress=False)
    assert len(list((tmp_path / "quick").iterdir())) == len(table)
    assert [job.options["path"] for job in Journal().jobs()] == [str(tmp_path / "staged")]


def test_another_process_finishes(client, table, broken, tmp_path):
    client.fetch(table, path=tmp_path / "data", progress=False)
    broken()
    program = "import jsoc_fido; print(len(jsoc_fido.JSOCClient().resume(progress=False)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split()[-1] == str(len(table))
    assert Journal().jobs() == []


def test_a_journal_that_cannot_be_written_stops_no_fetch(client, table, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("JSOC_FIDO_STATE", str(tmp_path / "file"))
    assert len(client.fetch(table, path=tmp_path / "data", progress=False)) == len(table)
    assert "The journal" in caplog.text
    assert Journal().requests() == []


def test_old_entries_are_forgotten(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite")
    journal.begin(Job("old", 0.0, "", {}, 1))
    assert journal.jobs() == []
