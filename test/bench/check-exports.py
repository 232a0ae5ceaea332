"""python check-exports.py FOLDER: pyarrow reads edges.arrows and edges.parquet, and edges.json says what must be there."""

import json
import os
import struct
import sys

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

TYPES = {
    "late": pa.bool_(),
    "delay": pa.int32(),
    "distance": pa.int64(),
    "share": pa.float64(),
    "Ziel/Ort": pa.string(),
    "photo": pa.binary(),
    "seen": pa.timestamp("us", tz="UTC"),
    "day": pa.date32(),
    "price": pa.decimal128(18, 2),
}


def plain(column):
    """A column's values as text: numbers in decimal, doubles as their 8 bytes in hex, strings and bytes in hex."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.int64())
    elif pa.types.is_date(kind):
        column = column.cast(pa.int32())
    return [None if value is None else text(kind, value) for value in column.to_pylist()]


def text(kind, value):
    if pa.types.is_floating(kind):
        return struct.pack(">d", value).hex()
    if pa.types.is_string(kind):
        return value.encode().hex()
    if pa.types.is_binary(kind):
        return value.hex()
    if pa.types.is_decimal(kind):
        return str(int(value.scaleb(kind.scale)))
    return str(int(value))


folder = sys.argv[1]
expected = json.load(open(os.path.join(folder, "edges.json")))
with pa.ipc.open_stream(os.path.join(folder, "edges.arrows")) as stream:
    tables = {"edges.arrows": stream.read_all()}
tables["edges.parquet"] = pa.parquet.read_table(os.path.join(folder, "edges.parquet"))
for name, table in tables.items():
    table.validate(full=True)
    assert table.num_rows == expected["rows"], (name, table.num_rows)
    assert table.column_names == list(TYPES), (name, table.column_names)
    for column, kind in TYPES.items():
        assert table.schema.field(column).type == kind, (name, column, table.schema.field(column).type)
        values = expected["columns"][column]
        found = plain(table.column(column))
        for row, value in enumerate(found):
            assert value == values[row % len(values)], (name, column, row, value, values[row % len(values)])
    print(f"{name}: {table.num_rows} rows, {len(TYPES)} columns: types and every value as written")
