"""python check_round_trip.py TABLE.json…: pyarrow reads each table's Parquet, Arrow, CSV and NDJSON as the JSON says they are."""

import base64
import datetime
import decimal
import json
import math
import sys

import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet

EPOCH_DAY = datetime.date(1970, 1, 1).toordinal()


def arrow_type(name):
    """The type that a column has to have in Parquet and Arrow."""
    if name.startswith("decimal"):
        precision, scale = name[8:-1].split(",")
        return pa.decimal128(int(precision), int(scale))
    return {
        "boolean": pa.bool_(),
        "int": pa.int32(),
        "long": pa.int64(),
        "double": pa.float64(),
        "string": pa.string(),
        "bytes": pa.binary(),
        "timestamp": pa.timestamp("us", tz="UTC"),
        "date": pa.date32(),
    }[name]


def days(text):
    """Days since 1970 of a date, of the year 0000 too, which Python's dates do not have."""
    year, month, day = (int(part) for part in text.split("-"))
    eras = 1 if year == 0 else 0
    return datetime.date(year + 400 * eras, month, day).toordinal() - EPOCH_DAY - 146_097 * eras


def micros(text):
    date, clock = text[:-1].split("T")
    hours, minutes, seconds = clock.split(":")
    whole, _, fraction = seconds.partition(".")
    second = days(date) * 86_400 + int(hours) * 3_600 + int(minutes) * 60 + int(whole)
    return second * 1_000_000 + int((fraction or "0").ljust(6, "0"))


def wanted(name, text):
    """A cell's text as the value that pyarrow gives for it."""
    if text is None:
        return None
    if name.startswith("decimal"):
        return decimal.Decimal(text)
    if name == "boolean":
        return text == "true"
    if name in ("int", "long"):
        return int(text)
    if name == "double":
        return "nan" if text == "NaN" else float(text)
    if name == "bytes":
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if name == "timestamp":
        return micros(text)
    return days(text) if name == "date" else text


def plain(column):
    kind = column.type
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.int64())
    elif pa.types.is_date(kind):
        column = column.cast(pa.int32())
    values = column.to_pylist()
    return ["nan" if isinstance(v, float) and math.isnan(v) else v for v in values]


def rows_of(table):
    columns = [plain(table.column(i)) for i in range(table.num_columns)]
    return list(zip(*columns))


def ordered(rows):
    return sorted(rows, key=repr)


def check_typed(what, table, columns, rows):
    for i, column in enumerate(columns):
        assert table.schema.field(i).name == column["name"], f"{what}: {table.schema.field(i)}"
        expected = arrow_type(column["type"])
        assert table.schema.field(i).type == expected, f"{what}: {table.schema.field(i)}, expected {expected}"
    expected = [tuple(wanted(c["type"], cell) for c, cell in zip(columns, row)) for row in rows]
    assert ordered(rows_of(table)) == ordered(expected), f"{what}: other values"


def check_csv(what, path, columns, rows):
    names = [f"c{i}" for i in range(len(columns))]
    table = pyarrow.csv.read_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(column_names=names, skip_rows=1),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={name: pa.string() for name in names},
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
        ),
    )
    expected = [tuple(csv_text(c["type"], cell) for c, cell in zip(columns, row)) for row in rows]
    assert ordered(rows_of(table)) == ordered(expected), f"{what}: other values"


def csv_text(name, text):
    if name != "bytes" or text is None:
        return text
    return base64.b64encode(wanted(name, text)).decode()


def check_ndjson(what, path, columns, rows):
    with open(path, encoding="utf-8", newline="\n") as file:
        found = [json.loads(line, parse_float=str, parse_int=str) for line in file]
    got = [tuple(json_value(c["type"], row[c["name"]]) for c in columns) for row in found]
    expected = [tuple(wanted(c["type"], cell) for c, cell in zip(columns, row)) for row in rows]
    assert ordered(got) == ordered(expected), f"{what}: other values"


def json_value(name, cell):
    if cell is None or isinstance(cell, bool):
        return cell
    if name == "bytes":
        return base64.b64decode(cell["$bytes"])
    return wanted(name, cell)


tables = 0
cells = 0
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as file:
        told = json.load(file)
    columns, rows, files = told["columns"], told["rows"], told["files"]
    what = f"table {told['seed']}"
    check_typed(f"{what}, Parquet", pyarrow.parquet.read_table(files["parquet"]), columns, rows)
    with pa.ipc.open_stream(files["arrow"]) as stream:
        check_typed(f"{what}, Arrow", stream.read_all(), columns, rows)
    check_csv(f"{what}, CSV", files["csv"], columns, rows)
    check_ndjson(f"{what}, NDJSON", files["ndjson"], columns, rows)
    tables += 1
    cells += len(columns) * len(rows)
print(f"pyarrow {pa.__version__}: {tables} tables, {cells} cells in 4 forms, all equal")
