"""The same transform by five engines over the same Parquet files, in turns: join, pivot of twelve fields, filter,
normalise, Parquet and NDJSON out.

usage: compare.py STAGING RUN OUT [ENGINE…] [--rounds N] [--telecine BINARY] [--memory 2GiB]

STAGING and RUN name an extraction (its raw/ is what every engine reads), OUT a folder for what they write. Engines:
telecine, duckdb, polars, datafusion, spark. Each run is a process of its own; what is printed is the median wall time,
CPU time and the peak of resident memory of the process (children included), and rows and a checksum of what was
written, which must be the same for all."""

import argparse
import glob
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TABLES = ["asset_master", "metadata_property_value", "metadata_property", "asset_content", "asset_status"]


def raw(staging, run, table):
    return f"{staging}/runs/{run}/raw/public.{table}/*.parquet"


def statement(squeeze, table):
    """The query of telecine in the words of another engine."""
    text = open(f"{HERE}/queries/3_normalise/pivoted.sql").read()
    text = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    while "squeeze(" in text:
        start = text.index("squeeze(")
        end = text.index(")", start)
        text = text[:start] + squeeze(text[start + 8 : end]) + text[end + 1 :]
    for name in sorted(TABLES, key=len, reverse=True):
        text = re.sub(rf"public\.{name}\b", lambda _: table(name), text)
    return text


def duckdb(staging, run, out, memory):
    import duckdb

    db = duckdb.connect(config={"threads": "2", "memory_limit": memory, "temp_directory": f"{out}/tmp"})
    db.execute("set preserve_insertion_order = false")
    text = statement(
        lambda e: f"trim(regexp_replace({e}, '\\s+', ' ', 'g'))", lambda t: f"read_parquet('{raw(staging, run, t)}')"
    ).replace("btrim(", "trim(")
    db.execute(f"copy ({text}) to '{out}/rows.parquet' (format parquet, compression zstd, compression_level 1)")
    db.execute(f"copy (select * from '{out}/rows.parquet') to '{out}/rows.ndjson' (format json)")


def datafusion(staging, run, out, memory):
    import datafusion as df

    config = df.SessionConfig().with_target_partitions(2)
    runtime = df.RuntimeEnvBuilder().with_disk_manager_os().with_fair_spill_pool(2 * 1024**3)
    context = df.SessionContext(config, runtime)
    for table in TABLES:
        context.register_parquet(table, os.path.dirname(raw(staging, run, table)) + "/")
    text = statement(lambda e: f"trim(regexp_replace({e}, '\\s+', ' ', 'g'))", lambda t: t)
    context.sql(
        f"copy ({text}) to '{out}/rows.parquet' stored as parquet options ('format.compression' 'zstd(1)')"
    ).collect()
    context.register_parquet("rows", f"{out}/rows.parquet")
    context.sql(f"copy rows to '{out}/rows.ndjson' stored as json").collect()


def spark(staging, run, out, memory):
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.memory", "2g")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.ansi.enabled", "false")
        .config("spark.local.dir", f"{out}/tmp")
        .config("spark.sql.shuffle.partitions", "8")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    for table in TABLES:
        session.read.parquet(os.path.dirname(raw(staging, run, table))).createOrReplaceTempView(table)
    text = statement(lambda e: f"trim(regexp_replace({e}, r'(?U)\\s+', ' '))", lambda t: t).replace('"', "`")
    rows = session.sql(text)
    rows.write.mode("overwrite").option("compression", "zstd").parquet(f"{out}/rows.parquet")
    session.read.parquet(f"{out}/rows.parquet").write.mode("overwrite").json(f"{out}/rows.ndjson")
    session.stop()


def polars(staging, run, out, memory):
    import polars as pl

    table = {name: pl.scan_parquet(raw(staging, run, name)) for name in TABLES}
    trim = lambda e: e.str.strip_chars(" ")
    squeeze = lambda e: e.str.replace_all(r"\s+", " ").str.strip_chars(" ")
    filled = lambda e: pl.when(e != "").then(e)
    name, text = pl.col("property"), pl.col("string_value")
    number, moment = pl.col("long_value"), pl.col("date_value")
    lines = {
        "title": "title", "series": "series", "location": "eventLocation", "director": "director",
        "producer": "producer", "keyword": "keywords",
    }
    fields = {as_: (of, filled(squeeze(text))) for as_, of in lines.items()}
    fields |= {
        "series_code": ("seriesID", filled(trim(text).str.to_uppercase())),
        "house_code": ("houseCode", filled(trim(text).str.to_uppercase())),
        "record": ("recordOID", filled(trim(text).str.to_lowercase())),
        "season": ("season", number), "release_year": ("releaseYear", number), "air_date": ("airDate", moment),
    }
    described = (
        table["metadata_property_value"]
        .select("metadata_id", "property_id", "string_value", "long_value", "date_value")
        .join(table["metadata_property"].select("id", property="name"), left_on="property_id", right_on="id")
        .with_columns(**{as_: pl.when(name == of).then(value) for as_, (of, value) in fields.items()})
        .group_by("metadata_id")
        .agg(*[pl.col(as_).max() for as_ in fields], pl.len().alias("n_values"))
    )
    source = pl.col("content_uses") == "|SOURCE|"
    contents = (
        table["asset_content"]
        .group_by("master_asset_id")
        .agg(
            pl.len().alias("n_contents"),
            pl.when(source).then(pl.col("video_codec")).max().alias("video_codec"),
            pl.when(source).then(pl.col("audio_codec")).max().alias("audio_codec"),
            pl.col("file_size").sum().alias("total_bytes"),
            pl.col("name").min().alias("first_name"),
            pl.col("width").max(),
            pl.col("height").max(),
        )
    )
    rows = (
        table["asset_master"]
        .filter(pl.col("deleted").fill_null(False).not_(), pl.col("name").is_not_null())
        .join(
            described.filter(pl.col("title").is_not_null(), pl.col("house_code").is_not_null()),
            on="metadata_id",
        )
        .join(contents, left_on="id", right_on="master_asset_id", how="left")
        .join(table["asset_status"].select("id", status="key"), left_on="status_id", right_on="id", how="left")
        .select(
            "id", squeeze(pl.col("name")), squeeze(pl.col("description")), pl.col("assetType").alias("asset_type"),
            "archived_flag", "date_created", "date_updated", trim(pl.col("status")).str.to_lowercase(),
            "title", "series", "series_code", "house_code", "record", "location", "director", "producer", "keyword",
            "season", "release_year", "air_date", "n_values", "n_contents", "video_codec", "audio_codec",
            "total_bytes", "first_name", "width", "height",
        )
    )
    rows.sink_parquet(f"{out}/rows.parquet", compression="zstd", compression_level=1, engine="streaming")
    pl.scan_parquet(f"{out}/rows.parquet").sink_ndjson(f"{out}/rows.ndjson", engine="streaming")


