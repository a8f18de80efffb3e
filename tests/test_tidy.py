#!/usr/bin/env python3
"""A rule that finds nothing proves nothing: tidy.py must find each of these breaches."""
import subprocess
import sys
import tempfile
from pathlib import Path

TIDY = Path(__file__).resolve().parent / "tidy.py"
BREACHES = {
    "core/decode.c": ('/* core/decode.c — x */\n#include "io/loop.h"\n', "stages must not include io/loop.h"),
    "io/conn.c": ('/* io/conn.c — x */\n#include "core/cache.h"\n', "io must not include core/cache.h"),
    "sinks/redis.c": ('/* sinks/redis.c — x */\n#include "core/decode.h"\n', "sinks must not include core/decode.h"),
    "loadgen/a.c": ('/* loadgen/a.c — x */\n#include "core/format.h"\n', "loadgen must not include core/format.h"),
    "verify/a.c": ('/* verify/a.c — x */\n#include "core/decode.h"\n', "verify must not include core/decode.h"),
    "verify/b.c": ('/* verify/b.c — x */\n#include "core/format.h"\n', "verify must not include core/format.h"),
    "core/new.c": ("/* core/new.c — x */\n", "belongs to no layer"),
    "io/open.c": ("int a;\n", "open with"),
    "io/long.c": ("/* io/long.c — x */\nvoid f(void)\n{\n" + "\tg();\n" * 80 + "}\n", "a function of"),
    "io/wide.c": ("/* io/wide.c — x */\n" + "x" * 140 + "\n", "140 columns"),
    "io/copy.c": ("/* io/copy.c — x */\nstrcpy(a, b);\n", "banned"),
}


def main() -> int:
    failures = 0
    for path, (text, expected) in BREACHES.items():
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / path
            file.parent.mkdir(parents=True)
            file.write_text(text)
            run = subprocess.run([sys.executable, TIDY, folder], capture_output=True, text=True)
            if run.returncode != 1 or expected not in run.stdout:
                print(f"{path}: tidy did not say '{expected}', but: {run.stdout}")
                failures += 1
    print(f"{len(BREACHES) - failures} of {len(BREACHES)} breaches found")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
