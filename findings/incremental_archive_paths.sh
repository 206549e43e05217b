#!/usr/bin/env bash
# GNU cpio 2.13, pax 20201030 and 7z 16.02 (Debian's packages cpio, pax and p7zip-full): archives that GNU tar has made in its own
# format.
#
# Guess: the paths and files that were packed, or an error. Seen:
# - of `tar --listed-incremental` all three put a folder of digits before each path, with exit code 0: it is the time of access,
#   which GNU's headers have where ustar's have a prefix;
# - of `tar -S` cpio and pax make the sparse file one of the three bytes behind the hole, with exit code 0;
# - of `tar --label` pax loses two files, and the third one's first letter, with exit code 1.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cpio --version | grep -q ' 2\.13$' || { echo "needs cpio 2.13"; exit 1; }
dpkg-query -W -f '${Version}\n' pax | grep -q '20201030' || { echo "needs pax 20201030"; exit 1; }
7z | grep -q '16\.02' || { echo "needs 7z 16.02"; exit 1; }
mkdir packed
echo text | tee packed/first packed/other > packed/third
truncate -s 1M packed/big
printf end >> packed/big
pack() { tar -C packed --format=gnu --sort=name -cf "$1.tar" "${@:2}"; }
pack incremental --listed-incremental="$work/state" first other third
pack sparse -S big first
pack label --label=backup first other third
for name in incremental sparse label; do
  for with in cpio pax 7z; do
    mkdir "$name-$with"
    code=0
    case $with in
      cpio) (cd "$name-$with" && cpio -id --quiet < ../$name.tar) ;;
      pax) (cd "$name-$with" && pax -r < ../$name.tar) ;;
      7z) (cd "$name-$with" && 7z x -y ../$name.tar) ;;
    esac > out.txt 2>&1 || code=$?
    echo "$name, $with, $code: $(cd "$name-$with" && find . -type f -printf '%P=%s\n' | sed 's/^[0-9]*\//TIME\//' | sort | xargs)"
  done
done > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
incremental, cpio, 0: TIME/first=5 TIME/other=5 TIME/third=5
incremental, pax, 0: TIME/first=5 TIME/other=5 TIME/third=5
incremental, 7z, 0: TIME/first=5 TIME/other=5 TIME/third=5
sparse, cpio, 0: big=3 first=5
sparse, pax, 0: big=3 first=5
sparse, 7z, 0: big=1048579 first=5
label, cpio, 0: backup=0 first=5 other=5 third=5
label, pax, 1: backup=0 hird=5
label, 7z, 0: backup=0 first=5 other=5 third=5
SEEN
echo "as recorded"
