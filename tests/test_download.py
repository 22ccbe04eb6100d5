"""
Downloading: politely, whole or not at all, and with Ctrl-C given back.
"""

import asyncio
import signal

import parfive
import pytest

from jsoc_fido.connection import Limits
from jsoc_fido.download import Delivery, enqueue
from jsoc_fido.downloaders import be_polite
from jsoc_fido.exceptions import DataError, QueryError
from jsoc_fido.remote import RemoteFile, remote_files, targets
from jsoc_fido.site import site

FILES = [
    RemoteFile("http://x/a.fits", "a.fits", "hmi.V_45s[2014.01.01_00:00:45_TAI][2]"),
    RemoteFile("http://x/b.fits", "b.fits", "hmi.v_45s_mod[2014.01.01_00:01:30_TAI][2][JSOC_20140101_001]"),
]


def test_without_a_table_there_is_file_only(tmp_path):
    assert targets(FILES, tmp_path) == [tmp_path / "a.fits", tmp_path / "b.fits"]
    with pytest.raises(QueryError, match="without the table"):
        targets(FILES, "{T_REC}/{file}")


def test_two_files_with_one_path_are_refused_before_anything_is_asked():
    twice = [RemoteFile("http://x/1", "a.fits", "r1"), RemoteFile("http://x/2", "a.fits", "r2")]
    with pytest.raises(DataError, match="r1 and r2"):
        targets(twice, "x")


def test_any_downloader_is_held_to_the_limits(tmp_path):
    downloader = parfive.Downloader(max_conn=5, max_splits=5, progress=False)
    be_polite(downloader, Limits())
    assert downloader.config.max_conn == 1
    enqueue(downloader, [Delivery(site("jsoc"), file.url, tmp_path / file.name) for file in FILES])
    assert downloader.queued_downloads == 2


def test_ctrl_c_is_pythons_again_after_a_download(local_site, tmp_path):
    downloader = parfive.Downloader(progress=False)
    be_polite(downloader, Limits())
    before = signal.getsignal(signal.SIGINT)
    downloader.enqueue_file(f"{local_site.url}/SUM0/nothing.fits", path=tmp_path, filename="x.fits")
    assert len(downloader.download().errors) == 1
    assert signal.getsignal(signal.SIGINT) is before


def test_a_running_event_loop_is_no_obstacle(local_site, tmp_path):
    downloader = parfive.Downloader(progress=False)
    be_polite(downloader, Limits())
    be_polite(downloader, Limits())
    before = signal.getsignal(signal.SIGINT)
    downloader.enqueue_file(f"{local_site.url}/SUM0/nothing.fits", path=tmp_path, filename="x.fits")

    async def notebook():
        return downloader.download()

    assert len(asyncio.run(notebook()).errors) == 1
    assert signal.getsignal(signal.SIGINT) is before


def test_quick_files_are_named_after_their_records(local_site, tmp_path):
    from jsoc_fido import JSOCClient

    client = JSOCClient(email="solar@example.com")
    request = client.site.drms_client().export(
        "hmi.v_45s[2014.01.01_00:00:45_TAI]{Dopplergram}",
        method="url_quick",
        protocol="as-is",
        email="solar@example.com",
    )
    assert [file.name for file in remote_files(request)] == ["hmi.v_45s.20140101_000045_TAI.2.Dopplergram.fits"]
