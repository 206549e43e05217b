#!/usr/bin/env bash
# RubyGems 3.3.15 (Debian's ruby 3.1), `Gem::Package::TarReader`, the tar reader that comes with Ruby: archives that GNU tar has made
# in its own format.
#
# Guess: the files that were packed. Seen:
# - a path of more than 100 bytes: a file `././@LongLink`, and the path cut, so that two such files have one name;
# - a file from before 1970 ends the list with an ArgumentError, and so what is behind it;
# - a sparse file (`tar -S`) and an incremental archive: `tar is corrupt, name contains null byte`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

[ "$(gem --version)" = 3.3.15 ] || { echo "needs RubyGems 3.3.15"; exit 1; }
long=$(printf 'a%.0s' $(seq 100))
mkdir packed
echo text | tee packed/${long}1 packed/${long}2 packed/first packed/last > packed/old
truncate -s 1M packed/big
printf end >> packed/big
TZ=UTC touch -d 1969-01-01T00:00:00 packed/old
pack() { tar -C packed --format=gnu -cf "$1.tar" "${@:2}"; }
pack long ${long}1 ${long}2
pack old first old last
pack sparse -S first big last
pack incremental --listed-incremental="$work/state" first last
cat > read.rb <<'RUBY'
require "rubygems/package"

%w[long old sparse incremental].each do |name|
  seen = []
  begin
    File.open("#{name}.tar", "rb") { |file| Gem::Package::TarReader.new(file).each { |entry| seen << entry.full_name } }
  rescue ArgumentError, Gem::Package::Error => error
    seen << "#{error.class}: #{error.message.sub(/".*" is/, "... is")}"
  end
  puts "#{name}: #{seen.join(", ").gsub(/a{100}/, "A")}"
end
RUBY
ruby read.rb > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
long: ././@LongLink, A, ././@LongLink, A
old: first, ArgumentError: ... is not an octal string
sparse: first, Gem::Package::TarInvalidError: tar is corrupt, name contains null byte
incremental: Gem::Package::TarInvalidError: tar is corrupt, name contains null byte
SEEN
echo "as recorded"
