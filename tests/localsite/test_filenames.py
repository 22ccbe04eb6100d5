import pytest

from jsoc_fido import recordset
from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite.filenames import FileNames
from jsoc_fido.localsite.select import Selection
from jsoc_fido.localsite.table import Table


def named(catalogue, ds, template, file="magnetogram.fits", first=0):
    table = Table(Selection(catalogue, recordset.parse(ds)))
    names = FileNames(template, table, first=first)
    table.read()
    return [names.name(place, file) for place in range(table.count)]


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("hmi.m_45s.{T_REC:A}.{CAMERA}.{segment}", "hmi.m_45s.20140101_000045_TAI.2.magnetogram.fits"),
        ("{seriesname}.{recnum:%lld}.{segment}", "hmi.M_45s.1.magnetogram.fits"),
        ("{seriesname}.{recnum:%06d}.{segment}", "hmi.M_45s.000001.magnetogram.fits"),
        ("{t_rec:A-1}", "20140101_0000_TAI"),
        ("{T_REC:A,UTC}", "20140101_000010_UTC"),
        ("{DATE__OBS:A}", "2014-01-01T000000Z"),
        ("{T_REC:D}", "@2014@01@01@000045_TAI"),
        ("{T_REC}", "2014.01.01_00:00:45_TAI"),
        ("{QUALITY}.{QUALITY:%d}", "0x00000000.0"),
        ("{DATAMEAN:%8.3f}", "0.000"),
        ("{TELESCOP}_{WAVELNTH}", "SDO_HMI_6173.0"),
        ("{#}-{#:%d}.fits", "00007-7.fits"),
        ("plain", "plain"),
        ("../../{segment}", "__/__/magnetogram.fits".replace("/", "_")),
        ("/etc/passwd", "_etc_passwd"),
        ("..\\{segment}", "___magnetogram.fits"),
    ],
)
def test_names(small, template, name):
    assert named(small, "hmi.m_45s[^]", template, first=7) == [name]


def test_each_record_has_its_own(small):
    assert named(small, "test.harp_720s[101]", "{HARPNUM}.{T_REC:A}.{#:%d}") == [
        "101.20140101_000000_TAI.0",
        "101.20140101_001200_TAI.1",
        "101.20140101_002400_TAI.2",
    ]
    assert named(small, "test.linked[1,9]", "{FSN}.{QUALITY}") == ["1.0x00000001", "9.0x80000000"]


@pytest.mark.parametrize(
    "template", ["", "{", "}", "{T_REC", "{T_REC:A", "a}b", "{}", "{{T_REC}}", "{NOSUCH}", "{T_REC:Q}"]
)
def test_wrong_formats(small, template):
    with pytest.raises(QueryError):
        named(small, "hmi.m_45s[^]", template)


def test_names_are_not_endless(small):
    with pytest.raises(QueryError, match="127 are allowed"):
        named(small, "hmi.m_45s[^]", "x" * 128)
