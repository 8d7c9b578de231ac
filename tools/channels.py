#!/usr/bin/env python3
"""Writes the channels of a one-api or new-api database as llm2api's [[upstreams]].

    python3 tools/channels.py one-api.db > llm2api.toml

Reads the table `channels` of the SQLite database; of MySQL or PostgreSQL, what a dump into such a table gives. What has no place in
llm2api is told on standard error. The output holds keys: keep it readable by its owner only.
"""

import json
import re
import sqlite3
import sys

ENABLED = 1
OPENAI = 1
COLUMNS = ["id", "type", "key", "name", "base_url", "models", "model_mapping", "priority", "weight"]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    database = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
    database.row_factory = sqlite3.Row
    names = set()
    for channel in channels(database):
        try:
            print(entry(channel, names))
        except ValueError as error:
            print(f"channel {channel['id']} ({channel['name']}) is left out: {error}", file=sys.stderr)


def channels(database):
    """The channels that are enabled; columns that an older version lacks are None."""
    present = {row["name"] for row in database.execute("PRAGMA table_info(channels)")}
    columns = ", ".join(f'"{name}"' if name in present else f"NULL AS {name}" for name in COLUMNS)
    return database.execute(f"SELECT {columns} FROM channels WHERE status = ? ORDER BY id", [ENABLED])


def entry(channel, names):
    """An [[upstreams]] entry."""
    url = (channel["base_url"] or "").strip()
    if url == "":
        if channel["type"] != OPENAI:
            raise ValueError(f"it has no base_url; find out the address of channel type {channel['type']}, and add it by hand")
        url = "https://api.openai.com"
    lines = ["[[upstreams]]", f"name = {text(free_name(channel['name'] or '', names))}", 'kind = "openai"', f"url = {text(url)}"]
    keys = [key.strip() for key in channel["key"].splitlines() if key.strip() != ""]
    if len(keys) == 1:
        lines.append(f"api_key = {text(keys[0])}")
    elif keys:
        lines.append(f"cookies = {array(keys)}")
    # Names that clients ask for, each with the model's own. Theirs lists the names among the models, ours does not.
    mapping = json.loads(channel["model_mapping"] or "{}")
    listed = [model.strip() for model in (channel["models"] or "").split(",") if model.strip() != ""]
    models = list(dict.fromkeys(mapping.get(model, model) for model in listed))
    if models:
        lines.append(f"models = {array(models)}")
    aliases = {name: model for name, model in mapping.items() if name != model}
    if aliases:
        lines.append("aliases = { " + ", ".join(f"{text(name)} = {text(model)}" for name, model in aliases.items()) + " }")
    # Theirs: higher comes first. Ours: lower does.
    if channel["priority"]:
        lines.append(f"priority = {-channel['priority']}")
    if (channel["weight"] or 0) > 1:
        lines.append(f"weight = {channel['weight']}")
    return "\n".join(lines) + "\n"


def free_name(name, names):
    """A name as llm2api takes it, which no other entry has."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:28].strip("-") or "channel"
    free, number = plain, 2
    while free in names:
        free, number = f"{plain}-{number}", number + 1
    names.add(free)
    return free


def text(value):
    """A string; TOML's basic strings are JSON's, but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def array(values):
    return "[" + ", ".join(text(value) for value in values) + "]"


if __name__ == "__main__":
    main()
