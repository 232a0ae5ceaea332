"""Reads a partition's folder as docs/format.md describes it: nothing else was used.

    python3 reader.py FOLDER [UNPACKED]

prints JSON: the manifest's positions, and the live rows in key order as the join over all segments. Values are text:
whole numbers in decimal, doubles as the hex of their 8 bytes, strings and bytes as hex. Python before 3.14 has no zstd:
then page 3 of seg-000001/stamp.col must lie, as `zstd -d` gives it, at UNPACKED/seg-000001/stamp.col.3. The pages of a
file are numbered from 0, as its directory has them.
"""

import json, os, re, struct, sys, zlib

try:
    from compression import zstd
except ImportError:
    zstd = None

FIXED = {0: "B", 1: "i", 2: "d", 3: "q"}
WIDTHS = {1: "B", 2: "H", 4: "I"}


def cells(block, section):
    """A column's cells, unit by unit: (state, value), state 0 absent, 1 value, 2 deleted."""
    words = texts(block["dictionary"], 4, *struct.unpack_from("<I", block["dictionary"]))[0] if block["dictionary"] else None
    found = []
    for rows, sections in block["units"]:
        found += column(sections[section], rows, words) if section < len(sections) else [(0, None)] * rows
    return found


def column(data, rows, words=None):
    """The cells of one section; `words` is the block's dictionary."""
    at = 1
    states = [1] * rows
    if data[0] == 1:
        at += (rows + 3) // 4
        states = [data[1 + i // 4] >> i % 4 * 2 & 3 for i in range(rows)]
    count = states.count(1)
    left = iter(values(data, at, count, words))
    return [(state, next(left) if state == 1 else None) for state in states]


def values(data, at, count, words):
    """`count` values after the encoding at `at`."""
    encoding, at = data[at], at + 1
    if encoding in FIXED:
        return struct.unpack_from(f"<{count}{FIXED[encoding]}", data, at)
    if encoding == 4:  # bytes
        return texts(data, at, count)[0]
    if encoding == 5:  # frame of reference
        (base,) = struct.unpack_from("<q", data, at)
        return [base + offset for offset in unsigned(data, at + 8, count)]
    if encoding == 6:  # dictionary
        (entries,) = struct.unpack_from("<I", data, at)
        own, at = texts(data, at + 4, entries)
        return coded(data, at, count, own)
    if encoding == 7:  # steps
        base, unit = struct.unpack_from("<qq", data, at)
        return [base + unit * offset for offset in unsigned(data, at + 16, count)]
    if encoding == 8:  # rising
        unit, width, starts = struct.unpack_from("<qBI", data, at)
        places = struct.unpack_from(f"<{starts}I", data, at + 13)
        begin = dict(zip(places, struct.unpack_from(f"<{starts}q", data, at + 13 + 4 * starts)))
        found = []
        for i, step in enumerate(struct.unpack_from(f"<{count}{WIDTHS[width]}", data, at + 13 + 12 * starts)):
            found.append(begin[i] if i in begin else found[-1] + unit * step)
        return found
    if encoding == 9:  # runs
        (runs,) = struct.unpack_from("<I", data, at)
        lengths = struct.unpack_from(f"<{runs}I", data, at + 4)
        return [v for v, length in zip(values(data, at + 4 + 4 * runs, runs, words), lengths) for _ in range(length)]
    if encoding == 10:  # decimals
        return [whole / 10 ** data[at] for whole in values(data, at + 1, count, words)]
    if encoding == 11:  # bits
        return [data[at + i // 8] >> i % 8 & 1 for i in range(count)]
    if encoding == 12:  # codes of the block's dictionary
        return coded(data, at, count, words)
    raise ValueError(f"encoding {encoding}")


def coded(data, at, count, words):
    return [words[code] for code in struct.unpack_from(f"<{count}{'B' if len(words) <= 256 else 'H'}", data, at)]


def unsigned(data, at, count):
    """Numbers after the u8 that says how wide they are."""
    return struct.unpack_from(f"<{count}{WIDTHS[data[at]]}", data, at + 1) if data[at] else [0] * count


def key_part(kind, value):
    """A value as it stands in a row key."""
    if kind == "bytes":
        return value.replace(b"\0", b"\0\xff") + b"\0\1"
    if kind == "f64":
        (bits,) = struct.unpack(">Q", struct.pack(">d", value + 0.0))
        return struct.pack(">Q", bits ^ (2**64 - 1 if bits >> 63 else 2**63))
    size = {"u8": 1, "i32": 4}.get(kind, 8)
    return (value + (size > 1) * 2 ** (size * 8 - 1)).to_bytes(size, "big")


def texts(data, at, count):
    """`count` byte strings after their lengths, and where they end."""
    lengths = struct.unpack_from(f"<{count}I", data, at)
    at += 4 * count
    found = []
    for length in lengths:
        found.append(data[at : at + length])
        at += length
    return found, at


def stamps(block, first):
    """Per row (ms, counter, site, writer), or None, of three sections."""
    ms, counter, tail = (cells(block, first + i) for i in range(3))
    return [(m, c, t >> 24, t & 0xFFFFFF) if state else None for (state, m), (_, c), (_, t) in zip(ms, counter, tail)]


def unpacked(raw, path, page):
    """The bytes of a zstd frame."""
    if zstd is not None:
        return zstd.decompress(raw)
    if len(sys.argv) < 3:
        sys.exit(f"{path}, page {page} is compressed with zstd, which this Python cannot read: name a folder UNPACKED")
    return open(os.path.join(sys.argv[2], f"{os.path.relpath(path, sys.argv[1])}.{page}"), "rb").read()


def blocks(path, listed):
    """Block number → rows, dictionary and units of a column file; a unit is its rows and sections."""
    data = open(path, "rb").read()
    assert zlib.crc32(data) == listed["crc"] and len(data) == listed["bytes"], path
    assert data[:8] == b"TMCF\4\0\0\0" and data[-4:] == b"TMCF", path
    length, crc = struct.unpack_from("<II", data, len(data) - 12)
    footer = data[-12 - length : -12]
    assert zlib.crc32(footer) == crc, path
    footer = json.loads(footer)
    end = len(data) - 12 - length
    directory = data[end - footer["directory"]["bytes"] : end]
    assert zlib.crc32(directory) == footer["directory"]["crc"], path
    page, found = 0, {}
    for block in footer["blocks"]:
        rows, at, pages = block["rows"], block["at"], []
        units = -(-rows // block["unitRows"]) if block["stored"] else 0
        for _ in range(block["dictionary"] + units):
            stored, crc = struct.unpack_from("<II", directory, page * 8)
            raw = data[at : at + (stored & 0x7FFFFFFF)]
            at += len(raw)
            assert zlib.crc32(raw) == crc, f"{path} page {page}"
            pages.append(unpacked(raw, path, page) if stored >> 31 else raw)
            page += 1
        assert at == block["at"] + block["stored"] and sum(map(len, pages)) == block["raw"], path
        dictionary = pages.pop(0) if block["dictionary"] else None
        cut = [(min(block["unitRows"], rows - i * block["unitRows"]), split(raw)) for i, raw in enumerate(pages)]
        found[block["number"]] = {"rows": rows, "dictionary": dictionary, "units": cut, "unitRows": block["unitRows"]}
    if path.endswith("/key.col"):
        at = page * 8
        for block in found.values():
            block["separators"] = []
            for _ in range(block["unitRows"], block["rows"], block["unitRows"]):
                (size,) = struct.unpack_from("<I", directory, at)
                block["separators"].append(directory[at + 4 : at + 4 + size])
                at += 4 + size
        assert at == len(directory), path
    return found


def split(raw):
    """The sections of a unit."""
    sections, at = [], 0
    while at < len(raw):
        (size,) = struct.unpack_from("<I", raw, at)
        sections.append(raw[at + 4 : at + 4 + size])
        at += 4 + size
    return sections


def has(block, section):
    return any(section < len(sections) for _, sections in block["units"])


def segment(folder, listed, key_ids, rows, live):
    """Joins a segment into `rows`: key → [put, tombstone, {column: (stamp, state, value)}]: the larger stamp wins.
    Counts in `live` how often a key's row is live: once over all segments."""
    files = {file["name"]: blocks(os.path.join(folder, listed["name"], file["name"]), file) for file in listed["files"]}
    ids = {file["name"]: file["column"] for file in listed["files"] if file["column"] is not None}
    named = {file["column"]: file for file in listed["files"]}
    bits = blocks(os.path.join(folder, listed["name"], listed["live"]["name"]), listed["live"]) if listed["live"] else {}
    for number, own in files["key.col"].items():
        count = own["rows"]
        if own["units"]:
            keys = [key for _, key in cells(own, 0)]
        else:
            parts = [[key_part(named[i]["kind"], v) for _, v in cells(files[named[i]["name"]][number], 0)] for i in key_ids]
            keys = [b"".join(part) for part in zip(*parts)]
        for i, separator in enumerate(own["separators"], 1):
            first = i * own["unitRows"]
            assert keys[first - 1] < separator <= keys[first], f"{listed['name']}, block {number}, separator {i}"
        alive = [v for _, v in cells(bits[number], 0)] if number in bits else [1] * count
        for key, bit in zip(keys, alive):
            live[key] = live.get(key, 0) + bit
        none = [None] * count
        put = stamps(files["stamp.col"][number], 0) if number in files["stamp.col"] else none
        flags = files["flags.col"][number]
        tomb = stamps(flags, 1) if has(flags, 1) else none
        for i, (_, flag) in enumerate(cells(flags, 0)):
            assert (flag & 1 == 1) == (put[i] is not None) and (flag & 2 == 2) == (tomb[i] is not None)
            row = rows.setdefault(keys[i], [None, None, {}])
            row[0], row[1] = newer(row[0], put[i]), newer(row[1], tomb[i])
        for name, column_id in ids.items():
            if number not in files[name]:
                continue
            block = files[name][number]
            stamped = stamps(block, 1) if has(block, 1) else none
            for i, (state, value) in enumerate(cells(block, 0)):
                if state:
                    take(rows[keys[i]], column_id, stamped[i] or put[i], state, value)
        if number in files.get("cells.col", {}):
            kinds = {i: kind for file in listed["files"] for i, kind, _ in file.get("columns", [])}
            for i, row in enumerate(shared(files["cells.col"][number], kinds)):
                for column_id, (state, value, stamp) in row.items():
                    take(rows[keys[i]], column_id, stamp or put[i], state, value)


def take(row, column_id, stamp, state, value):
    """The newest cell counts. A key column's has no stamp where its row has only a tombstone."""
    held = row[2].get(column_id)
    if held is None or (stamp or ()) > (held[0] or ()):
        row[2][column_id] = (stamp, state, value)


def shared(block, kinds):
    """Of a block of cells.col, row by row: column id → (state, value, stamp or None)."""
    found = []
    for rows, sections in block["units"]:
        if not sections:
            found += [{}] * rows
            continue
        counts = [count for _, count in column(sections[0], rows)]
        unit = {"dictionary": None, "units": [(sum(counts), sections[1:])]}
        ids = [i for _, i in cells(unit, 0)]
        stamped = stamps(unit, 2) if len(sections) > 3 else [None] * len(ids)
        listed = [(i, (s, plain(kinds[i], v) if s == 1 else None, t)) for i, (s, v), t in zip(ids, cells(unit, 1), stamped)]
        for count in counts:
            own, listed = listed[:count], listed[count:]
            assert [i for i, _ in own] == sorted({i for i, _ in own}), "a row's cells are not in the order of their columns"
            found.append(dict(own))
        assert not listed
    return found


def plain(kind, value):
    """A value from its bytes in cells.col."""
    if kind == "bytes":
        return value
    if kind == "f64":
        return struct.unpack("<d", value)[0]
    return value[0] if kind == "u8" else int.from_bytes(value, "little", signed=True)


def newer(a, b):
    return b if a is None else a if b is None else max(a, b)


def newest_manifest(folder):
    """The newest whole one."""
    for name in sorted((n for n in os.listdir(folder) if re.fullmatch(r"manifest\.\d{6,}", n)), reverse=True):
        line, _, check = open(os.path.join(folder, name), "rb").read().partition(b"\n")
        if check == b"crc32 %08x\n" % zlib.crc32(line):
            return json.loads(line)
    raise ValueError(f"{folder}: no whole manifest")


def text(value):
    return struct.pack(">d", value).hex() if isinstance(value, float) else value.hex() if isinstance(value, bytes) else str(value)


def main(folder):
    manifest = newest_manifest(folder)
    assert manifest["format"] == 4, manifest["format"]
    rows, times = {}, {}
    key_ids = manifest["table"]["key"]
    for listed in manifest["segments"]:
        segment(folder, listed, key_ids, rows, times)
    assert all(count == 1 for count in times.values()), "a key is live twice, or nowhere"
    shown = {c["id"] for c in manifest["table"]["columns"] if not c["dropped"]}
    live = []
    for key, (put, tomb, row_cells) in sorted(rows.items()):
        if put is None or (tomb and put < tomb):
            continue
        kept = {i: c for i, c in row_cells.items() if i in shown and i not in key_ids and not (tomb and c[0] <= tomb)}
        values = {str(i): [c[0], text(c[2]) if c[1] == 1 else None] for i, c in sorted(kept.items())}
        parts = [text(row_cells[i][2]) if i in row_cells else None for i in key_ids]
        live.append({"key": key.hex(), "parts": parts, "stamp": put, "cells": values})
    print(json.dumps({"positions": manifest["positions"], "rows": live}))


if __name__ == "__main__":
    main(sys.argv[1])
