#!/usr/bin/env bash
# Tests and benchmarks on a machine with an NVIDIA card, which needs no JDK, no Maven and no network.
#
#   gpu_machine.sh pack FOLDER     here: builds with -Pcuda and writes FOLDER/part-*, each below 60 MiB
#   gpu_machine.sh receive PART... there: adds parts, in their order, to what has come
#   gpu_machine.sh run [RESULTS]   there: unpacks, runs the tests tagged "gpu", then both sides of the benchmark;
#                                  prints a short table last; RESULTS gets the logs and the numbers
#
# "there" needs python3 with torch for CUDA 13 (its nvidia-* packages have cuBLAS, cuDNN, NCCL and the like), transformers and
# peft; with bitsandbytes Python's quantized lines are measured too. What comes is kept in $PEFT_GPU_HOME (~/.peft-gpu).
# BENCH_OPTIONS=--quick BENCH_DEVICE=cpu only tries the second half.
set -euo pipefail

home=${PEFT_GPU_HOME:-$HOME/.peft-gpu}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cuda=13.1-9.19-1.5.13
junit=org.junit.platform:junit-platform-console-standalone:1.11.4

pack() {
  local folder=${1:?folder for the parts} root work jar
  root=$(cd "$here/../../../.." && pwd)
  work=$(mktemp -d)
  mkdir -p "$folder" "$work/peft/jars" "$work/peft/natives" "$work/peft/tests"
  cd "$root"
  mvn -B -Pcuda -DskipTests package
  mvn -B dependency:copy -Dartifact=$junit -DoutputDirectory="$work/peft"
  # peft-java's class path with -Pcuda; of the CUDA libraries only those that must fit the bindings.
  tr ':' '\n' < peft-java/target/classpath.txt | while read -r jar; do
    case $jar in
      */cuda-redist-$cuda-*.jar)
        unzip -qoj "$jar" '*/libcudart.so.*' '*/libnvrtc.so.*' '*/libnvrtc-builtins.so.*' -d "$work/peft/natives" ;;
      *) cp "$jar" "$work/peft/jars/" ;;
    esac
  done
  cp peft-java/target/peft-java.jar "$work/peft/jars/"
  for module in bindings quantization integration-tests; do
    cp -r "$module/target/test-classes" "$work/peft/tests/$module"
  done
  mkdir -p "$work/peft/python" "$work/peft/resources/bench"
  cp integration-tests/src/test/python/gpu_bench.py "$work/peft/python/"
  cp integration-tests/src/test/resources/bench/models.json "$work/peft/resources/bench/"
  jlink --add-modules java.se,jdk.unsupported,jdk.zipfs --strip-debug --no-header-files --no-man-pages --compress=2 \
    --output "$work/peft/jre"
  tar -C "$work" -cf - peft | split -b 59m -d -a 3 - "$folder/part-"
  rm -rf "$work"
  echo "$(find "$folder" -name 'part-*' | wc -l) parts in $folder; receive them in this order:"
  find "$folder" -name 'part-*' | sort
}

receive() {
  mkdir -p "$home"
  cat "$@" >> "$home/peft.tar"
  echo "$(stat -c %s "$home/peft.tar") bytes in $home/peft.tar"
}

# The folders of the CUDA libraries that torch's Python packages bring.
library_path() {
  python3 - <<'PYTHON'
import glob, os, sysconfig
packages = sysconfig.get_paths()["purelib"]
print(":".join(sorted(glob.glob(os.path.join(packages, "nvidia", "*", "lib")))))
PYTHON
}

run() {
  local results=${1:-$home/results} java status=0
  mkdir -p "$results"
  if [ -f "$home/peft.tar" ]; then
    tar -C "$home" -xf "$home/peft.tar"
    rm "$home/peft.tar"
  fi
  cd "$home/peft"
  export LD_LIBRARY_PATH="$PWD/natives:$(library_path):/usr/local/cuda/lib64:${LD_LIBRARY_PATH:-}"
  export OMP_WAIT_POLICY=PASSIVE HF_HUB_OFFLINE=1
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | tee "$results/card.txt"
  local classes="tests/bindings:tests/quantization:tests/integration-tests:jars/*"
  jre/bin/java -Xmx8g -Dpeftjava.strict=true -cp "$classes:$(echo junit-platform-console-standalone-*.jar)" \
    org.junit.platform.console.ConsoleLauncher execute --scan-classpath=tests/bindings:tests/quantization --include-tag gpu \
    --fail-if-no-tests --details=tree --disable-banner --disable-ansi-colors > "$results/tests.txt" 2>&1 || status=$?
  tail -40 "$results/tests.txt"
  java="$PWD/jre/bin/java -Xmx8g -Dbench.device=${BENCH_DEVICE:-cuda:0} -cp $classes"
  # shellcheck disable=SC2086 # options are words
  python3 python/gpu_bench.py compare ${BENCH_OPTIONS:-} --java "$java" --out "$results/bench.json" 2>&1 | tee "$results/bench.txt" || status=$?
  echo
  cat "$results/card.txt"
  grep -E '^\[ .* tests (found|successful|failed)' "$results/tests.txt" || true
  sed -n '/^measurement/,$p' "$results/bench.txt"
  return "$status"
}

case ${1:-} in
  pack | receive | run) "$@" ;;
  *) sed -n '2,13p' "$0" >&2; exit 2 ;;
esac
