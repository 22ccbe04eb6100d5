import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from jsoc_fido.exceptions import DataError, QueryError
from jsoc_fido.localsite import definitions
from jsoc_fido.localsite.catalogue import Catalogue, NewRecord, StoredFile
from jsoc_fido.localsite.select import Selection
from jsoc_fido.localsite.table import Table
from jsoc_fido.recordset import RecordSet
from jsoc_fido.series import Keyword, NameMap, Series


def values_of(catalogue, series, *names):
    table = Table(Selection(catalogue, RecordSet(series)))
    makers = [table.texts(name) for name in names]
    table.read()
    return list(zip(*(maker() for maker in makers), strict=True))


def test_a_site_is_a_folder(tmp_path):
    with Catalogue.create(tmp_path / "a" / "site") as made:
        made.add_series(definitions.load("hmi.v_45s"))
    assert (tmp_path / "a" / "site" / "site.sqlite").is_file()
    with Catalogue.open(tmp_path / "a" / "site") as opened:
        assert opened.series_names() == ["hmi.V_45s"]
    with Catalogue.create(tmp_path / "a" / "site") as again:
        assert again.series_names() == ["hmi.V_45s"]


def test_a_folder_that_is_no_site_is_named(tmp_path):
    with pytest.raises(DataError, match=r"is no site; 'jsoc-fido site init .*' makes one"):
        Catalogue.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DataError, match=r"cannot be made in .*file.*Choose a folder"):
        Catalogue.create(tmp_path / "file" / "site")


def test_a_database_that_is_none_is_named(tmp_path):
    (tmp_path / "SUM0").mkdir()
    (tmp_path / "site.sqlite").write_text("this is no database at all, but long enough to be looked at" * 20)
    with pytest.raises(DataError, match="is none of a site: file is not a database"):
        Catalogue.open(tmp_path)


def test_tables_of_another_version_are_refused(tmp_path):
    Catalogue.create(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "site.sqlite")
    with connection:
        connection.execute("UPDATE site SET value = '0'")
    connection.close()
    with pytest.raises(DataError, match="has version 0 of the tables"):
        Catalogue.open(tmp_path)


def test_a_wrong_database_url_is_named(tmp_path):
    with pytest.raises(DataError, match="A database of the kind 'nonsense' cannot be used"):
        Catalogue.create(tmp_path, "nonsense:")


def test_another_database_can_be_used(tmp_path):
    url = f"sqlite:///{tmp_path / 'other.db'}"
    with Catalogue.create(tmp_path / "site", url) as catalogue:
        catalogue.add_series(definitions.load("hmi.v_45s"))
    with Catalogue.open(tmp_path / "site", url) as catalogue:
        assert catalogue.series_names() == ["hmi.V_45s"]
    assert not (tmp_path / "site" / "site.sqlite").exists()


def test_series_are_found_in_any_case_and_told_in_their_own(empty):
    empty.add_series(definitions.load("hmi.m_45s"))
    assert empty.series("HMI.m_45S").name == "hmi.M_45s"
    with pytest.raises(QueryError, match="series not found"):
        empty.series("hmi.m_46s")


def test_series_names_by_pattern(empty):
    for name in ("hmi.v_45s", "hmi.m_45s", "aia.lev1"):
        empty.add_series(definitions.load(name))
    assert empty.series_names() == ["aia.lev1", "hmi.M_45s", "hmi.V_45s"]
    assert empty.series_names(r"HMI\.") == ["hmi.M_45s", "hmi.V_45s"]
    assert empty.series_names("NOT hmi") == ["aia.lev1"]
    with pytest.raises(QueryError, match=r"'\(' is no regular expression"):
        empty.series_names("(")


def test_adding_a_series_twice_changes_nothing(empty, make):
    make.add_magnetograms(empty, count=2)
    revision = empty.holding("hmi.m_45s").revision
    empty.add_series(definitions.load("hmi.m_45s"))
    assert empty.holding("hmi.m_45s").revision == revision


def test_a_series_may_gain_keywords_while_it_is_served(empty, make):
    make.add_magnetograms(empty, count=1)
    with Catalogue.open(empty.directory) as serving:
        before = serving.series("hmi.m_45s")
        more = replace(before, keywords=NameMap([*before.keywords.values(), Keyword("EXTRA", "float", format="%g")]))
        empty.add_series(more)
        empty.add_records("hmi.m_45s", [NewRecord({"T_REC": make.START + 45, "CAMERA": 2, "EXTRA": 1.5})])
        assert serving.series("hmi.m_45s").keyword("extra") is not None
        assert values_of(serving, "hmi.m_45s", "EXTRA") == [("MISSING",), ("1.5",)]


