#!/bin/sh
# Tries what the image does, step by step, where no container engine is: the steps of packaging/Containerfile are run in
# directories, and its user, environment and command are taken from it.
#
#   packaging/try-image.sh [DIRECTORY]
#
# DIRECTORY keeps what the first stage makes (target/image if not given): a Python, which may take minutes, and a wheel. What
# is there is not made again; `packaging/image-steps.sh build DIRECTORY` makes it with this machine's own. Needs root and
# mmdebstrap.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
result=$(realpath -m "${1:-$here/../target/image}")
mkdir -p "$result"
suite=trixie

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
say() { echo "try-image: $*" >&2; }
# The value of a line of the Containerfile's last stage.
line() { sed -n "s/^$1 *//p" "$here/Containerfile" | tail -n 1; }

if [ ! -e "$result/python" ]; then
  say "first stage: a Python and a wheel"
  root="$work/build"
  "$here/root.sh" "$suite" "$root" python3-pip
  mkdir "$root/src"
  (cd "$here/.." && tar -c --exclude=./target --exclude=./.git --exclude=__pycache__ .) | tar -x -C "$root/src"
  BIND="$(rustc --print sysroot):/rust ${CARGO_HOME:-$HOME/.cargo}:/cargo $result:/result" "$here/in-root.sh" "$root" \
    sh -c 'export PATH="/rust/bin:$PATH" CARGO_HOME=/cargo; cd /src; exec packaging/image-steps.sh build /result' >&2
  rm -rf "$root"
fi

say "second stage: the image"
root="$work/image"
"$here/root.sh" "$suite" "$root" mount,iproute2
mkdir "$root/steps" "$root/result"
cp "$here/image-steps.sh" "$here/image/serve" "$here/image/healthy" "$root/steps/"
cp "$result"/* "$root/result/"
"$here/in-root.sh" "$root" sh -c '/steps/image-steps.sh install /steps /result && rm -rf /steps /result'
cat >"$root/srv/app/app.wsgi" <<'APP'
import os, sys, time

def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(3)
    print("a line for the log", file=environ["wsgi.errors"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"user {os.getuid()}, GIL {sys._is_gil_enabled()}\n".encode()]
APP

[ "$(line STOPSIGNAL)" = SIGWINCH ]
[ "$(line ENTRYPOINT)" = '["serve"]' ]
[ "$(line HEALTHCHECK | sed 's/.*CMD //')" = '["healthy"]' ]
cat >"$root/run.sh" <<'RUN'
set -eu
export PATH="$1"
directory=$2
user=$3
# As an engine starts it: a network of its own, its user, a pipe for the log, nothing to write to but /tmp.
ip link set lo up
mount --bind / /mnt
mount -o remount,ro,bind /mnt
mount -t tmpfs tmpfs /mnt/tmp
mount -t proc proc /mnt/proc
mount --rbind /dev /mnt/dev
user() { chroot --userspec="$user" /mnt env -C "$directory" PATH="$PATH" "$@"; }
mkfifo /run/log
cat </run/log >/run/said &
# No function: the process is the program itself then, as the first one of a container is.
chroot --userspec="$user" /mnt env -C "$directory" PATH="$PATH" PYTHONUNBUFFERED=1 serve app.wsgi >/run/log 2>&1 &
server=$!
started=$(date +%s)
until user healthy 2>/dev/null; do
  [ $(($(date +%s) - started)) -lt 120 ] || { cat /run/said; echo "not healthy"; exit 1; }
  kill -0 "$server" || { cat /run/said; echo "it has ended"; exit 1; }
  sleep 0.2
done
curl -fsS http://127.0.0.1:8080/
[ "$(curl -fsS http://127.0.0.1:8080/)" = "user ${user%%:*}, GIL False" ]
for pid in $(ls /proc | grep '^[0-9]*$'); do
  case $(tr '\0' ' ' 2>/dev/null </proc/"$pid"/cmdline) in
    *apache2*) [ "$(stat -c %u /proc/"$pid")" = "${user%%:*}" ] || { echo "process $pid is not the user's"; exit 1; } ;;
  esac
done
# Stopped while a request runs: the request is answered, probes are refused, new requests are taken until the drain time is over.
curl -fsS -o /run/slow http://127.0.0.1:8080/slow &
slow=$!
sleep 1
stopped=$(date +%s.%N)
kill -WINCH "$server"
refused=
while kill -0 "$server" 2>/dev/null; do
  if ! user healthy 2>/dev/null && curl -fsS -o /dev/null http://127.0.0.1:8080/ 2>/dev/null; then refused=1; fi
  sleep 0.1
done
wait "$server" || { cat /run/said; echo "its exit status is $?"; exit 1; }
ended=$(date +%s.%N)
wait "$slow" || { echo "the request under way was lost"; exit 1; }
[ -n "$refused" ] || { echo "probes were not refused while it drained"; exit 1; }
grep -q "a line for the log" /run/said && grep -q '"GET /slow HTTP/1.1" 200' /run/said || { cat /run/said; exit 1; }
echo "$stopped $ended" | awk '{ printf "stopped %.1f s after SIGWINCH\n", $2 - $1; exit !($2 - $1 < 15) }'
RUN
path=$(sed -n 's/^ENV PATH=\([^ ]*\).*/\1/p' "$here/Containerfile")
# shellcheck disable=SC2046  # words
"$here/in-root.sh" "$root" unshare --net sh /run.sh "$path:/usr/sbin" "$(line WORKDIR)" "$(line USER)" >&2
say "served, healthy, drained and stopped as user $(line USER)"
