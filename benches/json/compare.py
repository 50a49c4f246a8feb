"""JSON documents into Arrow and back, by telecine, DuckDB and polars over the same files, in turns, each with two threads.

    python3 -m venv VENV && VENV/bin/pip install duckdb polars
    cargo bench --bench json --no-run                # prints the program's path
    VENV/bin/python benches/json/compare.py OUT --telecine PATH [--mb 200] [--small-mb 40] [--rounds 3] [ENGINE…]

OUT is a folder for the documents, which are made once and kept, and for what the engines write. Documents are like those
of media assets, of one to two kilobytes: names and long texts, numbers, flags, lists, objects in lists, some fields
absent, some null, some escapes. `lines` holds them as NDJSON objects of 4 MB, `small` as objects of a document each.
Each run is a process of its own that reads all files of a set into Arrow and writes them as one NDJSON file. Printed are
medians: MB/s of input by wall time, CPU seconds and peak resident memory; then how many documents of what was written
differ from those that were read, as values (an absent field is not a null one).

What they do is not the same work:

|  | types are found from | keys that come twice | numbers no float holds | broken documents |
|---|---|---|---|---|
| telecine | all documents, before a row is made | refused, with place | kept as written | listed with place and reason |
| DuckDB | a sample (20,480 rows); a later misfit ends the read | one wins, silently | rounded to DOUBLE | end the read, or are dropped uncounted |
| polars | a sample (100 rows); a later misfit ends the read | one wins, silently | rounded to Float64 | end the read, or become null |
"""

import argparse
import glob
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import time

WORDS = "promo network season trailer launch archive bumper night prime library master café 東京 image series movie".split()


def text(draw, least, most):
    return " ".join(draw.choices(WORDS, k=draw.randint(least, most)))


def document(draw, number):
    size = draw.randrange(1 << 40)
    found = {
        "id": f"asset:{number:09d}", "uuid": f"{draw.getrandbits(128):032x}", "title": text(draw, 2, 8),
        "description": text(draw, 20, 90) + ' "quoted"\n' * (number % 3 == 0), "kind": draw.choice(["Promo", "Image", "Trailer"]),
        "createdMs": 1262304000000 + draw.randrange(500_000_000_000), "created": f"20{draw.randint(10, 24)}-03-{draw.randint(10, 28)}T10:11:12.345Z",
        "durationSeconds": round(draw.random() * 7200, 3), "rating": draw.randint(0, 50) / 10, "locked": draw.random() < 0.2,
        "archived": False, "note": None if number % 2 else "-", "keywords": draw.choices(WORDS, k=draw.randint(1, 6)),
        "technical": {"width": 1920, "height": 1080, "codec": "prores", "frameRate": 23.976, "audio": {"channels": 6, "loudness": -23.5}},
        "files": [
            {"path": f"/vault/{number % 977}/{number}-{part}.mxf", "bytes": size + part, "md5": f"{draw.getrandbits(128):032x}", "offset": part * 4096}
            for part in range(draw.randint(1, 4))
        ],
        "people": [{"name": text(draw, 2, 2).title(), "role": draw.choice(["director", "editor"])} for _ in range(draw.randint(0, 3))],
    }
    if number % 5 == 0:
        found["embargo"] = {"until": "2031-01-01", "regions": ["US", "CA"], "reason": text(draw, 3, 9)}
    return json.dumps(found, ensure_ascii=number % 4 == 0, separators=(",", ":")).encode()


def make(out, mb, small_mb):
    """The documents of both sets; those that are there are kept."""
    draw = random.Random(7)
    for name, size, each in [("lines", mb, 4_000_000), ("small", small_mb, 1)]:
        folder = f"{out}/{name}-{size}"
        if os.path.isdir(folder):
            continue
        os.makedirs(folder + ".new")
        done = number = objects = 0
        while done < size * 1_000_000:
            lines, length = [], 0
            while length < each:
                lines.append(document(draw, number))
                length += len(lines[-1]) + 1
                number += 1
            with open(f"{folder}.new/{objects:07d}.json", "wb") as file:
                file.write(b"\n".join(lines) + b"\n")
            done, objects = done + length, objects + 1
        os.rename(folder + ".new", folder)


