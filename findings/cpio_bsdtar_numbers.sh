#!/usr/bin/env bash
# GNU cpio 2.13 (Debian's package), `cpio -i` of an archive in ustar format made by bsdtar 3.6.2 (Debian's libarchive-tools), whose
# numbers end with a space, as POSIX lets them.
#
# Guess: the files, as GNU tar and Python read them. Seen: the space is taken for one more digit, so that a file of 5 bytes is one
# of 40, from the year 2418 and with other permissions. It says `Malformed number`, and the exit code is 0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

cpio --version | grep -q ' 2\.13$' || { echo "needs cpio 2.13"; exit 1; }
bsdtar --version | grep -q '^bsdtar 3\.6\.2 ' || { echo "needs bsdtar 3.6.2"; exit 1; }
mkdir packed
printf hello > packed/a
chmod 644 packed/a
touch -d 2026-01-02T00:00:00Z packed/a
bsdtar -C packed --format=ustar -cf bsdtar.tar a
mkdir by-tar by-cpio
tar -xf bsdtar.tar -C by-tar
code=0
(cd by-cpio && cpio -i --preserve-modification-time --quiet < ../bsdtar.tar 2> ../err.txt) || code=$?
same tar "$(TZ=UTC stat -c '%s bytes, %a, %.4y' by-tar/a)" "5 bytes, 644, 2026"
same cpio "$(TZ=UTC stat -c '%s bytes, %a, %.4y' by-cpio/a)" "40 bytes, 6440, 2418"
same "exit code" "$code" 0
same message "$(head -n 1 err.txt)" "cpio: Malformed number 000644 "
same contents "$(tr '\0' . < by-cpio/a)" "hello..................................."
echo "as recorded"
