#!/usr/bin/env bash
# Installs the Debian packages of stack/packages.txt that are missing.
#
#   stack/packages.sh build stack    installs what these groups need (build, stack, check, pages); nothing missing: does nothing
#   stack/packages.sh --list check   prints what is missing, installs nothing
#
# Root installs; anybody else gets the exact line to run, and this fails.
set -euo pipefail

LIST=$(cd "$(dirname "$0")" && pwd)/packages.txt

wanted() {
	local group
	for group in "$@"; do
		awk -v group="$group" '$1 !~ /^#/ && $2 == group { print $1 }' "$LIST"
	done | sort -u
}

missing() {
	local package
	wanted "$@" | while read -r package; do
		# Node from elsewhere brings an npm of its own, and does not stand Debian's beside it.
		[[ $package != npm ]] || ! command -v npm > /dev/null || continue
		dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null | grep -qx installed || echo "$package"
	done
}

main() {
	local only_list=no packages
	if [[ ${1:-} == --list ]]; then
		only_list=yes
		shift
	fi
	command -v dpkg-query > /dev/null || {
		echo "warning: this is not a Debian system; needed are the equivalents of: $(wanted "$@" | paste -sd ' ')" >&2
		return 0
	}
	mapfile -t packages < <(missing "$@")
	((${#packages[@]} > 0)) || return 0
	if [[ $only_list == yes ]]; then
		printf '%s\n' "${packages[@]}"
	elif [[ $EUID -ne 0 ]]; then
		printf 'error: packages are missing. Run this once, then the same command again:\n' >&2
		printf '  sudo apt-get install -y --no-install-recommends %s\n' "${packages[*]}" >&2
		return 1
	else
		install "${packages[@]}"
	fi
}

install() {
	local log
	log=$(mktemp)
	echo "installing packages: $*"
	# Debian's packages would start a PostgreSQL and a Redis of their own on our ports; a policy keeps them still.
	if ! { apt-get -o DPkg::Lock::Timeout=600 -qq update &&
		with_quiet_services apt-get -o DPkg::Lock::Timeout=600 -qq install -y --no-install-recommends "$@"; } > "$log" 2>&1; then
		tail -n 15 "$log" | sed 's/^/    | /' >&2
		echo "error: the packages could not be installed. What to do: see the lines above; is this machine online?" >&2
		rm -f "$log"
		return 1
	fi
	rm -f "$log"
}

# policy-rc.d answers 101 ("not allowed") while the packages are set up. One that is already there is left as it is.
with_quiet_services() {
	local policy=/usr/sbin/policy-rc.d status=0
	export DEBIAN_FRONTEND=noninteractive
	if [[ -e $policy ]]; then
		"$@"
		return
	fi
	printf '#!/bin/sh\nexit 101\n' > "$policy"
	chmod +x "$policy"
	"$@" || status=$?
	rm -f "$policy"
	keep_disabled "$@"
	return $status
}

# What was installed here for its programs only must not come up at the next boot and take our ports.
keep_disabled() {
	local service
	command -v systemctl > /dev/null || return 0
	for service in postgresql redis-server; do
		if [[ " $* " == *" $service "* ]]; then
			systemctl disable -q "$service" 2> /dev/null || true
		fi
	done
}

main "$@"
