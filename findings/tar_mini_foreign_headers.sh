#!/usr/bin/env bash
# tar-mini 0.2.0 (npm), archives whose numbers are filled with spaces in front, where GNU tar has zeros.
#
# Old tar programs wrote such numbers, and Perl's Archive::Tar writes the checksum so. Guess: both are read, as Python does.
# Seen: for Perl's archive `Invalid tar header. Maybe the tar is corrupted or it needs to be gunzipped?`. A size with spaces
# in front is 0, without an error: the file is empty, and it is the last one of the list.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --prefix "$work" --silent --no-audit --no-fund tar-mini@0.2.0
printf hello > a.txt
printf world > b.txt
perl -MArchive::Tar -e 'Archive::Tar->create_archive("perl.tar", 0, "a.txt", "b.txt")'
cat > make.py <<'PY'
import tarfile

with tarfile.open("zeros.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
    archive.add("a.txt")
    archive.add("b.txt")
data = bytearray(open("zeros.tar", "rb").read())
data[124:136] = b"%11o " % 5
data[148:156] = b" " * 8
data[148:156] = b"%06o\0 " % sum(data[:512])
open("spaces.tar", "wb").write(data)
for name in "perl", "zeros", "spaces":
    with tarfile.open(f"{name}.tar") as archive:
        assert [(entry.name, entry.size) for entry in archive] == [("a.txt", 5), ("b.txt", 5)]
PY
python3 make.py

cat > run.mjs <<'JS'
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { createExtract } from "tar-mini";

const read = (name) =>
  new Promise((resolve) => {
    const files = [];
    const extract = createExtract();
    extract.on("entry", (head, data) => files.push(`${head.name} ${data.length}`));
    extract.receiver.on("error", (error) => resolve(error.message));
    extract.receiver.on("finish", () => resolve(files.join(", ")));
    Readable.from([readFileSync(name)]).pipe(extract.receiver);
  });
for (const name of ["zeros", "perl", "spaces"]) console.log(name, "|", await read(`${name}.tar`));
JS
node run.mjs > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
zeros | a.txt 5, b.txt 5
perl | Invalid tar header. Maybe the tar is corrupted or it needs to be gunzipped?
spaces | a.txt 0
SEEN
echo "as recorded"
