import asyncio
import signal
from pathlib import Path

import parfive
import pytest
from test_response import QUESTION, REPLY, definitions

from jsoc_fido.download import RemoteFile, be_polite, enqueue, remote_files, safe_name, targets
from jsoc_fido.exceptions import DataError, QueryError
from jsoc_fido.response import JSOCResponse
from jsoc_fido.site import Limits

FILES = [
    RemoteFile("http://x/a.fits", "a.fits", "hmi.V_45s[2014.01.01_00:00:45_TAI][2]"),
    RemoteFile("http://x/b.fits", "b.fits", "hmi.v_45s_mod[2014.01.01_00:01:30_TAI][2][JSOC_20140101_001]"),
]


@pytest.fixture
def table():
    return JSOCResponse.from_reply(REPLY, definitions.load("hmi.v_45s"), QUESTION)


@pytest.mark.parametrize("hostile", ["../../etc/passwd", "/etc/passwd", "..\\..\\passwd", "a/../b/passwd", "..passwd"])
def test_no_name_leaves_the_folder(hostile):
    assert safe_name(hostile) == "passwd"


@pytest.mark.parametrize("hostile", ["", "..", ".", "/", "a/..", "../"])
def test_what_is_no_name_is_refused(hostile):
    with pytest.raises(DataError, match="no file name"):
        safe_name(hostile)


def test_control_characters_are_replaced():
    assert safe_name("a\nb\x00c.fits") == "a_b_c.fits"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("data", "data/a.fits"),
        ("data/{file}", "data/a.fits"),
        ("data/{file}.fits", "data/a.fits"),
        ("data/{T_REC}/{file}", "data/20140101_000045_TAI/a.fits"),
        ("{t_rec:%Y/%m}/{file}", "2014/01/a.fits"),
        ("{t_rec:%Y-%m}/{wavelnth}/{camera:02d}/{file}", "2014-01/6173/02/a.fits"),
        (Path("x") / "{INSTRUME}_{file}", "x/HMI_FRONT2_a.fits"),
    ],
)
def test_paths(table, path, expected):
    first, second = targets(FILES, path, table)
    assert first == Path(expected)
    assert second.name.endswith("b.fits")


def test_missing_values_have_a_name(table):
    assert targets(FILES, "{CAR_ROT}/{file}", table) == [Path("2145/a.fits"), Path("MISSING/b.fits")]
    assert targets(FILES, "{CRLN_OBS:.1f}/{file}", table) == [Path("21.7/a.fits"), Path("MISSING/b.fits")]


@pytest.mark.parametrize("path", ["{nonsense}/{file}", "{0}/{file}", "{T_REC/{file}", "{camera:%Y}/{file}"])
def test_bad_templates_are_named(table, path):
    with pytest.raises(QueryError, match="The path"):
        targets(FILES, path, table)


def test_without_a_table_there_is_file_only():
    assert targets(FILES, "x/{file}") == [Path("x/a.fits"), Path("x/b.fits")]
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
    enqueue(downloader, FILES, [tmp_path / "a.fits", tmp_path / "b.fits"])
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