def test_a_series_may_not_lose_keywords(empty, make):
    make.add_harps(empty)
    definition = make.harp_series()
    fewer = NameMap(keyword for keyword in definition.keywords.values() if keyword.name != "USFLUX")
    with pytest.raises(DataError, match="has values of usflux"):
        empty.add_series(replace(definition, keywords=fewer))
    assert empty.series(definition.name).keyword("USFLUX") is not None


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        (Series("nodot", prime_keys=("A",), keywords=NameMap([Keyword("A", "int")])), "is no name for a series"),
        (
            Series("a.b", prime_keys=("A",), keywords=NameMap([Keyword("A", "int"), Keyword("a", "int")])),
            "same name: a",
        ),
        (Series("a.b", keywords=NameMap([Keyword("recnum", "int")])), "same name: recnum"),
    ],
)
def test_definitions_that_make_no_table_are_refused(empty, definition, words):
    with pytest.raises(DataError, match=words):
        empty.add_series(definition)
    assert empty.series_names() == []


def test_storage_units_hold_unitsize_records(empty):
    series = definitions.load("hmi.m_45s")
    empty.add_series(series)
    slots = empty.allocate("hmi.m_45s", series.unitsize + 1)
    assert [slot.number for slot in slots] == [*range(series.unitsize), 0]
    assert len({slot.sunum for slot in slots}) == 2
    assert all(slot.directory.is_dir() for slot in slots)
    assert slots[-1].directory.name == "S00000"
    assert slots[-1].directory.parent.name == f"D{slots[-1].sunum}"
    assert not {slot.sunum for slot in empty.allocate("hmi.m_45s", 1)} & {slot.sunum for slot in slots}


def test_record_numbers_go_on(empty, make):
    assert make.add_magnetograms(empty, count=3) == [1, 2, 3]
    assert empty.add_records("hmi.m_45s", []) == []
    assert empty.add_records("hmi.m_45s", [NewRecord({"T_REC": make.START, "CAMERA": 1})]) == [4]


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (NewRecord({"CAMERA": 2, "NOSUCH": 1}), "has no keyword 'NOSUCH'"),
        (NewRecord({"CAMERA": "two"}), "'two' is no value for CAMERA, which is of type int"),
        (NewRecord({"CAMERA": 1 << 40}), "is no value for CAMERA"),
        (NewRecord({"CAMERA": 2}, files={"image": StoredFile("image.fits", (1,), 1)}), "has no segment 'image'"),
    ],
)
def test_wrong_records_leave_nothing_behind(empty, make, record, words):
    make.add_magnetograms(empty, count=1)
    with pytest.raises(DataError, match=words):
        empty.add_records("hmi.m_45s", [NewRecord({"CAMERA": 1}), record])
    assert values_of(empty, "hmi.m_45s", "CAMERA") == [("2",)]


def test_values_come_back_as_they_went_in(empty, make):
    make.add_magnetograms(empty, count=1)
    keywords = {
        "t_rec": make.START + 45,
        "Camera": np.int16(3),
        "DATAMEAN": np.float32(0.1),
        "OBS_VR": float("nan"),
        "QUALITY": 0xFFFFFFFF,
        "HISTORY": "naïve ☉ 'quoted'\nsecond line",
        "COMMENT": "",
        "TELESCOP": "a constant is not stored",
    }
    empty.add_records("hmi.m_45s", [NewRecord(keywords)])
    names = ("T_REC", "CAMERA", "DATAMEAN", "OBS_VR", "QUALITY", "HISTORY", "COMMENT", "TELESCOP", "DATE")
    assert values_of(empty, "hmi.m_45s", *names)[1] == (
        "2014.01.01_00:01:30_TAI",
        "3",
        "0.100000",
        "MISSING",
        "0xFFFFFFFF",
        "naïve ☉ 'quoted'\nsecond line",
        "MISSING",
        "SDO/HMI",
        "MISSING",
    )


def test_many_may_write_at_once(empty, make):
    make.add_magnetograms(empty, count=1)

    def add(thread):
        # Each with a connection of its own, as if it were another process.
        with Catalogue.open(empty.directory) as catalogue:
            slots = catalogue.allocate("hmi.m_45s", 1)
            recnums = catalogue.add_records("hmi.m_45s", [NewRecord({"CAMERA": thread}, slots[0])] * 5)
            return slots[0].sunum, recnums

    with ThreadPoolExecutor(6) as pool:
        written = list(pool.map(add, range(12)))
    assert len({sunum for sunum, _ in written}) == 12
    assert sorted(recnum for _, recnums in written for recnum in recnums) == list(range(2, 62))


@pytest.mark.parametrize("name", definitions.known())
def test_every_known_series_makes_a_table(empty, name):
    empty.add_series(definitions.load(name))
    keywords = {keyword.name: None for keyword in empty.series(name).keywords.values() if not keyword.is_per_segment}
    assert empty.add_records(name, [NewRecord(keywords)]) == [1]


def test_tables_are_understood_by_postgresql(small):
    holding = small.holding("hmi.m_45s")
    text = str(CreateTable(holding.table).compile(dialect=postgresql.dialect()))
    assert 'CREATE TABLE "hmi.m_45s"' in text
    assert "recnum BIGINT NOT NULL" in text
    assert "t_rec_index BIGINT" in text
