"""Columns of random types, their random values, and what each value must be in a file: for random_tables_test."""
import datetime
import json
import uuid
import zoneinfo

from types_test import clocks, days, decimals, fixed, floating, floats, instant, integer, integers, one_of, singles, text, times, words

UTC = zoneinfo.ZoneInfo("UTC")
FIRST_DAY = datetime.date(1582, 10, 15)


class Column:
    """A column of one type, as one table has it. `sql` prints a value exactly, `meaning` is what the file must have for that
    text; `is_key`: the product cuts ranges of it; `is_small`: at most four bytes, so that a thousand fit into a row."""

    def __init__(self, ddl, value, meaning, sql="{}", literal="'{}'", is_key=False, is_small=False, is_integer=False):
        self.ddl, self.value, self.meaning, self.sql, self.literal = ddl, value, meaning, sql, literal
        self.is_key, self.is_small, self.is_integer = is_key, is_small, is_integer


class Settings:
    """What of an export decides which values a table may have, and what becomes of them."""

    def __init__(self, r):
        self.timezone = r.choice([None, None, "Asia/Seoul", "Asia/Kathmandu"])
        self.zero_dates = r.choice(["error", "null"])
        self.ancient_dates = r.choice(["error", "null", "keep"])
        self.infinity = r.choice(["error", "null"])
        self.nan = r.choice(["error", "null"])

    def lines(self, kind):
        asked = {"zero_dates": self.zero_dates, "ancient_dates": self.ancient_dates} if kind == "maria" else {
            "ancient_dates": self.ancient_dates, "infinity": self.infinity, "nan": self.nan}
        if self.timezone:
            asked["timezone"] = self.timezone
        return asked

    def edges(self, ancient, zero=(), infinite=()):
        found = list(ancient) if self.ancient_dates != "error" else []
        found += zero if self.zero_dates == "null" else []
        return found + (list(infinite) if self.infinity == "null" else [])

    def by_policy(self, parsed, day):
        """NULL where a policy says so."""
        return None if self.ancient_dates == "null" and day < FIRST_DAY else parsed

    def day(self, t):
        if t.startswith("0000") or "-00" in t or "infinity" in t:
            return None
        parsed = datetime.date.fromisoformat(t)
        return self.by_policy(parsed, parsed)

    def wall(self, t):
        if t.startswith("0000") or "-00" in t[:10] or "infinity" in t:
            return None
        parsed = datetime.datetime.fromisoformat(padded(t))
        if self.timezone:
            parsed = parsed.replace(tzinfo=zoneinfo.ZoneInfo(self.timezone)).astimezone(UTC)
        return self.by_policy(parsed, parsed.date())

    def instant(self, t):
        if t.startswith("0000") or "infinity" in t:
            return None
        parsed = instant(padded(t[:-3]) + t[-3:] if t[-3] in "+-" else padded(t) + "+00")
        return self.by_policy(parsed, parsed.date())

    def clocks(self, fraction, edges):
        # Without the years in which these zones set their clocks: what those skip or repeat means no instant.
        return clocks(1990 if self.timezone else 1583, 9998, fraction, () if self.timezone else edges)


def padded(t):
    """Fractions of 1 to 5 digits are no ISO format for Python."""
    whole, point, fraction = t.partition(".")
    return whole + point + fraction.ljust(6, "0") if point else t


def raw(t): return bytes.fromhex(t)
def letters(alphabet, most): return lambda r: "".join(r.choice(alphabet) for _ in range(r.randint(0, most)))
def hexes(most, least=0): return lambda r: r.randbytes(r.randint(least, most)).hex()
def listed(meaning): return lambda t: [None if e is None else meaning(e) for e in json.loads(t)]


