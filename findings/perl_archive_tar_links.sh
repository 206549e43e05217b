#!/usr/bin/env bash
# Archive::Tar 2.40 (Debian's perl 5.36), links to a path of more than 100 bytes, as GNU tar packs them.
#
# Long names are read right in GNU's format. Guess: long targets of links as well, or an error. Seen, without an error, in both
# formats: the link leads to the first 100 bytes of its target. In GNU's format a file `@LongLink` with the whole target as its
# contents is unpacked beside it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

perl -MArchive::Tar -e 'exit($Archive::Tar::VERSION ne "2.40")' || { echo "needs Archive::Tar 2.40"; exit 1; }
tar --version | grep -q 'GNU tar' || { echo "needs GNU tar"; exit 1; }
target=$(printf 't%.0s' $(seq 120))
ln -s "$target" link
for format in gnu posix; do
  mkdir $format
  tar --format=$format -cf $format.tar link
  (cd $format && perl -MArchive::Tar -e 'Archive::Tar->new($ARGV[0])->extract() or die' ../$format.tar)
  echo "$format $(printf %s "$(readlink $format/link)" | wc -c) $(ls $format | tr '\n' ' ')"
done > seen.txt
diff -Z seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
gnu 100 @LongLink link
posix 100 link
SEEN
echo "as recorded"
