#!/usr/bin/env bash
# Runs a command with a throw-away PostgreSQL and Redis on free loopback ports:
#   scripts/services.sh cargo nextest run
# The command finds them in TEST_DATABASE_URL and TEST_REDIS_URL. Both end with it, whatever happens.
set -euo pipefail
# shellcheck source=scripts/env.sh
. "$(dirname "$0")/env.sh"
[ $# -gt 0 ] || die "usage: services.sh COMMAND [ARGUMENT…]"

# PostgreSQL refuses to run as root; its own user must be able to walk down to the folder.
folder="$(mktemp -d /tmp/apiverse-services.XXXXXX)"
chmod 755 "$folder"
redis_pid=
command_pid=

# SIGQUIT is PostgreSQL's immediate stop; nothing here is worth a checkpoint. The process that was started is
# runuser, so the server's own id is taken from the file it writes.
# shellcheck disable=SC2317
stop_postgres() {
    local pid
    pid="$(head -1 "$folder/postgres/data/postmaster.pid" 2>/dev/null || true)"
    if [ -n "$pid" ]; then kill -QUIT "$pid" 2>/dev/null || true; fi
}

# Called by the trap.
# shellcheck disable=SC2317
stop() {
    trap - EXIT
    if [ -n "$command_pid" ]; then kill "$command_pid" 2>/dev/null || true; fi
    if [ -n "$redis_pid" ]; then kill "$redis_pid" 2>/dev/null || true; fi
    stop_postgres
    wait 2>/dev/null || true
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

free_port() {
    node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'
}

# Waits until $2… succeeds while process $1 lives.
wait_for() {
    local pid=$1 deadline=$((SECONDS + 60))
    shift
    until "$@" >/dev/null 2>&1; do
        if ! kill -0 "$pid" 2>/dev/null || [ $SECONDS -ge $deadline ]; then return 1; fi
        sleep 0.1
    done
}

if [ "$(id -u)" = 0 ]; then
    as_postgres() { runuser -u postgres -- "$@"; }
else
    as_postgres() { "$@"; }
fi

initdb="$(find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort -V | tail -1)"
bin="$(dirname "${initdb:-$(realpath "$(command -v initdb || echo /)")}")"
[ -x "$bin/pg_isready" ] || die "PostgreSQL's programs were not found; run scripts/tools.sh test"
command -v redis-server >/dev/null || die "redis-server was not found; run scripts/tools.sh test"

mkdir "$folder/postgres" "$folder/redis"
if [ "$(id -u)" = 0 ]; then chown postgres "$folder/postgres"; fi
cd "$folder"
as_postgres "$bin/initdb" -D "$folder/postgres/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$folder/initdb.log" 2>&1 ||
    { cat "$folder/initdb.log" >&2; die "initdb failed"; }

# A free port can be taken between asking and binding: try again with another.
for attempt in 1 2 3; do
    port="$(free_port)"
    as_postgres "$bin/postgres" -D "$folder/postgres/data" -p "$port" -h 127.0.0.1 -k "$folder/postgres" \
        -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300 \
        >"$folder/postgres.log" 2>&1 &
    starter=$!
    if wait_for "$starter" "$bin/pg_isready" -q -h 127.0.0.1 -p "$port" -U postgres; then break; fi
    stop_postgres
    wait "$starter" 2>/dev/null || true
    [ "$attempt" = 3 ] && { cat "$folder/postgres.log" >&2; die "PostgreSQL did not start"; }
done
export TEST_DATABASE_URL="postgres://postgres@127.0.0.1:$port/postgres"

for attempt in 1 2 3; do
    port="$(free_port)"
    redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$folder/redis" \
        >"$folder/redis.log" 2>&1 &
    redis_pid=$!
    if wait_for "$redis_pid" redis-cli -h 127.0.0.1 -p "$port" ping; then break; fi
    kill "$redis_pid" 2>/dev/null || true
    redis_pid=
    [ "$attempt" = 3 ] && { cat "$folder/redis.log" >&2; die "Redis did not start"; }
done
export TEST_REDIS_URL="redis://127.0.0.1:$port"

export TEST_HTTPBIN="$APIVERSE_CACHE/python/bin/python"
export TEST_JSON_SERVER="$ROOT/node_modules/.bin/json-server"
export TEST_CACHE_SUITE="$ROOT/node_modules/http-cache-tests"

# In the background, because a shell heeds signals only between commands in the foreground.
cd "$ROOT"
"$@" <&0 &
command_pid=$!
wait "$command_pid" && status=0 || status=$?
command_pid=
exit "$status"
