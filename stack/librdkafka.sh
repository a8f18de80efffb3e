#!/usr/bin/env bash
# Builds librdkafka 2.8.0 from Debian 13's source package into the cache, static, with its pkg-config file.
#
#   stack/librdkafka.sh            does nothing when the system or the cache already has a library that is new enough
#   stack/librdkafka.sh --force    builds it again
#
# Debian 12's own 2.0.2 is too old: it stalls whenever its queue fills and does not notice a truncated log. 2.8.0 as it
# is crashes now and then when a topic is deleted and made anew; librdkafka-topic-ids.patch mends that. apt checks the
# signature and the checksums of what it downloads. The system's apt configuration is not touched.
# Parallel runs are safe: one builds under a lock, the others wait and then find the result.
set -euo pipefail

VERSION=2.8.0
CACHE=${AB_CACHE_DIR:-$HOME/.cache/anabranch}
PATCH=$(dirname "$(realpath "$0")")/librdkafka-topic-ids.patch
# "patched" keeps it apart from a library that an earlier version of this script left in the cache.
PREFIX=$CACHE/librdkafka-$VERSION-patched
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

die() { printf 'librdkafka: %s\n' "$*" >&2; exit 1; }

is_built() { [[ -f $PREFIX/lib/pkgconfig/rdkafka.pc && -f $PREFIX/lib/librdkafka.a ]]; }

# The mirror this machine already uses: the first source that carries Debian itself.
# shellcheck disable=SC2016 # apt replaces $(SITE)
mirror() {
	apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sort -u | head -1
}

download() {
	local site options
	site=$(mirror)
	[[ -n $site ]] || die "no Debian mirror is known to apt. Run apt-get update once, then again."
	echo "deb-src [signed-by=$KEYRING] $site trixie main" > src.list
	mkdir -p lists/partial
	options=(-qq -o "Dir::Etc::SourceList=$PWD/src.list" -o Dir::Etc::SourceParts=/dev/null
		-o "Dir::State::Lists=$PWD/lists" -o "Dir::Cache=$PWD/aptcache" -o APT::Get::List-Cleanup=0 -o APT::Sandbox::User=)
	mkdir -p aptcache/archives/partial
	if ! apt-get "${options[@]}" update > apt.log 2>&1 ||
		! { apt-get "${options[@]}" source --download-only "librdkafka=$VERSION-*" >> apt.log 2>&1 ||
			apt-get "${options[@]}" source --download-only librdkafka >> apt.log 2>&1; }; then
		tail -n 5 apt.log >&2
		die "the source package could not be downloaded from $site. What to do: see that this machine is online, then again."
	fi
}

build() {
	local work=$1
	cd "$work"
	download
	[[ -f librdkafka_$VERSION.orig.tar.gz ]] || die "Debian 13 carries another version than $VERSION now: $(echo *.orig.tar.*)"
	mkdir source
	tar xzf "librdkafka_$VERSION.orig.tar.gz" -C source --strip-components=1
	cd source
	patch -s -p1 < "$PATCH" || die "$PATCH does not fit this source."
	# No GSSAPI: it would bring Kerberos in. lz4 is librdkafka's own copy. Everything else comes from Debian 12.
	./configure --prefix="$PREFIX" --disable-gssapi --enable-static --disable-lz4-ext > ../out.log 2>&1 ||
		{ tail -20 ../out.log >&2; die "configure failed. Packages: libssl-dev zlib1g-dev libzstd-dev libcurl4-openssl-dev"; }
	make -s -C src -j2 > ../out.log 2>&1 || { tail -20 ../out.log >&2; die "make failed."; }
	make -s -C src install DESTDIR="$work/dest" > ../out.log 2>&1 || { tail -20 ../out.log >&2; die "make install failed."; }
	use_static_only "$work/dest$PREFIX"
	mkdir -p "$(dirname "$PREFIX")"
	rm -rf "$PREFIX"
	mv "$work/dest$PREFIX" "$PREFIX"
}

# The prefix holds no shared library, so that nothing can pick up one that is not there at run time.
use_static_only() {
	local prefix=$1 pc=$1/lib/pkgconfig
	rm -f "$prefix"/lib/librdkafka.so*
	mv "$pc/rdkafka-static.pc" "$pc/rdkafka.pc"
	sed -i -e "s/^Name:.*/Name: librdkafka/" -e "s|^Libs:.*|Libs: -L\${libdir} -lrdkafka -lm -lcurl -lzstd -lssl -lcrypto -lz -ldl -lpthread -lrt|" "$pc/rdkafka.pc"
}

main() {
	local work
	if [[ ${1:-} != --force ]]; then
		pkg-config --exists 'rdkafka >= 2.8' 2>/dev/null && return
		is_built && return
	fi
	command -v dpkg-source > /dev/null || die "dpkg-source is missing: apt-get install dpkg-dev"
	mkdir -p "$CACHE"
	exec 9> "$CACHE/.librdkafka.lock"
	flock 9
	[[ ${1:-} != --force ]] && is_built && return
	work=$(mktemp -d "$CACHE/.librdkafka.XXXXXX")
	# shellcheck disable=SC2064 # the path is wanted as it is now
	trap "rm -rf '$work'" EXIT
	echo "librdkafka $VERSION: building into $PREFIX (about a minute)"
	(build "$work")
	is_built || die "the build ended without a library in $PREFIX."
	echo "librdkafka $VERSION: ready"
}

main "$@"
