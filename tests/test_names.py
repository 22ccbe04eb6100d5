"""
Names of files and paths: after records, alike for every way, and never out of the folder.
"""

from pathlib import Path

import astropy.units as u
import pytest
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st
from test_response import QUESTION, REPLY, definitions

from jsoc_fido import files, names
from jsoc_fido.exceptions import DataError, QueryError
from jsoc_fido.response import JSOCResponse

SERIES = definitions.load("hmi.v_45s")


@pytest.fixture
def table():
    return JSOCResponse.from_reply(REPLY, SERIES, QUESTION)


@pytest.fixture
def listed(table):
    return files.files_of(table, lambda question: SERIES)


@pytest.mark.parametrize("hostile", ["../../etc/passwd", "/etc/passwd", "..\\..\\passwd", "a/../b/passwd", "..passwd"])
def test_no_name_leaves_the_folder(hostile):
    assert names.safe_name(hostile) == "passwd"


@pytest.mark.parametrize("hostile", ["", "..", ".", "/", "a/..", "../"])
def test_what_is_no_name_is_refused(hostile):
    with pytest.raises(DataError, match="no file name"):
        names.safe_name(hostile)


@given(st.text())
def test_any_text_is_a_name_in_the_folder_or_none(text):
    try:
        name = names.safe_name(text)
    except DataError:
        return
    assert (Path("folder") / name).parent == Path("folder")
    assert not name.startswith(".")
    assert name.isprintable()


def test_control_characters_are_replaced():
    assert names.safe_name("a\nb\x00c.fits") == "a_b_c.fits"


@pytest.mark.parametrize(
    ("record", "stored", "name"),
    [
        ("hmi.V_45s[2014.01.01_00:00:45_TAI][2]", "D.fits", "hmi.v_45s.20140101_000045_TAI.2.D.fits"),
        ("hmi.V_45s[2014.01.01_00:00:45.96_TAI][2]", "D.fits", "hmi.v_45s.20140101_000046_TAI.2.D.fits"),
        ("hmi.V_45s[2014-01-01T00:00:45.20Z][2]", "D.fits", "hmi.v_45s.2014-01-01T000045Z.2.D.fits"),
        ("hmi.V_45s[:#123]", "notes", "hmi.v_45s.123.notes"),
        ("hmi.V_45s[../../x][2]", "/SUM0/D1/../../x.fits", "hmi.v_45s.____x.2.x.fits"),
        ("nonsense", "x.fits", "hmi.v_45s.x.fits"),
    ],
)  # fmt: skip
def test_files_are_named_after_records(record, stored, name):
    assert names.file_name(SERIES, record, stored) == name


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("data", "data/{0}"),
        ("data/{file}", "data/{0}"),
        ("data/{file}.fits", "data/{0}"),
        ("data/{T_REC}/{file}", "data/20140101_000045_TAI/{0}"),
        ("{t_rec:%Y/%m}/{file}", "2014/01/{0}"),
        ("{t_rec:%Y-%m}/{wavelnth}/{camera:02d}/{file}", "2014-01/6173/02/{0}"),
        (Path("x") / "{INSTRUME}_{segment}_{file}", "x/HMI_FRONT2_Dopplergram_{0}"),
    ],
)
def test_paths(table, listed, path, expected):
    first, _ = files.targets(listed, path, table).values()
    assert first == Path(expected.format("hmi.v_45s.20140101_000045_TAI.2.Dopplergram.fits"))


def test_missing_values_have_a_name(table, listed):
    assert [path.parent.name for path in files.targets(listed, "{CAR_ROT}/{file}", table).values()] == [
        "2145", "MISSING",
    ]  # fmt: skip
    assert [path.parent.name for path in files.targets(listed, "{CRLN_OBS:.1f}/{file}", table).values()] == [
        "21.7", "MISSING",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "path", ["{nonsense}/{file}", "{0}/{file}", "{T_REC/{file}", "{camera:%Y}/{file}", "{camera.real}/{file}"]
)
def test_bad_templates_are_named(table, listed, path):
    with pytest.raises(QueryError, match="The path"):
        files.targets(listed, path, table)


def test_what_is_known_of_a_file(table, listed):
    first, second = listed
    assert (first.row, first.recnum, first.segment, first.state) == (0, 7, "Dopplergram", "online")
    assert first.stored == "/SUM0/D1/S00000/Dopplergram.fits"
    assert (second.state, second.stored) == ("offline", "")
    assert second.label == "hmi.V_45s[2014.01.01_00:01:30_TAI][2]{Dopplergram}"
    table.remove_column("Dopplergram")
    assert {file.state for file in files.files_of(table, lambda question: SERIES)} == {"unknown"}


@given(st.text() | st.floats() | st.integers(), st.text(min_size=1))
def test_no_value_leads_out_of_the_folder(value, name):
    try:
        safe = names.safe_name(name)
    except DataError:
        return
    path = names.fill("folder/{value}/{file}", safe, {"value": value})
    assert path.parts[0] == "folder"
    assert ".." not in path.parts
    assert len(path.parts) <= 3


def test_quantities_and_times_read_well():
    row = {"a": 171.0 * u.AA, "t": Time("2014-01-01T00:00:45.5"), "c": 0.1 + 0.2}
    path = names.fill("{a}/{a:.2f}/{t:%Y-%j}/{c:.1f}/{file}", "x", row)
    assert path == Path("171/171.00/2014-001/0.3/x")
