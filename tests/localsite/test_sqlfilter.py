import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite.fields import Fields
from jsoc_fido.localsite.sqlfilter import compile_filter


def numbers(catalogue, series, text):
    fields = Fields(catalogue, catalogue.holding(series))
    condition = compile_filter(text, fields)
    statement = sa.select(fields.table.c.recnum).select_from(fields.source).where(condition)
    with catalogue.engine.connect() as connection:
        return sorted(connection.scalars(statement))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" QUALITY='0' AND DATAMEAN<'2' ", [1, 3, 5, 7]),  # as sunpy writes it
        ("QUALITY = 0 and DataMean < 2", [1, 3, 5, 7]),
        ("quality=1 or datamean=0", [1, 2, 4, 6, 8, 10, 12]),
        ("NOT (QUALITY=0 OR QUALITY=1)", [14]),
        ("QUALITY<0", [14]),
        ("QUALITY & 1 = 1", [2, 4, 6, 8, 10, 12]),
        ("(QUALITY & 0x80000000) <> 0", [14]),
        ("drms.image_exists(QUALITY) AND DATAMEAN >= 2.5", [11, 12, 13]),
        ("DATAMEAN IN (0, '0.25', 99)", [1, 2]),
        ("DATAMEAN NOT IN (0, 0.25) AND DATAMEAN < 1", [3, 4]),
        ("DATAMEAN BETWEEN 0.25 AND 0.5", [2, 3]),
        ("DATAMEAN NOT BETWEEN 0.25 AND 10", [1]),
        ("-DATAMEAN <= -3", [13, 14]),
        ("DATAMEAN * 4 + 1 = 3", [3]),
        ("recnum % 5 = 0", [5, 10]),
        ("recnum / 5 = 2", [10, 11, 12, 13, 14]),
        ("recnum - (3 - 1) = 1", [3]),
        ("T_REC < $(2014.01.01_00:02_TAI)", [1, 2]),
        ("T_REC < '2014.01.01_00:02_TAI'", [1, 2]),
        ("T_REC_index = 14726401", [1]),
        ('INSTRUME = "HMI_FRONT2" AND recnum = 1', [1]),
        ("INSTRUME LIKE 'HMI%' AND recnum = 1", [1]),
        ("INSTRUME LIKE 'hmi%'", []),
        ("INSTRUME NOT LIKE 'hmi%' AND recnum = 2", [2]),
        ("INSTRUME > 'HMI' AND recnum < 2", [1]),
        ("CRPIX1 IS NULL AND recnum = 1", [1]),
        ("HISTORY IS NULL AND T_OBS IS NOT NULL AND recnum = 1", [1]),
        ("DATE IS NOT NULL", []),
        ("TELESCOP = 'SDO/HMI' AND WAVELNTH > 6000 AND recnum = 7", [7]),
        ("magnetogram_bzero='0' AND magnetogram_bscale>'0' AND recnum=1", [1]),
        ("cparms_sg000 = 'compress Rice' AND recnum=1", [1]),
        ("T_REC_step = 45 AND recnum=1", [1]),
        ("CALVER64 = 139538 AND recnum=1", [1]),
        ("recnum = 1 AND INSTRUME = 'it''s'", []),
        ("1 = 1 AND recnum = 1", [1]),
        ("recnum = 1 -- a remark", [1]),
        ("recnum << 1 = 4", [2]),
        ("recnum << 40 = 2199023255552", [2]),
        ("recnum >> 2 = 3", [12, 13, 14]),
        ("'9' % recnum = 0", [1, 3, 9]),
        ("1 / 0 = 1 OR recnum = 1", [1]),
        ("1 % 0 = 1 OR NOT (recnum / (recnum - recnum) = 1) OR recnum = 1", [1]),
        ("8 / (recnum - 2) = 4", [4]),
        ("1.0 / DATAMEAN > 2", [2]),
        ("recnum < 99999999999999999999 AND recnum < 0xfffffffffffffffffff AND recnum = 1", [1]),
        ("recnum IN (1, 99999999999999999999, '3', 2.0)", [1, 2, 3]),
        ("recnum = " + "9" * 400, []),
        ("recnum > -" + "9" * 400 + " AND recnum = 1", [1]),
        ("T_REC IN ($(2014.01.01_00:00:45_TAI), '2014.01.01_00:01:30_TAI')", [1, 2]),
        ("INSTRUME IN ('x', 'HMI_FRONT2') AND recnum IN (1, 1)", [1]),
    ],
)
def test_conditions(small, text, expected):
    assert numbers(small, "hmi.m_45s", text) == expected


