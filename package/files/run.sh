#!/bin/sh
# kelvin-provision, self-extracting: version @VERSION@, architecture @ARCHITECTURE@
# A POSIX shell with tail, gzip, tar, df and uname, as busybox has them, installs it; nothing is written outside of PREFIX before it is whole.
set -eu
umask 022
PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin
version='@VERSION@' machine='@MACHINE@' loader='@LOADER@' bytes=@BYTES@ skip=@SKIP@ unpacked=@UNPACKED@ digest='@DIGEST@'
prefix=/opt/kelvin-provision action=install purge=

fail() {
	code=$1
	shift
	printf 'kelvin-provision: %s\n' "$*" >&2
	exit "$code"
}

help() {
	cat <<-END
		kelvin-provision $version for Linux on $machine. As root:

		  sh FILE                    installs it, or upgrades to it, below PREFIX/$version, and keeps the version before
		  sh FILE --check            checks this file and this box, and changes nothing
		  sh FILE --uninstall        removes all versions; state and settings stay without --purge
		  --prefix PREFIX            where versions lie [default: $prefix]

		Then: kelvin-provision setup; kelvin-provision self list, self rollback; self verify FILE for the next one.
	END
}

while [ $# -gt 0 ]; do
	case $1 in
	--help | -h) help && exit 0 ;;
	--check) action=check ;;
	--uninstall) action=uninstall ;;
	--purge) purge=--purge ;;
	--prefix) [ $# -gt 1 ] || fail 2 "--prefix needs a folder" && prefix=$2 && shift ;;
	--prefix=*) prefix=${1#--prefix=} ;;
	*) fail 2 "unknown: $1; see --help" ;;
	esac
	shift
done
prefix=${prefix%/}
case $prefix in
/*) ;;
*) fail 2 "--prefix must be an absolute path" ;;
esac
case $prefix in
*[!A-Za-z0-9._/+-]* | */../* | */..) fail 2 "--prefix may have letters, digits and . _ + - alone" ;;
esac

[ "$(uname -s)" = Linux ] || fail 65 "this is for Linux, and this is $(uname -s)"
case $(uname -m) in
"$machine") ;;
armv* | arm) fail 65 "this box is $(uname -m), which is not supported: a 64-bit system is needed" ;;
*) fail 65 "this is for $machine, and this box is $(uname -m): take the file for it" ;;
esac

# Every byte is checked before any is used.
[ "$(wc -c <"$0")" -eq "$bytes" ] || fail 65 "$0 has $(wc -c <"$0" | tr -d ' ') bytes instead of $bytes: it was cut; copy it again"
if command -v sha256sum >/dev/null; then
	found=$(tail -c "+$skip" "$0" | sha256sum | cut -d' ' -f1)
	[ "$found" = "$digest" ] || fail 65 "$0 is damaged (SHA-256 of its content is $found instead of $digest): copy it again"
else
	tail -c "+$skip" "$0" | gzip -t 2>/dev/null || fail 65 "$0 is damaged: copy it again"
fi

[ "$action" != check ] || { echo "kelvin-provision: $version fits this box, and the file is whole" && exit 0; }
[ "$(id -u)" = 0 ] || fail 77 "run it as root"

if [ "$action" = uninstall ]; then
	[ -x "$prefix/current/bin/python" ] || fail 66 "nothing is installed below $prefix"
	exec "$prefix/current/bin/python" -m kelvin_provision.installation uninstall --prefix "$prefix" $purge
fi

mkdir -p "$prefix" 2>/dev/null || fail 73 "cannot write below $prefix: choose another folder with --prefix"
free=$(df -Pk "$prefix" | tail -n 1 | awk '{print $4}')
[ "$free" -ge "$unpacked" ] || fail 73 "$prefix has $free KiB free, and $unpacked KiB are needed"

incoming=$prefix/.incoming.$$
trap 'rm -rf "$incoming"' EXIT
trap 'exit 130' INT TERM HUP
rm -rf "$incoming"
mkdir "$incoming" 2>/dev/null || fail 73 "cannot write below $prefix: choose another folder with --prefix"
tail -c "+$skip" "$0" | gzip -dc | tar -xf - -C "$incoming" || fail 73 "it could not be unpacked below $prefix; the version before still works"
[ -f "$incoming/release.json" ] || fail 73 "it could not be unpacked below $prefix; the version before still works"
"$incoming/runtime/$loader" --inhibit-cache --library-path "$incoming/runtime" --argv0 "$incoming/bin/python" \
	"$incoming/runtime/python3.11" -I -m kelvin_provision.installation install --prefix "$prefix" --incoming "$incoming"
exit $?
