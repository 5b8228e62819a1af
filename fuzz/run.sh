#!/usr/bin/env bash
# Runs fuzz targets: run.sh [SECONDS [TARGET…]]
# Coverage and comparisons are told to libFuzzer by LLVM's own instrumentation, which the stable
# compiler has too; only the fuzzed crates are built with it.
set -euo pipefail
cd "$(dirname "$0")"
seconds="${1:-60}"
shift || true
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || targets=(request answer chunked forwarded journal key documents)

flags="-Cpasses=sancov-module -Ccodegen-units=1 -Cllvm-args=-sanitizer-coverage-level=4"
flags+=" -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
flags+=" -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing"
host="$(rustc -vV | sed -n 's/^host: //p')"
# With --target, build scripts and macros are built without the flags.
RUSTFLAGS="$flags" cargo build --release --target "$host" --target-dir target

for target in "${targets[@]}"; do
    mkdir -p "artifacts/$target" "grown/$target" "corpus/$target"
    echo "== $target, $seconds s"
    "target/$host/release/$target" -max_total_time="$seconds" -max_len=4096 -print_final_stats=1 \
        -artifact_prefix="artifacts/$target/" "grown/$target" "corpus/$target" 2>&1 |
        grep -E "panicked|assert|ERROR|SUMMARY|stat::number_of_executed|stat::average|Test unit|DONE" || true
    if [ -n "$(ls -A "artifacts/$target")" ]; then
        echo "broken: see fuzz/artifacts/$target" >&2
        exit 1
    fi
done
