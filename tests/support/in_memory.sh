#!/bin/sh
# Run a command whose temporary files lie in memory, where the machine has room for them there.
#
# The tests make and delete very many small files. That costs the file system of a disk much processor
# time: most of it for PostgreSQL, which has some files for each table. What is left goes in the end.
set -u

memory=/dev/shm
needed=6000000 # KiB; 1,250 tests of catalogs leave 700,000

free() {
  df -Pk "$memory" 2>/dev/null | awk 'NR == 2 { print $4 }'
}

# Some systems let nothing be executed in memory, which tests do.
executes() {
  printf '#!/bin/sh\n' >"$1/try" && chmod 700 "$1/try" && "$1/try" 2>/dev/null
}

if [ -z "${TMPDIR:-}" ]; then
  room=$(free)
  if [ "${room:-0}" -ge "$needed" ] && place=$(mktemp -d "$memory/t.XXXXXX"); then
    trap 'rm -rf "$place"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    chmod 711 "$place" # PostgreSQL runs as a user of its own
    if executes "$place"; then
      export TMPDIR="$place"
    fi
  fi
fi
"$@"
