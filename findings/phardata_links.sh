#!/usr/bin/env bash
# PHP 8.2 (Debian's php8.2-cli), `PharData`: an archive with links, and one of a folder as `tar -cf FILE .` makes it.
#
# 1. Guess: `extractTo` makes the links, or copies of the files. Seen: it returns true, and a hard link and a symbolic link are
#    files without contents; read through `phar://` both have the contents of the file that they lead to.
# 2. Guess: the files of the folder. Seen: three entries are counted and none is listed, and `extractTo` fails for all,
#    `Cannot extract ".", internal error`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

php --version | grep -q '^PHP 8\.2\.' || { echo "needs PHP 8.2"; exit 1; }
mkdir packed
printf hello > packed/a
ln packed/a packed/hard
ln -s a packed/symbolic
tar -C packed -cf links.tar a hard symbolic
rm packed/symbolic
tar -C packed -cf folder.tar .

cat > run.php <<'PHP'
<?php
$links = new PharData("links.tar");
echo "extracted ", var_export($links->extractTo("unpacked"), true), "\n";
foreach (["a", "hard", "symbolic"] as $name) {
    echo $name, " ", filesize("unpacked/$name"), " of ", strlen(file_get_contents("phar://links.tar/$name")), "\n";
}
$folder = new PharData("folder.tar");
echo count($folder), " counted, ", count(iterator_to_array(new RecursiveIteratorIterator($folder))), " listed\n";
try {
    $folder->extractTo("unpacked-folder");
} catch (PharException $error) {
    echo preg_replace("/phar \".*\" failed/", "phar failed", $error->getMessage()), "\n";
}
PHP
php run.php > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
extracted true
a 5 of 5
hard 0 of 5
symbolic 0 of 5
3 counted, 0 listed
Extraction from phar failed: Cannot extract ".", internal error
SEEN
echo "as recorded"
