#!/usr/bin/env bash
# fastar 0.12.0 (PyPI) and @napi-rs/tar 1.1.3 (npm), which bring Rust's tar crate to Python and Node: `unpack` of archives that GNU
# tar and gzip have made, and that GNU tar unpacks.
#
# Seen in both:
# - a .tar.gz of several gzip members, as bgzip, eStargz and `cat` make them: the files behind the first member are left out, and
#   there is no error;
# - pax format with `-S`: `big` is `GNUSparseFile.../big`, 515 bytes with a list of numbers before what it should hold.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv python
python/bin/pip install -q fastar==0.12.0 > pip.txt 2>&1 || { cat pip.txt; exit 1; }
npm install --silent --no-fund --no-audit @napi-rs/tar@1.1.3 > npm.txt 2>&1 || { cat npm.txt; exit 1; }

mkdir packed
echo text | tee packed/a packed/b > packed/c
truncate -s 1M packed/big
printf end >> packed/big
tar -C packed -cf plain.tar a b c
{
  head -c 1024 plain.tar | gzip
  tail -c +1025 plain.tar | gzip
} > members.tar.gz
tar -C packed --format=pax -S -czf sparse.tar.gz big
cat > unpack.py <<'PY'
import fastar, sys

with fastar.open(sys.argv[1], "r:gz") as archive:
    archive.unpack(sys.argv[2])
PY
cat > unpack.cjs <<'JS'
new (require("@napi-rs/tar").Archive)(process.argv[2]).unpack(process.argv[3]);
JS
for name in members sparse; do
  for with in tar fastar napi-rs; do
    mkdir "$name-$with"
    case $with in
      tar) tar -xzf $name.tar.gz -C "$name-$with" ;;
      fastar) python/bin/python unpack.py $name.tar.gz "$name-$with" ;;
      napi-rs) node unpack.cjs $name.tar.gz "$name-$with" ;;
    esac
    echo "$name, $with: $(cd "$name-$with" && find . -type f -printf '%P=%s\n' | sort | sed 's/File\.[0-9]*/File.N/' | xargs)"
  done
done > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
members, tar: a=5 b=5 c=5
members, fastar: a=5
members, napi-rs: a=5
sparse, tar: big=1048579
sparse, fastar: GNUSparseFile.N/big=515
sparse, napi-rs: GNUSparseFile.N/big=515
SEEN
echo "as recorded"