def duckdb(files, out):
    import duckdb

    db = duckdb.connect(config={"threads": "2"})
    db.execute(f"create table documents as from read_json('{files}', format = 'newline_delimited')")
    db.execute(f"copy documents to '{out}/out.ndjson' (format json)")


def duckdb_stream(files, out):
    import duckdb

    db = duckdb.connect(config={"threads": "2"})
    db.execute(f"copy (from read_json('{files}', format = 'newline_delimited')) to '{out}/out.ndjson' (format json)")


def polars(files, out):
    import polars as pl

    pl.concat([pl.read_ndjson(file, infer_schema_length=100) for file in sorted(glob.glob(files))], how="diagonal_relaxed").write_ndjson(f"{out}/out.ndjson")


def polars_stream(files, out):
    import polars as pl

    pl.scan_ndjson(files, infer_schema_length=100).sink_ndjson(f"{out}/out.ndjson", engine="streaming")


PEERS = {"duckdb": duckdb, "duckdb-stream": duckdb_stream, "polars": polars, "polars-stream": polars_stream}


def measured(command):
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(command, env=dict(os.environ, POLARS_MAX_THREADS="2"), stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        return process.stderr.read().decode()[-400:]
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def differing(files, written):
    """Documents that were read, and how many of what was written differ from them; by their ids, for order is free."""
    wanted, count, same = {}, 0, 0
    for file in files:
        with open(file, "rb") as lines:
            for line in lines:
                found = json.loads(line)
                wanted[found["id"]] = hash(json.dumps(found, sort_keys=True))
                count += 1
    with open(written, "rb") as lines:
        for line in lines:
            found = json.loads(line)
            same += wanted.pop(found["id"], None) == hash(json.dumps(found, sort_keys=True))
    return count, count - same


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("engines", nargs="*", default=["telecine", *PEERS])
    parser.add_argument("--telecine", help="the program of the bench `json`")
    parser.add_argument("--mb", type=int, default=200)
    parser.add_argument("--small-mb", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sets", default="lines,small")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    out = os.path.abspath(options.out)
    if options.one:
        return PEERS[options.engines[0]](options.one, out)
    os.makedirs(out, exist_ok=True)
    make(out, options.mb, options.small_mb)
    print(f"{'set':<7}{'engine':<15}{'MB/s':>7}{'wall s':>8}{'CPU s':>8}{'peak MiB':>10}{'documents':>11}{'differ':>9}")
    for name in options.sets.split(","):
        folder = f"{out}/{name}-{options.mb if name == 'lines' else options.small_mb}"
        files = sorted(glob.glob(f"{folder}/*.json"))
        size = sum(os.path.getsize(file) for file in files) / 1e6
        runs, compared = {engine: [] for engine in options.engines}, {}
        for _ in range(options.rounds):
            for engine in options.engines:
                to = f"{out}/{engine}"
                shutil.rmtree(to, ignore_errors=True)
                os.makedirs(to)
                command = [options.telecine, "once", folder, f"{to}/out.ndjson"] if engine == "telecine" else [
                    sys.executable, __file__, to, engine, "--one", f"{folder}/*.json",
                ]
                runs[engine].append(measured(command))
                if engine not in compared and not isinstance(runs[engine][-1], str):
                    compared[engine] = differing(files, f"{to}/out.ndjson")
                shutil.rmtree(to, ignore_errors=True)
        for engine, found in runs.items():
            if failed := [run for run in found if isinstance(run, str)]:
                print(f"{name:<7}{engine:<15} fails: {failed[0]}")
                continue
            wall, cpu, peak = (statistics.median(column) for column in zip(*found))
            count, differ = compared[engine]
            print(f"{name:<7}{engine:<15}{size / wall:>7.0f}{wall:>8.2f}{cpu:>8.2f}{peak:>10.0f}{count:>11}{differ:>9}", flush=True)


if __name__ == "__main__":
    main()
