"""Reads records as docs/format.md describes them: nothing else was used, but reader.py for columns.

    python3 records.py < HEX

One record a line, in hex; prints JSON, a list. Checks every checksum, and that each chain follows from the record before.
"""

import hashlib, json, struct, sys, zlib

from reader import column, split

KINDS = "Genesis Fence EpochStart Mutate Schema Noop Barrier".split()


class Avro:
    """Takes fields from the front of bytes."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        self.at += count
        return self.data[self.at - count : self.at]

    def long(self):
        value, shift = 0, 0
        while True:
            (byte,) = self.take(1)
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value >> 1 ^ -(value & 1)

    def bytes(self):
        return self.take(self.long())

    def string(self):
        return self.bytes().decode("utf8")

    def array(self, item):
        items = []
        while count := self.long():
            if count < 0:
                self.long()
            items += [item() for _ in range(abs(count))]
        return items


def genesis(avro):
    return {"logId": avro.string()}


def fence(avro):
    return {"closes": avro.long(), "by": avro.long(), "nonce": avro.string()}


def epoch_start(avro):
    body = {"writerId": avro.string(), "previousOrigin": avro.string(), "previousEpoch": avro.long()}
    body |= {"endSeq": avro.long(), "endChain": avro.take(16).hex()}
    return body | {"ownEpoch": avro.long(), "ownEndSeq": avro.long(), "ownEndChain": avro.take(16).hex()}


def mutate(avro, ms, counter):
    body = {"table": avro.long(), "schemaVersion": avro.long(), "requestId": avro.string(), "request": None, "source": None}
    if avro.long():
        body["request"] = [avro.string(), avro.long(), avro.long(), avro.bytes().hex()]
    if avro.long():
        body["source"] = [avro.string(), avro.long(), avro.long(), avro.long()]
    count = avro.long()
    keys, flags, offsets = avro.bytes(), avro.bytes(), avro.bytes()
    columns = avro.array(lambda: (avro.long(), avro.bytes()))
    flags = flags or bytes(count)
    offsets = struct.unpack(f"<{count}I", offsets) if offsets else range(count)
    ticks = [counter + offset for offset in offsets]
    cells = {number: column(data, count) for number, data in columns if number != 0}
    few = [row for number, data in columns if number == 0 for row in row_by_row(data, count)] or [{}] * count
    body["rows"] = [
        {
            "key": key.hex(),
            "deletes": flags[i] == 1,
            "stamp": [ms + ticks[i] // 65_536, ticks[i] % 65_536],
            "cells": {number: plain(rows[i]) for number, rows in cells.items() if rows[i][0] != 0}
            | {number: plain(cell) for number, cell in few[i].items()},
        }
        for i, (_, key) in enumerate(column(keys, count))
    ]
    return body


def row_by_row(data, count):
    """Per row its cells by column: what stands under column 0."""
    sections = split(data)
    assert len(sections) == 3
    counts = [found for _, found in column(sections[0], count)]
    listed = list(zip((number for _, number in column(sections[1], sum(counts))), column(sections[2], sum(counts))))
    for own in counts:
        yield dict(listed[:own])
        listed = listed[own:]


def plain(cell):
    state, value = cell
    return None if state == 2 else value.hex() if isinstance(value, bytes) else str(value)


def schema(avro):
    return {"version": avro.long(), "keyspace": avro.string()}


def barrier(avro):
    return {name: avro.array(avro.long) for name in ("heads", "rows", "committed")}


def record(data, chain_before):
    """The record's fields, and its chain."""
    assert data[:2] == b"\xc3\x01"
    assert zlib.crc32(data[:-4]).to_bytes(4, "big") == data[-4:], "checksum"
    avro = Avro(data[10:-20])
    fields = {name: avro.string() for name in ("cluster", "keyspace", "origin")}
    fields |= {name: avro.long() for name in "epoch partition seq stampMs stampCounter writer committed".split()}
    fields["kind"] = kind = KINDS[avro.long()]
    readers = {"Genesis": genesis, "Fence": fence, "EpochStart": epoch_start, "Schema": schema, "Barrier": barrier}
    if kind == "Mutate":
        body = mutate(avro, fields["stampMs"], fields["stampCounter"])
    else:
        body = readers[kind](avro) if kind in readers else {}
    assert avro.at == len(avro.data), "bytes that no field takes"
    before = bytes(16) if kind in ("Genesis", "Fence") else seed(fields, body) if kind == "EpochStart" else chain_before
    assert hashlib.sha256(before + data[:-20]).digest()[:16] == data[-20:-4], "chain"
    return {**fields, "body": body}, data[-20:-4]


def seed(fields, body):
    parts = [fields[name] for name in ("cluster", "keyspace", "origin", "epoch", "partition")]
    parts += [body[name] for name in "previousOrigin previousEpoch endSeq endChain ownEpoch ownEndSeq ownEndChain".split()]
    return hashlib.sha256("\0".join(map(str, parts)).encode()).digest()[:16]


def main():
    found, chain = [], bytes(16)
    for line in sys.stdin:
        fields, chain = record(bytes.fromhex(line), chain)
        found.append(fields)
    print(json.dumps(found))


main()
