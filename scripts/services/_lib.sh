# What the scripts of this folder share; a script sets NAME and sources this file. Each script is one real server for
# tests, benchmarks and the demo:
#
#   NAME start          starts it if it does not run (quick when it does), waits until it answers, prints what env prints
#   NAME stop           ends it; its data stay
#   NAME env            prints the lines to set: . <(scripts/services/NAME env)
#
# Everything of a server lies in $UDON_SERVICES_DIR/NAME (default: .deps/services); remove that folder after `stop` for a
# clean start. All listen on 127.0.0.1 only. A port is the script's variable if that is set, else the one of the last
# start, else the script's default, else (if another program has it) a free one: two checkouts run beside each other.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
SERVICES_DIR=${UDON_SERVICES_DIR:-$ROOT/.deps/services}
mkdir -p "$SERVICES_DIR/$NAME"
SERVICES_DIR=$(cd "$SERVICES_DIR" && pwd -P)
D=$SERVICES_DIR/$NAME

say() { echo "$NAME: $*" >&2; }
die() { say "$@"; exit 1; }
need() { command -v "$1" >/dev/null || [ -x "$1" ] || die "$1 is missing: run scripts/setup"; }

port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# port_of WHAT VARIABLE DEFAULT: the port on which WHAT listens or will; remembered in $D/WHAT.port.
port_of() {
  local file=$D/$1.port port=${!2:-}
  [ -n "$port" ] || port=$(cat "$file" 2>/dev/null) || port=$3
  echo "$port"
}
# free_port_of WHAT VARIABLE DEFAULT: the same for a server that is not running and about to start: nobody else has it.
free_port_of() {
  local port; port=$(port_of "$@")
  if port_open "$port"; then
    [ -z "${!2:-}" ] || die "port $port (\$$2) is taken by another program"
    # Below the range from which the kernel gives ports to clients.
    for port in $(seq $(($3 + 1 + RANDOM % 4000)) 32767); do port_open "$port" || break; done
  fi
  echo "$port" | tee "$D/$1.port"
}

# A pid alone is reused: the process counts only if its command line holds this text (its data folder).
runs() { # runs PIDFILE TEXT
  local pid; pid=$(head -n1 "$1" 2>/dev/null) && [ -n "$pid" ] || return 1
  tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | holds "$2"
}

# Reads to the end, unlike grep -q: the writer of a pipe that is left early is killed, and the whole would have failed.
holds() { grep -F -- "$1" >/dev/null; }

# daemon LOG CMD...: runs CMD in a session of its own, without our lock and pipes; its pid is in $DAEMON_PID.
daemon() {
  local log=$1; shift
  setsid "$@" >>"$log" 2>&1 </dev/null 9>&- &
  DAEMON_PID=$!
  # Until it is the program it bears our command line, and would be taken for one that has ended.
  while [ "$(readlink "/proc/$DAEMON_PID/exe")" = "$(readlink "/proc/$$/exe")" ]; do sleep 0.01; done
}

# wait_for SECONDS LOG CMD...: until CMD succeeds; else shows the end of LOG and fails.
wait_for() {
  local end=$((SECONDS + $1)) log=$2; shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { tail -n 20 "$log" >&2 || true; die "does not answer: $*"; }
    sleep 0.05
  done
}

# tls_certificate FOLDER: server.crt (which is its own authority) and server.key for 127.0.0.1 and localhost.
tls_certificate() {
  [ -s "$1/server.crt" ] && return 0
  mkdir -p "$1"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=localhost" \
    -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" -keyout "$1/server.key" -out "$1/new.crt" 2>"$1/openssl.log" ||
    die "openssl failed: $(tail -n 3 "$1/openssl.log")"
  chmod 600 "$1/server.key"
  mv "$1/new.crt" "$1/server.crt"
}

# main: one start or stop at a time for each folder, whoever calls.
main() {
  case "${1:-}" in
    start | stop) exec 9>"$D/lock"; flock -w 300 9 || die "another start or stop hangs"; "do_$@" ;;&
    start | env) do_env ;;
    stop) ;;
    *) echo "usage: $0 start|stop|env" >&2; exit 2 ;;
  esac
}
