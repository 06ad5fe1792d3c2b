#!/usr/bin/env bash
# Tests and benchmarks on a machine with an NVIDIA card, which needs no JDK, no Maven and no network.
#
#   gpu_machine.sh pack FOLDER [CAPABILITY]   here: builds with -Pcuda and writes FOLDER/ours-* and, unless it is there, what
#                                             others made, FOLDER/base-*, in parts below 60 MiB; with a compute capability (90 for
#                                             H100 and H200) the machine code of that card alone
#   gpu_machine.sh receive PART...            there: adds parts, in their order, to what has come
#   gpu_machine.sh run RESULTS [STEP...]      there: unpacks, then each step: "tests" tagged "gpu", the whole "suite" with its
#                                             models on the card, the "demo", "bench": both sides of the benchmark; all of them if
#                                             none is named. "profile" (of a QLoRA step) needs ncu. Prints a short table last;
#                                             RESULTS gets the logs and the numbers
#
# "there" needs python3 with torch for CUDA 13 (its nvidia-* packages have cuBLAS, cuDNN, NCCL and the like), transformers and
# peft; with bitsandbytes Python's quantized lines are measured too. What comes is kept in $PEFT_GPU_HOME (~/.peft-gpu).
# SUITE_MODULES="peft-java ..." and SUITE_LIMIT (seconds), BENCH_LIMIT (seconds for each side): all write as they go, and sum up what
# there is. SUITE_DEVICE=cpu BENCH_DEVICE=cpu BENCH_OPTIONS=--quick only tries the steps.
set -euo pipefail

home=${PEFT_GPU_HOME:-$HOME/.peft-gpu}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cuda=13.1-9.19-1.5.13
junit=org.junit.platform:junit-platform-console-standalone:1.11.4
# Tests of what has no model, of the CPU's kernels, threads and memory, and of programs started from a built tree.
not_on_cards='Emulation|Nvrtc|Native|Hostile|Hub|Hf|Tokenizer|ChatTemplates|Fuzz|Safetensors|TorchFile|AtomicFiles|ConfigJson'
not_on_cards+='|\.cli\.|Concurrent|ModelCard|Architecture(Test|IT)|Documentation|SourceTree|Snippets|Killed|Memory|Soak|SavedActivations'
not_on_cards+='|\.Bad[A-Za-z]*IT|FieldNames|TunerFields'
modules="bindings quantization transformers-lite peft-java integration-tests"