MANY = range(1, 3001)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"recnum IN ({', '.join(map(str, MANY))})", range(1, 15)),
        (f"recnum NOT IN ({', '.join(map(str, MANY[1:]))})", [1]),
        (" OR ".join(f"recnum = {number}" for number in MANY), range(1, 15)),
        (" OR ".join(f"recnum BETWEEN {number} AND {number}" for number in MANY), range(1, 15)),
        (" AND ".join(f"recnum <> {number}" for number in MANY[1:]), [1]),
        (f"NOT ({' OR '.join(f'recnum > {number}' for number in MANY)})", [1]),
        (f"recnum < 3 AND ({' OR '.join(f'DATAMEAN < {number}' for number in MANY)})", [1, 2]),
    ],
)
def test_any_number_of_conditions(small, text, expected):
    assert numbers(small, "hmi.m_45s", text) == list(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("QUALITY = 1", [1, 3]), ("WAVELNTH > 6000", [1, 2, 3, 4]), ("USFLUX >= 1e21", [2, 3]), ("LOST = 'x'", [])],
)
def test_keywords_at_the_end_of_links(small, text, expected):
    assert numbers(small, "test.linked", text) == expected


def test_keywords_of_segments(small):
    assert numbers(small, "test.harp_720s", "DATAMIN_000 >= 7") == [8, 9]
    assert numbers(small, "test.harp_720s", "DATAMIN_001 IS NULL AND NOAA_ARS = '101,it''s'") == [2]
    with pytest.raises(QueryError, match="datamin"):
        numbers(small, "test.harp_720s", "DATAMIN > 1")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "QUALITY",
        "QUALITY = ",
        "QUALITY = 0 AND",
        "QUALITY = 0 AND 1",
        "QUALITY = 'zero'",
        "INSTRUME = CAMERA",
        "INSTRUME + 1 = 2",
        "NOSUCH = 1",
        "QUALITY = 0; DROP TABLE series",
        "QUALITY = 0) OR (SELECT 1) = (1",
        "QUALITY = (SELECT 1)",
        "QUALITY IN (SELECT recnum FROM requests)",
        "EXISTS (SELECT 1)",
        "recnum = 1 UNION SELECT 1",
        "series.name = 'x'",
        "pg_sleep(10) = 1",
        "load_extension('x') = 1",
        "drms.pg_sleep(1)",
        "drms.image_exists(QUALITY, 1)",
        "abs(QUALITY) = 1",
        "QUALITY::text = '0'",
        "CAST(QUALITY AS int) = 0",
        "CASE WHEN QUALITY = 0 THEN 1 END = 1",
        "INSTRUME ~ '(a+)+$'",
        "INSTRUME ILIKE 'x'",
        "INSTRUME LIKE 'x!%' ESCAPE '!'",
        "INSTRUME LIKE INSTRUME",
        "INSTRUME || 'x' = 'x'",
        "QUALITY = $1",
        "QUALITY = ?",
        "QUALITY = :a",
        "QUALITY[1] = 1",
        "(QUALITY, CAMERA) = (1, 2)",
        "QUALITY = ANY('{1}')",
        "QUALITY BETWEEN SYMMETRIC 1 AND 2",
        "QUALITY IS TRUE",
        "QUALITY = INTERVAL '1 day'",
        "'unbalanced",
        "$(nonsense) < T_REC",
        "DROP TABLE series",
        "DATAMEAN % 2 = 0",
        "DATAMEAN & 1 = 0",
        "recnum % 2.5 = 0",
        "drms.image_exists(DATAMEAN)",
        "recnum << recnum = 0",
        "recnum << 64 = 0",
        "recnum << -1 = 0",
        "recnum >> 1.5 = 0",
        "(" * 3000 + "QUALITY = 0" + ")" * 3000,
        "NOT " * 2000 + "QUALITY = 0",
    ],
)
def test_everything_else_is_refused(small, text):
    with pytest.raises(QueryError):
        numbers(small, "hmi.m_45s", text)


NAMES = ["QUALITY", "INSTRUME", "recnum", "series", "drms.image_exists", "2014.01.01_TAI", "1", "'0'"]
MARKS = ["'", '"', "''", ";", "--", "/*", "*/", "(", ")", "=", "<", "$(", ",", "::int", "%", "?"]
WORDS = st.sampled_from([*NAMES, *MARKS, "AND", "OR", "NOT", "IN", "SELECT", "FROM", "UNION"])


@given(text=st.lists(WORDS | st.text(max_size=4), max_size=12).map(" ".join))
def test_any_text_is_answered_or_refused(small, text):
    with small.engine.connect() as connection:
        tables = sa.inspect(connection).get_table_names()
    try:
        found = numbers(small, "hmi.m_45s", text)
    except QueryError:
        return
    except sa.exc.SQLAlchemyError as err:
        # What the database cannot carry out may fail there, but never as something that it cannot read.
        if "syntax" in str(err.orig):
            raise
        return
    assert set(found) <= set(range(1, 15))
    with small.engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == tables
