#!/usr/bin/env bash
# Erlang 25.2.3 (Debian's erlang-base), `erl_tar:table` and `extract` of archives that GNU tar reads.
#
# 1. A file that was last changed before 1970 (GNU tar writes a negative number in base 256), or a small size in base 256.
#    Guess: the file. Seen: `{error,integer_overflow}` for the whole archive, although no number in it is large.
# 2. A pax record with an empty value (POSIX: the key counts as not given) or with a line end in its value. Seen:
#    `{error,malformed_pax_record}`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

erl -noshell -eval 'io:format("~s~n", [erlang:system_info(otp_release)]), halt().' | grep -qx 25 || { echo "needs Erlang 25"; exit 1; }
printf hello > a
touch -d 1969-01-01 a
tar --format=gnu -cf old.tar a
touch -d 2001-01-01 a
tar --format=gnu -cf new.tar a
cat > make.py <<'PY'
import tarfile

for name, value in ("empty", ""), ("line_end", "one\ntwo"), ("text", "one"):
    with tarfile.open(f"{name}.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        entry = archive.gettarinfo("a")
        entry.pax_headers["comment"] = value
        archive.addfile(entry, open("a", "rb"))
data = bytearray(open("new.tar", "rb").read())
data[124:136] = b"\x80" + (5).to_bytes(11, "big")
data[148:156] = b" " * 8
data[148:156] = b"%06o\0 " % sum(data[:512])
open("size.tar", "wb").write(data)
PY
python3 make.py
for name in new text old size empty line_end; do
  [ "$(tar -xOf $name.tar a)" = hello ] || { echo "GNU tar does not read $name"; exit 1; }
  erl -noshell -eval "io:format(\"$name ~p~n\", [erl_tar:extract(\"$name.tar\", [memory])]), halt()."
done > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
new {ok,[{"a",<<"hello">>}]}
text {ok,[{"a",<<"hello">>}]}
old {error,integer_overflow}
size {error,integer_overflow}
empty {error,malformed_pax_record}
line_end {error,malformed_pax_record}
SEEN
echo "as recorded"
