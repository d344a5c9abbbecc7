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

# Remove the directory $1 when nobody has its pipe open any more: the command has ended, however.
sweep() {
  trap '' HUP INT TERM
  cat "$1/pipe"
  rm -rf "$1"
}

if [ -z "${TMPDIR:-}" ]; then
  room=$(free)
  if [ "${room:-0}" -ge "$needed" ] && place=$(mktemp -d "$memory/t.XXXXXX"); then
    chmod 711 "$place" # PostgreSQL runs as a user of its own
    if executes "$place" && mkfifo "$place/pipe"; then
      sweep "$place" </dev/null >/dev/null 2>&1 &
      exec 9>"$place/pipe"
      export TMPDIR="$place"
    else
      rm -rf "$place"
    fi
  fi
fi
# In the place of this shell, so that the command gets all signals itself.
exec "$@"
