#!/usr/bin/env bash
# Where the engine's time goes, as a flame graph.
#
#   bench/flame.sh [SECONDS] [OUT.html] [PID]     10, flame.html, the oldest running `anabranch run`
#
# With perf: by the host's counters, or by its clock where it has none. Without perf: gdb stops the engine about twice a
# second and looks at all its threads, which is slow, and enough to see what is large. The page is drawn by d3-flame-graph
# (stack/pages.sh gets it by npm, once); without npm the folded stacks are kept instead.
set -euo pipefail

SECONDS_WANTED=${1:-10}
OUT=${2:-flame.html}
HERE=$(cd "$(dirname "$0")" && pwd)
ENGINE=${3:-$(pgrep -of 'anabranch run' || true)}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

[[ -n $ENGINE ]] || { echo "flame: no 'anabranch run' is running: start one, or name its pid" >&2; exit 1; }

fold_perf() {
	perf script -i "$WORK/perf.data" -F comm,ip,sym 2> /dev/null | awk '
		/^[^ \t]/ { comm = $1; n = 0; next }
		NF >= 2 { sub(/^[ \t]*[0-9a-f]+ /, ""); sub(/\+0x[0-9a-f]+$/, ""); gsub(/[; ]/, "_"); frame[n++] = $0; next }
		n > 0 { line = comm; for (i = n - 1; i >= 0; i--) line = line ";" frame[i]; count[line]++; n = 0 }
		END { for (line in count) print line, count[line] }'
}

sample_gdb() {
	local end=$((SECONDS + SECONDS_WANTED))
	while ((SECONDS < end)); do
		gdb -p "$ENGINE" -batch -ex 'thread apply all bt' 2> /dev/null || true
		sleep 0.2
	done | awk '
		function flush() { if (n > 0) { line = comm; for (i = n - 1; i >= 0; i--) line = line ";" frame[i]; count[line]++ } n = 0 }
		/^Thread / { flush(); comm = $0; sub(/.*"/, "", comm); if (match($0, /"[^"]*"/)) comm = substr($0, RSTART + 1, RLENGTH - 2); next }
		/^#/ { name = $0; sub(/^#[0-9]+ +(0x[0-9a-f]+ in )?/, "", name); sub(/ .*/, "", name); frame[n++] = name }
		END { flush(); for (line in count) print line, count[line] }'
}

if command -v perf > /dev/null && perf record -q -F 499 -g -p "$ENGINE" -o "$WORK/perf.data" -- sleep "$SECONDS_WANTED" 2> "$WORK/words"; then
	fold_perf > "$WORK/folded"
else
	command -v gdb > /dev/null || { echo "flame: neither perf nor gdb: apt-get install linux-perf" >&2; exit 1; }
	sample_gdb > "$WORK/folded"
fi
if template=$("$HERE/../stack/pages.sh" flame); then
	"$HERE/flame_page.py" "$template/d3-flamegraph-base.html" "anabranch, pid $ENGINE, $SECONDS_WANTED s, $(uname -n)" \
		< "$WORK/folded" > "$OUT"
	echo "$OUT"
else
	cp "$WORK/folded" "${OUT%.html}.folded"
	echo "${OUT%.html}.folded: stacks and counts, a line each"
fi
awk '{ n = $NF; sub(/ [0-9]+$/, ""); k = split($0, f, ";"); own[f[1] " " f[k]] += n; all += n }
	END { for (name in own) printf "%5.1f %%  %s\n", 100 * own[name] / all, name }' "$WORK/folded" | sort -rn | head -15