pack() {
  local folder=${1:?folder for the parts} capability=${2:-} root work jar module
  root=$(cd "$here/../../../.." && pwd)
  work=$(mktemp -d)
  mkdir -p "$folder"
  folder=$(realpath "$folder")
  cd "$root"
  mvn -B -Pcuda -DskipTests package
  compgen -G "$folder/base-*" > /dev/null || pack_base
  mkdir -p "$work/ours/tree/.mvn" "$work/ours/jars"
  cp ./*/target/peft-java*.jar "$work/ours/jars/"
  # the modules as the tests expect them, each in its folder, beside the golden data
  for module in $modules; do
    mkdir -p "$work/ours/tree/$module/target" "$work/ours/tree/$module/src/test"
    cp -r "$module/target/test-classes" "$work/ours/tree/$module/target/"
    [ ! -d "$module/src/test/resources" ] || cp -r "$module/src/test/resources" "$work/ours/tree/$module/src/test/"
  done
  # and what else tests read
  cp -r integration-tests/src/test/python integration-tests/src/test/java "$work/ours/tree/integration-tests/src/test/"
  cp -r --parents docs peft-java/src/main/resources/org/peftjava/demo "$work/ours/tree/"
  rm -f "$folder"/ours-*
  compress ours
  rm -rf "$work"
  echo "receive in this order:"
  find "$folder" -name '*-???' | sort
}

# What does not change with our sources.
pack_base() {
  mkdir -p "$work/base/libraries" "$work/base/natives"
  mvn -B dependency:copy -Dartifact=$junit -DoutputDirectory="$work/base"
  # peft-java's class path with -Pcuda; of the CUDA libraries only those that must fit the bindings.
  tr ':' '\n' < peft-java/target/classpath.txt | while read -r jar; do
    case $jar in
      */cuda-redist-$cuda-*.jar)
        unzip -qoj "$jar" '*/libcudart.so.*' '*/libnvrtc.so.*' '*/libnvrtc-builtins.so.*' -d "$work/base/natives" ;;
      */target/*) ;;
      *) cp "$jar" "$work/base/libraries/" ;;
    esac
  done
  zip -qd "$work"/base/libraries/tokenizers-*.jar 'native/lib/osx*' 'native/lib/win*' 'native/lib/linux-aarch64*'
  [ -z "$capability" ] || slim "$(find "$work/base/libraries" -name 'pytorch-*-gpu.jar')" "$capability"
  jlink --add-modules java.se,jdk.unsupported,jdk.zipfs,jdk.management,jdk.httpserver --strip-debug --no-header-files \
    --no-man-pages --output "$work/base/jre"
  compress base
}

compress() {
  tar -C "$work" -cf - "$1" | xz -4 -T0 | split -b 59m -d -a 3 - "$folder/$1-"
}

# The jar with the machine code of one capability, stored: it is compressed with all else.
slim() {
  local jar=$1 capability=$2 work
  work=$(mktemp -d)
  unzip -qo "$jar" -d "$work"
  python3 "$here/../python/slim_cuda.py" "$work/org/bytedeco/pytorch/linux-x86_64-gpu/libtorch_cuda.so" "$capability"
  rm "$jar"
  (cd "$work" && zip -q0r "$jar" .)
  rm -rf "$work"
}

receive() {
  local part name
  mkdir -p "$home"
  for part; do
    name=$(basename "${part%-*}")
    cat "$part" >> "$home/$name.tar.xz"
    echo "$(stat -c %s "$home/$name.tar.xz") bytes in $home/$name.tar.xz"
  done
}

# The folders of the CUDA libraries that torch's Python packages bring.
library_path() {
  python3 - <<'PYTHON'
import glob, os, sysconfig
packages = sysconfig.get_paths()["purelib"]
print(":".join(sorted(glob.glob(os.path.join(packages, "nvidia", "*", "lib")))))
PYTHON
}

class_path() {
  local module path=
  for module; do path+="$home/ours/tree/$module/target/test-classes:"; done
  echo "$path$home/ours/jars/*:$home/base/libraries/*"
}

console() {
  timeout "${limit:-600}" "$home/base/jre/bin/java" -Xmx4g -Dpeftjava.strict=true -Dpeftjava.cuda.graphs=on -cp "$(class_path ${tested:-$modules}):$(echo "$home"/base/junit-platform-console-standalone-*.jar)" \
    org.junit.platform.console.ConsoleLauncher execute --disable-banner --disable-ansi-colors "$@"
}

tests() {
  local classes=$home/ours/tree
  console --scan-classpath="$classes/bindings/target/test-classes:$classes/quantization/target/test-classes:$classes/transformers-lite/target/test-classes" --include-tag gpu \
    --fail-if-no-tests --details=tree > "$results/tests.txt" 2>&1 || status=$?
  tail -40 "$results/tests.txt"
}

# The tests of the CPU with models on the card, in several processes. Left out: what is about the CPU's memory, kernels and
# threads, and what starts programs from a built tree. Each process writes as it goes, and ends after $SUITE_LIMIT seconds.
suite() {
  local module group groups tested jobs=()
  rm -rf "$results/suite"
  mkdir -p "$results/suite"
  for module in ${SUITE_MODULES:-quantization transformers-lite peft-java integration-tests}; do
    cd "$home/ours/tree/$module"
    groups=8
    tested=$module
    [ "$module" != integration-tests ] || tested+=" peft-java"
    [ "$module" != quantization ] || groups=2
    # in no order, as neighbours in name are alike in time, but the same one each time
    find target/test-classes -name '*Test.class' -o -name '*IT.class' | sed 's|^target/test-classes/||; s|/|.|g; s|\.class$||' \
      | grep -vE "$not_on_cards" | sort | shuf --random-source=<(yes) | split -n r/$groups -d - "$results/suite/$module-"
    for group in "$results/suite/$module-"??; do
      # shellcheck disable=SC2046 # one option for each class
      JAVA_TOOL_OPTIONS="-Dpeftjava.device=${SUITE_DEVICE:-cuda:0}" OMP_NUM_THREADS=1 limit=${SUITE_LIMIT:-600} console \
        $(sed 's/^/--select-class=/' "$group") --exclude-tag gpu --details=testfeed > "$group.txt" 2>&1 \
        || echo "ended with $?" >> "$group.txt" &
      jobs+=($!)
    done
  done
  cd "$home"
  wait "${jobs[@]}"
  suite_table | tee "$results/suite.txt"
  ! grep -q ' FAILED\|ended with' "$results"/suite/*.txt || status=1
}

# A line for each test that failed, with what it said; for each process that was ended, with the test that it was at; the counts.
suite_table() {
  local file
  for file in "$results"/suite/*.txt; do
    awk -v name="$(basename "$file" .txt)" '
      said { print last ": " substr($0, 1, 300); said = 0 }
      / :: (STARTED|SUCCESSFUL|FAILED|ABORTED)$/ { last = $0; count[$NF]++ }
      / :: FAILED$/ { said = 1 }
      /^ended with 124$/ { print "out of time after " last }
      END { printf "%s: %d tests successful, %d failed\n", name, count["SUCCESSFUL"], count["FAILED"] }' "$file"
  done
  awk '/ :: (SUCCESSFUL|FAILED)$/ { count[$NF]++ }
    END { printf "suite: %d tests successful, %d failed\n", count["SUCCESSFUL"], count["FAILED"] }' "$results"/suite/*.txt
}

demo() {
  "$home/base/jre/bin/java" -Dpeftjava.device="${SUITE_DEVICE:-cuda:0}" -cp "$(class_path $modules)" org.peftjava.peft.cli.Main demo \
    --output "$results/demo" > "$results/demo.txt" 2>&1 || status=$?
  tail -15 "$results/demo.txt"
}

# Every kernel of one step and its time.
profile() {
  timeout 100 ncu --csv --metrics gpu__time_duration.sum --clock-control none --launch-skip "${SKIP:-9000}" \
    --launch-count "${COUNT:-4000}" "$home/base/jre/bin/java" -Xmx8g -Dpeftjava.device=cuda:0 -cp "$(class_path $modules)" \
    org.peftjava.it.bench.GpuBench train llama-1b bfloat16 nf4 4 512 1 2 0 > "$results/profile.csv" 2> "$results/profile.err" || true
  wc -l "$results/profile.csv"
}

bench() {
  local java
  java="$home/base/jre/bin/java -Xmx8g -Dpeftjava.cuda.graphs=${BENCH_GRAPHS:-on} -Dpeftjava.device=${BENCH_DEVICE:-cuda:0} -cp $(class_path $modules)"
  # shellcheck disable=SC2086 # options are words
  python3 "$home/ours/tree/integration-tests/src/test/python/gpu_bench.py" compare ${BENCH_OPTIONS:-} --java "$java" \
    --limit "${BENCH_LIMIT:-600}" --out "$results/bench" > "$results/bench.txt" 2> "$results/bench.err" || status=$?
  tail -20 "$results/bench.err"
}

run() {
  results=$(realpath -m "${1:?folder for the results}")
  status=0
  local step steps=(tests suite demo bench)
  [ $# -lt 2 ] || steps=("${@:2}")
  mkdir -p "$results"
  for step in base ours; do
    if [ -f "$home/$step.tar.xz" ]; then
      rm -rf "${home:?}/$step"
      xz -dc -T0 "$home/$step.tar.xz" | tar -C "$home" -xf -
      rm "$home/$step.tar.xz"
    fi
  done
  cd "$home/base"
  LD_LIBRARY_PATH="$PWD/natives:$(library_path):/usr/local/cuda/lib64:${LD_LIBRARY_PATH:-}"
  export LD_LIBRARY_PATH OMP_WAIT_POLICY=PASSIVE HF_HUB_OFFLINE=1
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | tee "$results/card.txt"
  for step in "${steps[@]}"; do
    SECONDS=0
    "$step"
    echo "$step: $SECONDS s" | tee -a "$results/card.txt"
  done
  echo
  cat "$results/card.txt"
  grep -hE '^\[ .* tests (found|successful|failed)' "$results"/*.txt || true
  sed -n '/^measurement/,$p' "$results/bench.txt" 2> /dev/null || true
  return "$status"
}

case ${1:-} in
  pack | receive | run) "$@" ;;
  *) sed -n '2,18p' "$0" >&2; exit 2 ;;
esac
