#!/usr/bin/env bash
# Debian's packages unar 1.10.7, cpio 2.13, php8.2-cli (`PharData`), php-pear 1.10.13 (`Archive_Tar`), ruby-minitar 0.9
# and perl 5.36 (`Archive::Tar`): a pax archive, as Python's tarfile writes by default, of two files in one long folder.
#
# Guess: both files under their paths, or an error. Seen in all six, without an error: paths are cut after 100 bytes, so that
# both get one name, and one file with the second one's contents is left. cpio and minitar unpack the pax headers as files,
# too, and cpio does the same with GNU tar's own long names.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

for package in 'unar 1.10.7' 'cpio 2.13' 'php8.2-cli 8.2' 'php-pear 1:1.10.13' 'ruby-minitar 0.9' 'perl 5.36'; do
  dpkg-query -W -f '${Package} ${Version}\n' "${package% *}" 2> /dev/null | grep -q "^$package[-+.]" || { echo "needs $package"; exit 1; }
done
cat > make.py <<'PY'
import io, tarfile

for name, form in ("pax", tarfile.DEFAULT_FORMAT), ("gnu", tarfile.GNU_FORMAT):
    with tarfile.open(f"{name}.tar", "w", format=form) as archive:
        for file in "first", "second":
            entry = tarfile.TarInfo("folder" * 30 + "/" + file)
            entry.size = len(file)
            archive.addfile(entry, io.BytesIO(file.encode()))
PY
python3 make.py

mkdir tar unar cpio phar pear ruby perl cpio-gnu
tar -xf pax.tar -C tar
unar -quiet -no-directory -force-overwrite -output-directory unar pax.tar
(cd cpio && cpio -idu --quiet -F ../pax.tar)
(cd cpio-gnu && cpio -idu --quiet -F ../gnu.tar)
php -r '(new PharData("pax.tar"))->extractTo("phar") || exit(1);'
php -d error_reporting=0 -r 'require "Archive/Tar.php"; (new Archive_Tar("pax.tar"))->extract("pear") || exit(1);'
ruby -W0 -e 'require "archive/tar/minitar"; Archive::Tar::Minitar.unpack("pax.tar", "ruby")' 2> ruby.txt || { cat ruby.txt; exit 1; }
(cd perl && perl -MArchive::Tar -e 'Archive::Tar->new("../pax.tar")->extract() or die')

cat > list.py <<'PY'
import os, sys

for tool in sys.argv[1:]:
    found = []
    for folder, _, files in os.walk(tool):
        for file in files:
            path = os.path.relpath(os.path.join(folder, file), tool)
            known = path if path.startswith(("@", "./@")) or "Header" in path else f"{len(path)} bytes"
            text = open(os.path.join(folder, file)).read()
            found.append(f"{known}: {text if text in ('first', 'second') else '...'}")
    print(tool, "|", ", ".join(sorted(found)))
PY
python3 list.py tar unar cpio cpio-gnu phar pear ruby perl > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
tar | 186 bytes: first, 187 bytes: second
unar | 100 bytes: second
cpio | 100 bytes: second, @PaxHeader: ...
cpio-gnu | 100 bytes: second, @LongLink: ...
phar | 100 bytes: second
pear | 100 bytes: second
ruby | 100 bytes: second, @PaxHeader: ...
perl | 100 bytes: second
SEEN
echo "as recorded"
