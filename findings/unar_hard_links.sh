#!/usr/bin/env bash
# unar 1.10.7 (Debian's package), an archive with a hard link between two folders.
#
# Guess: two names of one file. Seen, with exit code 0: the second name is a symbolic link with the path that the archive has
# for the first one. That path begins at the archive's root, and a symbolic link at its own folder, so it leads nowhere.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

dpkg-query -W -f '${Version}\n' unar 2> /dev/null | grep -q '^1\.10\.7' || { echo "needs unar 1.10.7"; exit 1; }
mkdir -p packed/one packed/two
printf hello > packed/one/a
ln packed/one/a packed/two/b
tar -C packed -cf links.tar one/a two/b

unar -quiet -no-directory -output-directory links links.tar
[ "$(readlink links/two/b)" = one/a ] || { echo "CHANGED: $(ls -lR links)"; exit 1; }
! [ -e links/two/b ] || { echo "CHANGED: the link leads somewhere"; exit 1; }
echo "as recorded"