def skewed(least, greatest):
    """Keys as tables have them: in a row, all over, most of them in one corner, with outliers."""
    def of(r):
        shape = r.choice(["row", "all", "corner", "negative"])
        start, count = r.randint(least, greatest), iter(range(10**9))
        def value(r):
            if shape == "row":
                return str(min(greatest, max(least, start // 2 + next(count))))
            if shape == "all" or r.random() < 0.02:
                return integers(least, greatest)(r)
            return str(max(least, -r.randrange(5000) if shape == "negative" else min(greatest, int(r.paretovariate(0.7)))))
        return value
    return of


def maria_integer(r, s):
    name, bits = r.choice([("tinyint", 8), ("tinyint(1)", 8), ("smallint", 16), ("mediumint", 24), ("int", 32), ("bigint", 64)])
    if r.random() < 0.35:
        greatest = 2**bits - 1
        exact = fixed(0) if name == "bigint" else integer
        return Column(name + r.choice([" unsigned", " unsigned", " zerofill"]), skewed(0, greatest)(r), exact, is_key=True, is_small=bits <= 32, is_integer=True)
    return Column(name, skewed(-2**(bits - 1), 2**(bits - 1) - 1)(r), integer, is_key=True, is_small=bits <= 32, is_integer=True)


def some_decimal(r, name, widest, is_key=True):
    digits = r.randint(1, widest)
    scale = r.randint(0, min(digits, 38))
    return f"{name}({digits},{scale})", decimals(digits, scale), (fixed(scale) if digits <= 38 else text), is_key


def maria_decimal(r, s):
    ddl, value, meaning, is_key = some_decimal(r, "decimal", 65)
    return Column(ddl, value, meaning, is_key=is_key)


def maria_float(r, s): return Column("float", singles, floating, "{} + 0e0", is_small=True)
def maria_double(r, s): return Column(r.choice(["double", "double", "real"]), floats, floating)


def maria_bit(r, s):
    width = r.choice([1, 7, 10, 63, 64])
    meaning = {1: lambda t: t == "1", 64: fixed(0)}.get(width, integer)
    return Column(f"bit({width})", integers(0, 2**width - 1), meaning, "{} + 0", "{}", is_small=width < 32)


def maria_date(r, s):
    return Column("date", days(edges=s.edges(["1582-10-14", "0001-01-01"], ["0000-00-00", "2024-02-00", "2024-00-00"])), s.day, is_key=True, is_small=True)


def maria_datetime(r, s):
    fraction = r.randint(0, 6)
    return Column(f"datetime({fraction})", s.clocks(fraction, s.edges(["1582-10-14 23:59:59", "0002-01-01 00:00:00"],
                                                                    ["0000-00-00 00:00:00", "2024-02-00 01:02:03"])), s.wall, is_key=True)


def maria_timestamp(r, s):
    fraction = r.randint(0, 6)
    return Column(f"timestamp({fraction}) null", clocks(1971, 2037, fraction, ("0000-00-00 00:00:00",) if s.zero_dates == "null" else ()),
                  s.instant, is_key=True)


def maria_time(r, s):
    fraction = r.randint(0, 6)
    def meaning(t):
        whole, _, digits = t.partition(".")
        return whole + "." + digits.ljust(6, "0")
    return Column(f"time({fraction})", times(837, True, fraction), meaning, is_key=True)


def maria_year(r, s): return Column("year", integers(1901, 2155), integer, is_key=True, is_small=True)


def maria_text(r, s):
    charset, alphabet = r.choice([("utf8mb4", "aZ09 '\"\\,\n\t우동가é🍜{}?"), ("utf8mb3", "aZ '우동é"), ("latin1", "aZ09 '\"\\éü€ñ?"),
                                  ("euckr", "aZ09 '\"우동가힝?"), ("ucs2", "aé우동"), ("ascii", "aZ '\\?")])
    length = r.randint(1, 60)
    name, most = r.choice([(f"char({length})", length), (f"varchar({length})", length), ("tinytext", 60), ("text", 500), ("mediumtext", 90), ("longtext", 90)])
    value = letters(alphabet, most)
    is_key = "char" in name
    if name.startswith("char"):  # the server takes blanks at the end away
        return Column(f"{name} character set {charset}", lambda r: value(r).rstrip(" "), text, is_key=is_key)
    collation = {"utf8mb4": r.choice(["", " collate utf8mb4_bin"]), "latin1": r.choice(["", " collate latin1_german2_ci"])}.get(charset, "")
    return Column(f"{name} character set {charset}{collation}", value, text, is_key=is_key)


def maria_choice(r, s):
    return Column(r.choice(["enum", "enum", "set"]) + "('a','한국','x y','it''s','unsigned')", one_of("a", "한국", "x y", "it's", "unsigned"), text)


def maria_binary(r, s):
    length = r.randint(1, 40)
    ddl, least, most = r.choice([(f"binary({length})", length, length), (f"varbinary({length})", 0, length), ("tinyblob", 0, 80), ("blob", 0, 400), ("longblob", 0, 90)])
    return Column(ddl, hexes(most, least), raw, "hex({})", "x'{}'", is_key="binary" in ddl)


def maria_other(r, s):
    return r.choice([
        Column("json", one_of('{"a": 1.50}', "null", "[]", '{"가": ["\\"", 1e400]}', '"x"'), text),
        Column("uuid", lambda r: str(uuid.UUID(int=r.randrange(2**128), version=4)), text, is_key=True), Column("inet6", one_of("::", "::1", "2001:db8::ff", "::ffff:10.0.0.1"), text, is_key=True),
        Column("inet4", one_of("0.0.0.0", "10.1.2.3", "255.255.255.255"), text, is_key=True),
        Column("point", lambda r: f"point({r.uniform(-180, 180)}, {r.randint(-90, 90)})", raw, "hex(st_aswkb({}))", "{}")])


def postgres_integer(r, s):
    name, bits = r.choice([("smallint", 16), ("integer", 32), ("bigint", 64)])
    return Column(name, skewed(-2**(bits - 1), 2**(bits - 1) - 1)(r), integer, is_key=True, is_small=bits <= 32, is_integer=True)


def postgres_decimal(r, s):
    if r.random() < 0.3:
        return Column("numeric", lambda r: r.choice(["NaN", "Infinity", "-Infinity", "1.20e29", decimals(60, 30)(r)]), text, is_key=True)
    ddl, value, meaning, _ = some_decimal(r, "numeric", 60)
    if s.nan == "null" and meaning is not text:
        return Column(ddl, lambda r: "NaN" if r.random() < 0.1 else value(r), lambda t: None if t == "NaN" else meaning(t))
    return Column(ddl, value, meaning, is_key=True)


def postgres_float(r, s):
    special = lambda of: lambda r: r.choice(["NaN", "Infinity", "-Infinity", "-0"]) if r.random() < 0.1 else of(r)
    return r.choice([Column("real", special(singles), floating, "{}::float8", is_small=True), Column("double precision", special(floats), floating)])


def postgres_date(r, s):
    return Column("date", days(edges=s.edges(["1582-10-14", "0001-01-01"], infinite=["infinity", "-infinity"])), s.day, is_key=True, is_small=True)


def postgres_clock(r, s):
    fraction = r.randint(0, 6)
    edges = s.edges(["1582-10-14 23:59:59", "0002-01-01 00:00:00"], infinite=["infinity", "-infinity"])
    if r.random() < 0.5:
        return Column(f"timestamp({fraction})", s.clocks(fraction, edges), s.wall, is_key=True)
    return Column(f"timestamptz({fraction})", clocks(1583, 9998, fraction, edges), s.instant, is_key=True)


def postgres_text(r, s):
    name, most = r.choice([("text", 400), ("varchar(60)", 60), ("varchar", 60), ("char(30)", 30), ('"char"', 1), ("name", 15)])
    of = letters("aZ" if name == '"char"' else "aZ09 '\"\\,\n\t우동가é🍜{}?%:", most)
    return Column(name + (r.choice(["", "", ' collate "C"']) if "char(" in name or name == "text" else ""), of, text, "to_json({})#>>'{{}}'", is_key=name != '"char"')


def postgres_list(r, s):
    of = r.choice([("integer", integers(-2**31, 2**31 - 1), integer, False), ("bigint", integers(-2**63, 2**63 - 1), integer, False),
                   ("text", letters("aZ \"\\,{}우동\n", 9), text, False), ("varchar(9)", letters("aZ ,우", 9), text, False),
                   ("numeric(12,2)", decimals(12, 2), fixed(2), True), ("numeric", decimals(50, 20), text, True), ("boolean", one_of("true", "false"), lambda t: t == "true", True),
                   ("double precision", floats, floating, True), ("date", days(), s.day, True), ("uuid", lambda r: "%032x" % r.randrange(2**128), text, True),
                   ("timestamptz", clocks(1583, 9998), s.instant, True), ("timestamp", s.clocks(6, ()), s.wall, True),
                   ("inet", one_of("10.0.0.1/24", "::1", "10.0.0.1"), text, True), ("interval", one_of("1 mon", "-1 day 02:00:00.5"), text, True),
                   ("bit(3)", one_of("000", "101"), text, True), ("jsonb", one_of('{"a": [1]}', "null"), text, True)])
    ddl, value, meaning, as_text = of
    def array(r):
        items = [None if r.random() < 0.15 else value(r) for _ in range(r.choice([0, 1, 1, 2, 5]))]
        return "{" + ",".join("NULL" if i is None else '"' + i.replace("\\", "\\\\").replace('"', '\\"') + '"' for i in items) + "}"
    # Element by element in the server's text; inet's cast to text would add its length.
    sql = "to_json({}" + ("::text[])" if as_text and ddl != "inet" else ")")
    return Column(f"{ddl}[]", array, listed(meaning), sql)


def postgres_other(r, s):
    return r.choice([
        Column("boolean", one_of("true", "false"), lambda t: t == "true", is_small=True, is_key=True),
        Column("money", decimals(16, 2), fixed(2), "{}::numeric", "'{}'::numeric::money", is_key=True),
        Column("bytea", hexes(300), raw, "encode({}, 'hex')", "decode('{}', 'hex')", is_key=True),
        Column("time(3)", lambda r: r.choice(["24:00:00", times(23, False, 3)(r)]), text, is_key=True),
        Column("timetz", lambda r: times(23, False, 6)(r) + r.choice(["+09", "-03:30", "+00", "+15:59:59"]), text, is_key=True),
        Column("interval", one_of("1 mon", "-1 mon 2 days -03:04:05.000006", "0", "P1Y2M3DT4H5M6.789S"), text, is_key=True),
        Column("json", one_of('{"b": 1,  "a": [1.50, null], "b": 2}', "null", '"우동"'), text), Column("jsonb", one_of('{"a": 1.50}', "null", '[]'), text),
        Column("uuid", lambda r: "%032x" % r.randrange(2**128), text, is_key=True),
        Column("inet", one_of("10.0.0.1/24", "::1", "10.0.0.1"), text, "nullif(format('%s', {}), '')"), Column("cidr", one_of("10.0.0.0/24", "::/0"), text),
        Column("macaddr", one_of("08:00:2b:01:02:03"), text), Column("macaddr8", one_of("08:00:2b:01:02:03:04:05"), text),
        Column("oid", integers(0, 2**32 - 1), integer), Column("bit(10)", lambda r: f"{r.randrange(1024):010b}", text), Column("varbit", one_of("", "0", "10101"), text),
        Column("xml", one_of("<a>우동 &amp; &lt;</a>", "x"), text), Column("point", one_of("(1,2)", "(-0.5,1e+300)"), text),
        Column("int4range", one_of("empty", "[1,5)", "(,3)"), text), Column("tsvector", one_of("'a' 'b':1", ""), text),
        Column("mood", one_of("좋음", "so so", ""), text, is_key=True), Column("positive", integers(1, 2**31 - 1), integer, is_key=True),
        Column("pair", one_of('(1,"a b")', "(,)"), text), Column("positive[]", one_of("{1,2}", "{}"), listed(integer), "to_json({})")])


MARIADB = [maria_integer, maria_integer, maria_decimal, maria_float, maria_double, maria_bit, maria_date, maria_datetime, maria_timestamp, maria_time,
           maria_year, maria_text, maria_text, maria_choice, maria_binary, maria_other]
POSTGRES = [postgres_integer, postgres_integer, postgres_decimal, postgres_float, postgres_date, postgres_clock, postgres_text, postgres_list,
            postgres_list, postgres_other, postgres_other, postgres_other]
