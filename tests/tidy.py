#!/usr/bin/env python3
"""Holds the rules that a compiler does not: include directions, sizes, opening comments, labels of atomics.

Direction of includes: base <- records <- config <- stages | io <- sinks <- wiring. Prints every breach with its line;
`tests/tidy.py FOLDER` checks another tree, which is how its own test feeds it bad ones.
"""
import re
import sys
from pathlib import Path

BASE = {"base", "acks", "crc32c", "limits", "clock", "stats", "ring", "text", "log", "park", "pause", "nearest", "format", "token",
        "version", "json", "fault", "exit", "bottleneck", "simd", "uuid", "cluster", "digits", "pages", "mask", "excuse"}
RECORDS = {"event", "event_text", "chunk", "batch", "route"}
STAGES = {"breaker", "decode", "decode_content", "cache", "enrich", "lane", "link", "position", "readers", "starve", "tap", "json_simdjson",
          "shape", "shape_kernel", "shape_learn", "shape_loops", "shape_plain", "shape_base", "shape_avx2", "shape_avx512"}
WIRING = {"worker", "worker_step", "worker_seal", "worker_readers", "delivery", "delivery_lane", "content", "engine", "engine_readers",
          "engine_breaker", "engine_moves", "engine_lost", "engine_behind", "engine_sinks", "engine_commit", "engine_view",
          "engine_parts", "engine_limit", "engine_tap", "host", "courier", "errand",
          "same_log", "init", "replay", "replay_lane", "memory_bound", "sinks", "cli", "cli_help", "main"}

ALLOWED = {
    "base": {"base"},
    "records": {"base", "records"},
    "config": {"base", "records", "config"},
    "stages": {"base", "records", "stages"},
    "io": {"base", "records", "config", "io"},
    "sinks": {"base", "records", "config", "io", "sinks"},
    "monitor": {"base", "config", "io", "monitor"},
    # It judges the engine: no decoder, encoder or sink of the engine's may take part.
    "verify": {"base", "config", "io", "verify"},
    "wiring": {"base", "records", "config", "stages", "io", "sinks", "monitor", "verify", "wiring"},
    "loadgen": {"loadgen"},
}
# Of the base, what reads and writes the pipeline's own formats: the verifier has its own.
NOT_FOR_VERIFY = {"format", "token", "json"}
FUNCTION_MAX, FILE_MAX, LINE_MAX = 70, 600, 132


def layer(path: str) -> str | None:
    """The layer of a file such as core/lane.h; None: not under the rule (tests, benches)."""
    folder, _, name = path.partition("/")
    stem = name.rsplit(".", 1)[0]
    if folder in ("io", "sinks", "monitor", "verify", "loadgen"):
        return folder
    if folder != "core":
        return None
    for which, names in (("base", BASE), ("records", RECORDS), ("stages", STAGES), ("wiring", WIRING)):
        if stem in names:
            return which
    return "config" if stem.startswith("config") else "unknown"


def includes(path: str, text: str) -> list[str]:
    own = layer(path)
    found = []
    if own == "unknown":
        return [f"{path}:1: belongs to no layer: name it in tests/tidy.py"]
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r'#include "([^"]+)"', line)
        if not match or own is None:
            continue
        other = layer(match[1])
        if own == "loadgen" and match[1] == "core/base.h":
            continue
        stem = Path(match[1]).stem
        if other not in ALLOWED[own] or (own == "verify" and other == "base" and stem in NOT_FOR_VERIFY):
            found.append(f"{path}:{number}: {own} must not include {match[1]} ({other})")
    return found


def sizes(path: str, text: str) -> list[str]:
    found = []
    lines = text.split("\n")
    if len(lines) > FILE_MAX + 1:
        found.append(f"{path}:1: {len(lines)} lines, {FILE_MAX} allowed")
    start = None
    for number, line in enumerate(lines, 1):
        if len(line.expandtabs(4)) > LINE_MAX:
            found.append(f"{path}:{number}: {len(line.expandtabs(4))} columns, {LINE_MAX} allowed")
        if line == "{":
            start = number
        elif line.startswith("}") and start:
            if number - start > FUNCTION_MAX:
                found.append(f"{path}:{number}: a function of {number - start} lines, {FUNCTION_MAX} allowed")
            start = None
    return found


def habits(path: str, text: str) -> list[str]:
    found = []
    if not text.startswith(f"/* {path} "):
        found.append(f"{path}:1: open with /* {path} — what it is")
    for number, line in enumerate(text.split("\n"), 1):
        if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
            found.append(f"{path}:{number}: unfinished work belongs somewhere people look")
        if not path.startswith("tests/") and re.search(r"\b(strcpy|strcat|sprintf|gets|atoi|alloca)\(", line):
            found.append(f"{path}:{number}: banned: it knows no bound (snprintf, memcpy, strtoll)")
        if line.endswith((" ", "\t")):
            found.append(f"{path}:{number}: blanks at the end")
    return found


def main() -> int:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent)
    found: list[str] = []
    files = [f for folder in ("core", "io", "sinks", "monitor", "verify", "loadgen", "bench", "tests")
             for f in sorted((root / folder).rglob("*")) if f.suffix in (".c", ".h", ".cpp")]
    for file in files:
        path, text = str(file.relative_to(root)), file.read_text()
        found += includes(path, text) + sizes(path, text) + habits(path, text)
    print("\n".join(found) if found else f"{len(files)} files are tidy")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
