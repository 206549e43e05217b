#!/usr/bin/env bash
# tcllib 1.21 (Debian's package), `tar::untar` of what `git archive` has written.
#
# git puts a global pax header with the commit in front. Guess: the files, or an error. Seen, without an error: each file is
# empty, and beside it is an empty file that has its contents for a name, for the reader takes every block after that header
# from the wrong place. `tar::contents` lists the files, and `pax_global_header` before them.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

dpkg-query -W -f '${Version}\n' tcllib 2> /dev/null | grep -q '^1\.21' || { echo "needs tcllib 1.21"; exit 1; }
git init -q repository
printf hello > repository/a.txt
printf world > repository/b.txt
git -C repository add .
git -C repository -c user.name=made -c user.email=made@example.invalid commit -qm made
git -C repository archive -o "$work/made.tar" HEAD

mkdir unpacked
cat > run.tcl <<'TCL'
package require tar
puts [tar::contents made.tar]
tar::untar made.tar -dir unpacked
TCL
tclsh run.tcl > seen.txt
(cd unpacked && stat -c '%n %s' -- *) >> seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
pax_global_header a.txt b.txt
a.txt 0
b.txt 0
hello 0
world 0
SEEN
echo "as recorded"
