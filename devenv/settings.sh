# Sourced by the scripts of this folder: where the development servers live and how they are reached.
# Every value can be set from outside; the defaults keep everything inside the checkout, on loopback.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
data=${DEVENV_DATA:-$here/data}                      # data, logs and pid files of all of them
case $data in /*) ;; *) data=$PWD/$data ;; esac
config_file=${DEVENV_CONFIG:-$root/config.yaml}      # what devenv/up writes

ceph_data=$data/ceph
ceph_osds=${DEVENV_CEPH_OSDS:-3}
ceph_osd_size=${DEVENV_CEPH_OSD_SIZE:-20G}           # sparse: takes what is stored
ceph_mon_port=${DEVENV_CEPH_MON_PORT:-43300}
rgw_port=${DEVENV_RGW_PORT:-8000}
s3_access_key_id=${DEVENV_S3_ACCESS_KEY_ID:-stemma-access}
s3_secret_access_key=${DEVENV_S3_SECRET_ACCESS_KEY:-stemma-secret-0123456789}
s3_bucket=${DEVENV_S3_BUCKET:-stemma}

postgres_data=$data/postgres
postgres_port=${DEVENV_POSTGRES_PORT:-15432}
postgres_password=${DEVENV_POSTGRES_PASSWORD:-stemma}
database_url=postgres://stemma:$postgres_password@127.0.0.1:$postgres_port/stemma

say() { printf '%s: %s\n' "$(basename "$0")" "$*"; }
fail() { say "$*" >&2; exit 1; }

# is_running PID NAME…: a process of that command name lives. /proc is asked, not kill -0, since a zombie still answers to signals.
is_running() {
  local pid=$1 name comm; shift
  comm=$(cat "/proc/$pid/comm" 2>/dev/null) || return 1
  ! grep -q '^State:[[:space:]]*Z' "/proc/$pid/status" 2>/dev/null || return 1
  for name in "$@"; do [ "$comm" != "$name" ] || return 0; done
  return 1
}

# is_ceph_daemon PID: lives, and belongs to this cluster and not to another one whose pid files look the same.
is_ceph_daemon() {
  is_running "$1" ceph-mon ceph-mgr ceph-osd ceph-mds radosgw &&
    { tr '\0' '\n' <"/proc/$1/environ"; } 2>/dev/null | grep -qxF "CEPH_CONF=$ceph_data/ceph.conf"
}

# wait_for WHAT SECONDS COMMAND…: until the command succeeds, or fails loudly.
wait_for() {
  local what=$1 end=$((SECONDS + $2)); shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || fail "timeout: $what"
    sleep 0.1
  done
}

# install_packages NAME…: Debian packages, quietly; says what to type when it may not.
install_packages() {
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get)
  command -v apt-get >/dev/null || fail "needs $*: install them with this system's package manager"
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || fail "needs packages; type: sudo apt-get install --no-install-recommends $*"
    apt=(sudo -n "${apt[@]}")
  fi
  mkdir -p "$data"
  say "installing $*"
  "${apt[@]}" install -y --no-install-recommends "$@" >"$data/apt.log" 2>&1 && return
  { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "$@"; } >"$data/apt.log" 2>&1 ||
    { tail -n 5 "$data/apt.log" >&2; fail "apt-get could not install them: $data/apt.log"; }
}
