#!/usr/bin/env bash
# Every check there is. Goes on after a failure, so that one run shows all of them; the last line is the sum.
set -uo pipefail
# shellcheck source=scripts/env.sh
. "$(dirname "$0")/env.sh"
cd "$ROOT" || exit 1

"$ROOT/scripts/tools.sh" test || exit 1

logs="$(mktemp -d)"
trap 'rm -rf "$logs"' EXIT
failures=()
passed=0 failed=0 skipped=0
locked=()
if [ -n "${CI:-}" ]; then locked=(--locked); fi

# step NAME COMMAND…: runs it, shows its output, keeps it for counting in $log.
step() {
    local name=$1 status=0 start=$SECONDS
    shift
    say "$name"
    log="$logs/$name"
    "$@" 2>&1 | tee "$log" || status=$?
    sed -i 's/\x1b\[[0-9;]*m//g' "$log"
    printf '   %s: %s in %d s\n' "$name" "$([ $status = 0 ] && echo ok || echo FAILED)" $((SECONDS - start))
    if [ $status != 0 ]; then failures+=("$name"); fi
    return $status
}

# number WORDS FILE: the sum of the numbers that stand before one of WORDS.
number() { grep -oE "[0-9]+ ($1)" "$2" 2>/dev/null | awk '{ sum += $1 } END { print sum + 0 }'; }

# $1 passed, $2 failed, $3 skipped, $4 the step's status: a step that failed without a failed test still counts.
add() {
    passed=$((passed + $1))
    skipped=$((skipped + $3))
    if [ "$4" != 0 ] && [ "$2" = 0 ]; then failed=$((failed + 1)); else failed=$((failed + $2)); fi
}

checks() { step "$@" || failed=$((failed + 1)); }

# What a wrong run shows in seconds comes first.
checks "format" cargo fmt --all --check
checks "layers" python3 scripts/check-layers.py
checks "lock file" scripts/check-lock.sh
checks "browser test types" tsc --noEmit -p end2end
if command -v shellcheck >/dev/null; then checks "shell scripts" shellcheck -x scripts/*.sh scripts/wasm/*.sh bench/run.sh .ci/run; fi
if command -v cargo-deny >/dev/null; then checks "licences and bans" cargo deny check licenses bans sources; fi

checks "clippy" cargo clippy "${locked[@]}" --workspace --exclude apiverse-frontend --all-targets -- -D warnings
checks "clippy wasm" cargo clippy "${locked[@]}" -p apiverse-frontend --target wasm32-unknown-unknown -- -D warnings

step "unit, conformance and black-box tests" \
    scripts/services.sh cargo nextest run "${locked[@]}" --workspace --exclude apiverse-frontend ${CI:+--profile ci}
status=$?
summary="$logs/summary"
grep -E '^ *Summary \[' "$log" | tail -1 >"$summary"
add "$(number passed "$summary")" "$(number 'failed|timed out|exec failed' "$summary")" "$(number skipped "$summary")" $status

step "doc tests" cargo test "${locked[@]}" --workspace --exclude apiverse-frontend --doc
status=$?
grep -E '^test result:' "$log" >"$summary"
add "$(number passed "$summary")" "$(number failed "$summary")" "$(number ignored "$summary")" $status

if step "release build" scripts/build.sh; then
    checks "size of the console" node scripts/check-size.mjs "$DIST/site"
    step "browser tests" scripts/e2e.sh test
    status=$?
    grep -E '^ +[0-9]+ (passed|failed|skipped|flaky|did not run|interrupted)' "$log" >"$summary"
    add "$(number 'passed|flaky' "$summary")" "$(number 'failed|did not run|interrupted' "$summary")" \
        "$(number skipped "$summary")" $status
else
    failed=$((failed + 1))
fi

echo
for name in "${failures[@]}"; do echo "FAILED: $name"; done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "${#failures[@]}" = 0 ]
