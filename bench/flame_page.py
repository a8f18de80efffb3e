#!/usr/bin/env python3
"""Folded stacks ("thread;outer;inner COUNT" a line) from standard input as a page with a flame graph, by the template of
d3-flame-graph: flame_page.py TEMPLATE TITLE > flame.html. The page needs nothing else, and no network.
"""
import json
import sys
from pathlib import Path
from typing import Any


def tree(lines: list[str]) -> dict[str, Any]:
    root: dict[str, Any] = {"name": "anabranch", "value": 0, "children": {}}
    for line in lines:
        stack, _, count = line.rpartition(" ")
        node = root
        for name in stack.split(";"):
            node = node["children"].setdefault(name, {"name": name, "value": 0, "children": {}})
        node["value"] += int(count)  # the template adds what stands on a frame to its own
    return root


def listed(node: dict[str, Any]) -> dict[str, Any]:
    return node | {"children": [listed(child) for child in node["children"].values()]}


def main() -> None:
    template, title = Path(sys.argv[1]).read_text(), sys.argv[2]
    stacks = json.dumps(listed(tree(sys.stdin.read().splitlines())))
    options = json.dumps({"colorscheme": "blue-green", "context": title})
    # A name cannot end the script that it stands in.
    page = template.replace("/** @flamegraph_json **/", stacks.replace("</", "<\\/"))
    sys.stdout.write(page.replace("/** @options_json **/", options.replace("</", "<\\/")))


if __name__ == "__main__":
    main()
