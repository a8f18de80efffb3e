"""Starts bqemulator without its time travel.

Version 1.4.0 copies the whole table after every insertAll, so that a query may look back (FOR SYSTEM_TIME AS OF). With
1,000 rows a request the 150,000th row takes ten times as long as the first, and disk and memory grow with the square of
the rows: 600,000 rows leave some 50 GB. Nobody here looks back. Snapshots that somebody asks for (CREATE SNAPSHOT
TABLE) are still made.
"""

import sys
from typing import Any

from bqemulator.cli import main
from bqemulator.versioning.snapshots import SnapshotManager

capture = SnapshotManager.capture


def capture_when_asked(self: SnapshotManager, *table: str, kind: str = "AUTO") -> Any:
    return None if kind == "AUTO" else capture(self, *table, kind=kind)


SnapshotManager.capture = capture_when_asked

if __name__ == "__main__":
    sys.exit(main())
