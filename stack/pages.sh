#!/usr/bin/env bash
# Gets what pages are drawn with, by npm, into the cache; once it is there, this needs no network.
#
#   stack/pages.sh          uPlot, for reports and the monitor's page: prints where it lies
#   stack/pages.sh flame    d3-flame-graph, for bench/flame.sh
#
# Without npm it says so and fails; the build leaves the pages out then.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=stack/env.sh
source "$here/env.sh"
# shellcheck source=stack/lib.sh
source "$here/lib.sh"

UPLOT=uplot-1.6.32
UPLOT_SHA256=4b8a8191e425658e3ea8c8c1314b0fc679c861ee3a1af2b20c7b16ba50b5133d
FLAME=d3-flame-graph-4.1.3
FLAME_SHA256=5b9fd58798daad7515db6e1a2224c1d939c11584f79da108706dbde3942363c4

# get_package WORK NAME-VERSION SHA256 FILE…: the files of dist/ of an npm package, without their folders, and its license.
get_package() {
	local work=$1 package=$2 sha256=$3
	shift 3
	command -v npm > /dev/null || {
		echo "npm is not installed: pages are left out. What to do, if they are wanted: install Node with npm." >&2
		return 1
	}
	(cd "$work" && npm pack --silent "${package%-*}@${package##*-}") > "$work/npm.log" 2>&1 || {
		download_failed "$package" "$work/npm.log"
		return 1
	}
	echo "$sha256  $work/$package.tgz" | sha256sum --check --quiet
	tar -xzf "$work/$package.tgz" -C "$work" --transform 's|.*/||' package/LICENSE "${@/#/package/dist/}"
	rm "$work/$package.tgz" "$work/npm.log"
}

get_uplot() { get_package "$1" "$UPLOT" "$UPLOT_SHA256" uPlot.iife.min.js uPlot.min.css; }
get_flame() { get_package "$1" "$FLAME" "$FLAME_SHA256" templates/d3-flamegraph-base.html; }

case ${1:-uplot} in
uplot) cached "$UPLOT" get_uplot && echo "$AB_CACHE_DIR/$UPLOT" ;;
flame) cached "$FLAME" get_flame && echo "$AB_CACHE_DIR/$FLAME" ;;
*)
	echo "stack/pages.sh: uplot or flame, and not $1" >&2
	exit 64
	;;
esac
