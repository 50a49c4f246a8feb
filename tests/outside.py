"""Opens every Parquet file that a JSON file names with DuckDB and with pyarrow, and compares rows and sums.

Usage: outside.py EXPECTED.json

EXPECTED.json: {"datasets": [{"name", "folder", "rows", "files": [{"name", "rows"}],
                              "decimals": {column: "sum" or null}, "lengths": {column: characters or null},
                              "infinities": {column: [of -infinity, of infinity]}}]}
Sums of decimals are compared as exact decimals, lengths of text in characters; `infinities`, which may be absent, are the
counts of dates or timestamps that a reader takes for infinite. Prints one line and exits 0, or prints every difference and
exits 1.
"""

import json
import sys
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

WIDE = 76  # digits of the widest decimal


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def with_duckdb(connection, dataset, paths):
    """Rows a file, and the sums over all of them."""
    rows = [connection.execute("select count(*) from read_parquet(?)", [path]).fetchone()[0] for path in paths]
    every = f"read_parquet({paths!r})"
    for path in paths:  # every value of every column is decoded
        connection.execute("create or replace temp table whole as select * from read_parquet(?)", [path])
    found = {"decimals": {}, "lengths": {}, "infinities": {}}
    for column in dataset["decimals"]:
        total = connection.execute(f"select sum({quoted(column)})::varchar from {every}").fetchone()[0]
        found["decimals"][column] = total
    for column in dataset["lengths"]:
        total = connection.execute(f"select sum(length({quoted(column)}))::varchar from {every}").fetchone()[0]
        found["lengths"][column] = total
    for column in dataset.get("infinities", {}):
        printed = f"count(*) filter (where {quoted(column)}::varchar = ?)"
        counts = connection.execute(f"select {printed}, {printed} from {every}", ["-infinity", "infinity"]).fetchone()
        found["infinities"][column] = list(counts)
    return rows, found


def with_pyarrow(dataset, paths):
    """The same by another reader."""
    tables = [pq.read_table(path) for path in paths]
    for table in tables:
        table.validate(full=True)
    found = {"decimals": {}, "lengths": {}, "infinities": {}}
    for column in dataset["decimals"]:
        values = pa.chunked_array([chunk for table in tables for chunk in table.column(column).chunks])
        scale = values.type.scale if pa.types.is_decimal(values.type) else 0
        total = pc.sum(values.cast(pa.decimal256(WIDE, scale))).as_py()
        found["decimals"][column] = None if total is None else str(total)
    for column in dataset["lengths"]:
        counts = [pc.sum(pc.utf8_length(table.column(column).cast(pa.large_string()))).as_py() for table in tables]
        counts = [count for count in counts if count is not None]
        found["lengths"][column] = str(sum(counts)) if counts else None
    for column in dataset.get("infinities", {}):
        found["infinities"][column] = [
            sum(pc.sum(pc.equal(table.column(column).cast(whole), value)).as_py() or 0 for table in tables)
            for whole in [pa.int32() if pa.types.is_date32(tables[0].schema.field(column).type) else pa.int64()]
            for value in (1 - 2 ** (whole.bit_width - 1), 2 ** (whole.bit_width - 1) - 1)
        ]
    return [table.num_rows for table in tables], found


def differences(reader, dataset, rows, found):
    wanted = [file["rows"] for file in dataset["files"]]
    if rows != wanted:
        yield f"{reader}: {dataset['name']}: rows of its files {rows}, the manifest has {wanted}"
    if sum(rows) != dataset["rows"]:
        yield f"{reader}: {dataset['name']}: {sum(rows)} rows, expected {dataset['rows']}"
    for kind in ("decimals", "lengths"):
        for column, expected in dataset[kind].items():
            actual = found[kind][column]
            if (None if actual is None else Decimal(actual)) != (None if expected is None else Decimal(expected)):
                yield f"{reader}: {dataset['name']}.{column}: {kind} add up to {actual}, expected {expected}"
    for column, expected in dataset.get("infinities", {}).items():
        if found["infinities"][column] != expected:
            yield f"{reader}: {dataset['name']}.{column}: infinite {found['infinities'][column]}, expected {expected}"


def main(path):
    datasets = json.loads(Path(path).read_text())["datasets"]
    connection = duckdb.connect()
    problems, files, sums = [], 0, 0
    for dataset in datasets:
        paths = [str(Path(dataset["folder"]) / file["name"]) for file in dataset["files"]]
        there = sorted(str(file) for file in Path(dataset["folder"]).glob("*.parquet"))
        if there != sorted(paths):
            problems.append(f"{dataset['name']}: the folder holds {there}, the manifest {paths}")
        if not paths:
            continue
        problems.extend(differences("DuckDB", dataset, *with_duckdb(connection, dataset, paths)))
        problems.extend(differences("pyarrow", dataset, *with_pyarrow(dataset, paths)))
        files += len(paths)
        sums += len(dataset["decimals"]) + len(dataset["lengths"])
    for problem in problems:
        print(problem)
    print(json.dumps({"datasets": len(datasets), "files": files, "sums": sums, "problems": len(problems)}))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
