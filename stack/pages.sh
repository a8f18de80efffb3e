#!/usr/bin/env bash
# Gets what pages are drawn with: uPlot, by npm, into the cache; once it is there, this needs no network.
#
#   stack/pages.sh      prints where it lies; without npm it says so and fails, and the build leaves the pages out
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=stack/env.sh
source "$here/env.sh"
# shellcheck source=stack/lib.sh
source "$here/lib.sh"

UPLOT=uplot-1.6.32
UPLOT_SHA256=4b8a8191e425658e3ea8c8c1314b0fc679c861ee3a1af2b20c7b16ba50b5133d

get_uplot() {
	local work=$1
	command -v npm > /dev/null || {
		echo "npm is not installed: pages are left out. What to do, if they are wanted: install Node with npm." >&2
		return 1
	}
	(cd "$work" && npm pack --silent "uplot@${UPLOT#uplot-}") > "$work/npm.log" 2>&1 || {
		download_failed "uPlot" "$work/npm.log"
		return 1
	}
	echo "$UPLOT_SHA256  $work/$UPLOT.tgz" | sha256sum --check --quiet
	tar -xzf "$work/$UPLOT.tgz" -C "$work" --strip-components 2 package/dist/uPlot.iife.min.js package/dist/uPlot.min.css
	tar -xzf "$work/$UPLOT.tgz" -C "$work" --strip-components 1 package/LICENSE
	rm "$work/$UPLOT.tgz" "$work/npm.log"
}

cached "$UPLOT" get_uplot
echo "$AB_CACHE_DIR/$UPLOT"
