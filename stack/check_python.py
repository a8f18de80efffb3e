"""Checks Python files: they parse, and every function says the types of its arguments and of its result."""

import ast
import sys


def problems(path: str) -> list[str]:
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read(), path)
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
        bare = [a.arg for a in arguments if a.annotation is None and a.arg not in ("self", "cls")]
        if bare:
            found.append(f"{path}:{node.lineno}: {node.name}() has no type for: {', '.join(bare)}")
        if node.returns is None and node.name != "__init__":
            found.append(f"{path}:{node.lineno}: {node.name}() has no result type")
    return found


def main(paths: list[str]) -> int:
    found = [line for path in paths for line in problems(path)]
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