PEERS = {"duckdb": duckdb, "polars": polars, "datafusion": datafusion, "spark": spark}


def telecine(options, out):
    """A run folder of its own whose raw/ is that of the extraction, so that no engine sees another's files."""
    run = f"{out}/staging/runs/{options.run}"
    os.makedirs(run)
    for entry in os.listdir(f"{options.staging}/runs/{options.run}"):
        if entry == "raw" or entry.endswith(".json"):
            os.symlink(f"{options.staging}/runs/{options.run}/{entry}", f"{run}/{entry}")
    return [
        options.telecine, "transform", "--quiet", "--project", f"{HERE}/queries", "--staging", f"file:{out}/staging",
        "--run", options.run, "--memory", options.memory,
    ]


def result(engine, options, out):
    """Rows and sums of what an engine wrote, by DuckDB."""
    import duckdb

    rows = f"{out}/staging/runs/{options.run}/pivoted/*.parquet" if engine == "telecine" else f"{out}/rows.parquet"
    if os.path.isdir(rows):
        rows += "/*.parquet"
    sums = duckdb.sql(
        f"""select count(*), sum(id), sum(length(name)), sum(length(description)), sum(length(title)), sum(season),
        sum(release_year), max(air_date)::text, sum(n_values), sum(n_contents), sum(total_bytes)::hugeint,
        sum(length(first_name)), sum(length(director)), sum(length(keyword)), sum(length(status)),
        count(video_codec) from read_parquet('{rows}')"""
    ).fetchall()[0]
    lines = glob.glob(
        f"{out}/staging/runs/{options.run}/documents/*.ndjson" if engine == "telecine" else f"{out}/rows.ndjson*"
    )
    files = [file for line in lines for file in ([line] if os.path.isfile(line) else glob.glob(f"{line}/*.json"))]
    json_rows = sum(open(file, "rb").read().count(b"\n") for file in files)
    return [str(value) for value in (*sums, json_rows)]


def measured(command):
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = 0
    while process.poll() is None:
        peak = max(peak, resident(process.pid))
        time.sleep(0.05)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{process.stderr.read().decode()}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - started, cpu, peak


def resident(pid):
    """MiB of a process and its children."""
    total, pending = 0, [pid]
    while pending:
        pid = pending.pop()
        try:
            total += int(open(f"/proc/{pid}/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            for task in os.listdir(f"/proc/{pid}/task"):
                pending += [int(child) for child in open(f"/proc/{pid}/task/{task}/children").read().split()]
        except (OSError, IndexError):
            continue
    return total / 1024**2


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("staging")
    parser.add_argument("run")
    parser.add_argument("out")
    parser.add_argument("engines", nargs="*", default=["telecine", *PEERS])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--telecine", default="target/release/telecine")
    parser.add_argument("--memory", default="2GiB")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.staging, options.out = os.path.abspath(options.staging), os.path.abspath(options.out)
    if options.one:
        return PEERS[options.engines[0]](options.staging, options.run, options.out, options.memory)
    times, results = {engine: [] for engine in options.engines}, {}
    for _ in range(options.rounds):
        for engine in options.engines:
            out = f"{options.out}/{engine}"
            shutil.rmtree(out, ignore_errors=True)
            os.makedirs(f"{out}/tmp")
            command = telecine(options, out) if engine == "telecine" else [
                sys.executable, __file__, options.staging, options.run, out, engine, "--one", "--memory", options.memory,
            ]
            times[engine].append(measured(command))
            results[engine] = result(engine, options, out)
            shutil.rmtree(out, ignore_errors=True)
    print(f"{'engine':<12}{'wall s':>8}{'CPU s':>8}{'peak MiB':>10}  rows")
    for engine, runs in times.items():
        wall, cpu, peak = (statistics.median(column) for column in zip(*runs))
        print(f"{engine:<12}{wall:>8.2f}{cpu:>8.2f}{peak:>10.0f}  {results[engine][0]}")
    different = {engine: found for engine, found in results.items() if found != results[options.engines[0]]}
    if different:
        sys.exit(f"not the same rows: {json.dumps({options.engines[0]: results[options.engines[0]], **different}, indent=1)}")


main()
