"""Copies the same small documents by `aws s3 cp --recursive` and by `telecine deliver`, on one S3-compatible server.

    python3 -m venv ~/.cache/telecine/awscli && ~/.cache/telecine/awscli/bin/pip install awscli
    cargo build --release
    python3 benches/deliver/compare.py --documents 5000 [--endpoint http://127.0.0.1:9000]

Without an endpoint, moto's server is started (TELECINE_TEST_PYTHON names the Python that has it). Each round does, in turn:
copy between buckets by both, then a copy back out of the area by both (publish: read, hashed, written where nothing is, and
verified). Printed are seconds, documents a second and the ratio.
"""

import argparse
import concurrent.futures
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import urllib.request

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "telecine"
SIGNATURE = "AWS4-HMAC-SHA256 Credential=k/20250101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--endpoint", help="a server that is there, with credentials in AWS_*")
    parser.add_argument("--telecine", default="target/release/telecine")
    parser.add_argument("--aws", default=str(CACHE / "awscli/bin/aws"))
    return parser.parse_args()


def start_moto():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    python = os.environ.get("TELECINE_TEST_PYTHON", str(CACHE / "venv/bin/python"))
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen([python, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], **quiet)
    endpoint = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            urllib.request.urlopen(endpoint, timeout=1)
            break
        except OSError:
            time.sleep(0.1)
    return server, endpoint


def put(endpoint, path, body=b""):
    request = urllib.request.Request(f"{endpoint}/{path}", data=body, method="PUT")
    request.add_header("authorization", SIGNATURE)
    urllib.request.urlopen(request).read()


def fill(endpoint, run, documents):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        body = lambda number: b'{"title": "Promo %d", "text": "%s"}' % (number, b"x" * 900)
        list(pool.map(lambda number: put(endpoint, f"truth/{run}/{number % 100}/{number}.json", body(number)), range(documents)))


def timed(command, environment, **options):
    start = time.monotonic()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, **options)
    return time.monotonic() - start


def main():
    settings = arguments()
    server, endpoint = (None, settings.endpoint) if settings.endpoint else start_moto()
    environment = dict(os.environ, AWS_ENDPOINT_URL=endpoint, AWS_REGION="us-east-1", AWS_DEFAULT_REGION="us-east-1")
    environment.setdefault("AWS_ACCESS_KEY_ID", "k")
    environment.setdefault("AWS_SECRET_ACCESS_KEY", "s")
    aws = [settings.aws, "s3", "cp", "--recursive", "--only-show-errors"]
    run = f"r{os.getpid()}"
    try:
        for bucket in ["truth", "work", "dev"]:
            put(endpoint, bucket)
        fill(endpoint, run, settings.documents)
        for number in range(settings.rounds):
            with tempfile.TemporaryDirectory() as project:
                area, drop = f"s3://work/{run}/{number}", f"s3://dev/{run}/{number}"
                text = f'[staging]\nurl = "file:{project}/staging"\n[deliver]\nsource = "s3://truth/{run}"\narea = "{area}"\n'
                text += f'[deliver.publish.dev]\nurl = "{drop}"\n'
                pathlib.Path(project, "migration.toml").write_text(text)
                telecine = [settings.telecine, "deliver", "--quiet", "--project", project]
                ours = timed([*telecine, "copy"], environment)
                theirs = timed([*aws, f"s3://truth/{run}", f"s3://work/{run}/{number}-aws"], environment)
                told("copy", ours, theirs, settings.documents)
                timed([*telecine, "sanitise", "purge"], environment)
                ours = timed([*telecine, "publish"], environment)
                theirs = timed([*aws, f"{area}/documents", f"{drop}-aws"], environment)
                told("publish", ours, theirs, settings.documents)
    finally:
        if server:
            server.terminate()


def told(what, ours, theirs, documents):
    print(f"{what:8} telecine {ours:7.2f} s {documents / ours:7.0f}/s   aws {theirs:7.2f} s {documents / theirs:7.0f}/s"
          f"   ratio {theirs / ours:.2f}", flush=True)


if __name__ == "__main__":
    main()
