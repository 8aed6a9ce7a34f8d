# Sourced after settings.sh by postgres-up and postgres-down: finding PostgreSQL, and being somebody else than root.

# newest_postgres: the bin folder of the newest server from 15 on.
newest_postgres() {
  local version
  for version in $(ls /usr/lib/postgresql 2>/dev/null | grep -E '^[0-9]+$' | sort -rn); do
    if [ "$version" -ge 15 ] && [ -x "/usr/lib/postgresql/$version/bin/initdb" ]; then
      echo "/usr/lib/postgresql/$version/bin"
      return 0
    fi
  done
  return 1
}

# PostgreSQL refuses to run as root.
run_as=$(id -un)
if [ "$(id -u)" = 0 ]; then
  run_as=nobody
  if getent passwd postgres >/dev/null; then run_as=postgres; fi
fi

# as_user COMMAND…: as $run_as. From /, since it may not be able to stand where we do.
as_user() {
  if [ "$(id -u)" != 0 ]; then (cd / && "$@"); return; fi
  (cd / && setpriv --reuid "$run_as" --regid "$(id -g "$run_as")" --clear-groups "$@")
}

own() { if [ "$(id -u)" = 0 ]; then chown -R "$run_as" "$1"; fi; }

postgres_is_up() {
  local pid_file=$postgres_data/cluster/postmaster.pid
  [ -s "$pid_file" ] && is_running "$(head -n 1 "$pid_file")" postgres postmaster
}

# A server that was killed leaves its pid file, and as long as its zombie stands there PostgreSQL takes the pid for a living server. The
# file may go when no process works in the folder any more: its own processes end by themselves when they see that the server is gone.
remove_stale_pid_file() {
  local pid_file=$postgres_data/cluster/postmaster.pid
  [ -e "$pid_file" ] || return 0
  wait_for 'the processes of the killed server end' 30 nobody_works_there
  rm -f "$pid_file"
}
nobody_works_there() {
  local process
  for process in /proc/[0-9]*; do
    [ "$(readlink "$process/cwd" 2>/dev/null)" != "$postgres_data/cluster" ] || return 1
  done
}
