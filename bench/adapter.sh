#!/bin/sh
# Runs hauld on a manifest of a side-by-side rig: MANIFEST CONNECTIONS.
# The manifest is a JSON list of {url, dest, sha256?, decompress?, mirrors?}
# with plain strings; BENCH_CAFILE is the CA of its https server; HAULD the
# program; HAUL_FSYNC the durability ("off", as curl and aria2 have it).
# awk, because a JSON tool takes longer to start than hauld.
set -eu
list=$1.haul
awk -v RS='}' '
function value(key,    at) {
	at = match($0, "\"" key "\": *\"[^\"]*\"")
	if (!at)
		return ""
	at = substr($0, RSTART, RLENGTH)
	sub(/^"[^"]*": *"/, "", at)
	return substr(at, 1, length(at) - 1)
}
value("url") != "" {
	line = value("url")
	if (match($0, /"mirrors": *\[[^]]*\]/)) {
		more = substr($0, RSTART, RLENGTH)
		sub(/^"mirrors": *\[/, "", more)
		gsub(/[]" ]/, "", more)
		gsub(/,/, "\t", more)
		line = line "\t" more
	}
	print line
	print "  out=" value("dest")
	if (value("sha256") != "")
		print "  checksum=sha-256=" value("sha256")
	if (value("decompress") != "")
		print "  decompress=" value("decompress")
}' "$1" >"$list"
# shellcheck disable=SC2086 # HAUL_ARGS are words
exec "${HAULD:-hauld}" --once --no-progress --log-level err --fsync "${HAUL_FSYNC:-off}" \
	--max-concurrent-downloads "$2" --max-connections-per-host "$2" \
	${BENCH_CAFILE:+--cacert "$BENCH_CAFILE"} ${HAUL_ARGS:-} --root "$PWD" -i "$list" >/dev/null
