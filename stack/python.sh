#!/usr/bin/env bash
# The Python environment of the tests.
#
#   stack/python.sh           makes it in the cache from tests/requirements.txt, when that is new or has changed
#   stack/python.sh --find    prints a Python that is new enough and can make environments
set -euo pipefail

ROOT=$(cd "$(dirname "$0")/.." && pwd)
CACHE=${AB_CACHE_DIR:-$HOME/.cache/anabranch}
VENV=$CACHE/venv
REQUIREMENTS=$ROOT/tests/requirements.txt

find_python() {
	local python
	for python in /usr/bin/python3 python3 python3.13 python3.12 python3.11; do
		if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
			command -v "$python"
			return
		fi
	done
	echo "error: no Python of version 3.11 or newer with venv was found. What to do: apt-get install python3 python3-venv" >&2
	return 1
}

main() {
	local python wanted
	if [[ ${1:-} == --find ]]; then
		find_python
		return
	fi
	wanted=$(sha256sum < "$REQUIREMENTS")
	mkdir -p "$CACHE"
	exec 8> "$CACHE/.lock-venv"
	flock 8
	[[ -f $VENV/complete && $(< "$VENV/complete") == "$wanted" ]] && return
	python=$(find_python)
	rm -rf "$VENV"
	"$python" -m venv "$VENV"
	if ! "$VENV/bin/pip" install -q --disable-pip-version-check -r "$REQUIREMENTS"; then
		echo "error: the tests' Python packages could not be installed. What to do: see that this machine is online, then again." >&2
		return 1
	fi
	printf '%s' "$wanted" > "$VENV/complete"
	echo "Python for the tests: $VENV"
}

main "$@"
