#!/usr/bin/env bash
# Debian's packages squashfs-tools 4.5.1 (`sqfstar`), genext2fs 1.5.0 and ostree 2022.7: a file system made of an archive.
#
# 1. A path twice, as `tar -r` adds a newer file; the last one counts. Seen: sqfstar and genext2fs keep the first, exit code 0.
# 2. A file in a folder that has no entry of its own. Seen: genext2fs leaves it out, with a message and exit code 0.
# 3. Files at the root, and no entry for the root, as `tar -cf FILE a b` makes it. Seen: ostree refuses them, `Can't commit an
#    empty tree`; it takes them with `--tar-autocreate-parents`.
# 4. A sparse file (`tar --sparse`). Seen: sqfstar says that the archive is `truncated or corrupted`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

for package in 'squashfs-tools 1:4.5.1' 'genext2fs 1.5.0' 'ostree 2022.7'; do
  dpkg-query -W -f '${Package} ${Version}\n' "${package% *}" 2> /dev/null | grep -q "^$package-" || { echo "needs $package"; exit 1; }
done
mkdir folder
printf first > a
printf inside > folder/file
tar -cf made.tar a folder/file
printf second > a
tar -rf made.tar a
tar -cf plain.tar a
truncate -s 1M sparse
printf end >> sparse
tar --sparse -cf sparse.tar sparse

sqfstar -quiet -no-progress image.sqfs < made.tar > out.txt 2>&1
same "sqfstar, path twice" "$(unsquashfs -cat image.sqfs a)" first
same "sqfstar, folder" "$(unsquashfs -cat image.sqfs folder/file)" inside
! sqfstar -quiet -no-progress sparse.sqfs < sparse.tar > out.txt 2>&1 || { echo "CHANGED: sqfstar reads a sparse file"; exit 1; }
grep -q 'truncated or corrupted' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }

genext2fs --tarball made.tar --size-in-blocks 2000 --number-of-inodes 100 image.ext2 > out.txt 2>&1
same "genext2fs, path twice" "$(debugfs -R 'cat a' image.ext2 2> err.txt)" first
grep -q "can't find directory 'folder' to create 'file'" out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
same "genext2fs, folder" "$(debugfs -R 'cat folder/file' image.ext2 2> err.txt)" ""

ostree init --repo=repository --mode=bare-user-only
commit() { ostree --repo=repository commit --branch=made --no-xattrs --canonical-permissions "$@" > out.txt 2>&1; }
! commit --tree=tar=plain.tar || { echo "CHANGED: ostree takes it"; exit 1; }
grep -q "Can't commit an empty tree" out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
commit --tar-autocreate-parents --tree=tar=made.tar || { cat out.txt; exit 1; }
same "ostree, path twice" "$(ostree --repo=repository cat made /a)" second
echo "as recorded"
