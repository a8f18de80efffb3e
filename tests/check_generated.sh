#!/usr/bin/env bash
# The files that are made from core/config.def are what the table says now.
#
#     tests/check_generated.sh build/release/anabranch            compare
#     tests/check_generated.sh build/release/anabranch --write    make them anew
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
FILES=(docs/CONFIGURATION.md=markdown .env.example=env)

# Neither an .env nor this shell's environment has a say.
generate() {
	(cd / && env -i "$1" config -e /dev/null --doc "$2")
}

main() {
	local binary pair file made failed=0
	[[ $# -ge 1 && -x $1 ]] || { printf 'usage: %s BINARY [--write]\n' "$0" >&2; exit 64; }
	binary=$(realpath "$1")
	for pair in "${FILES[@]}"; do
		file=$ROOT/${pair%%=*}
		made=$(mktemp)
		generate "$binary" "${pair#*=}" > "$made"
		if [[ ${2:-} == --write ]]; then
			cp "$made" "$file"
			chmod 644 "$file"
		elif ! diff -u "$file" "$made"; then
			printf '%s is not what the table says. Run: tests/check_generated.sh %s --write\n' "${pair%%=*}" "$1" >&2
			failed=1
		fi
		rm -f "$made"
	done
	return "$failed"
}

main "$@"
