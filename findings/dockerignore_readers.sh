#!/usr/bin/env bash
# docker 7.1.0 (PyPI) and docker-java-core 3.7.0 (Maven), which read .dockerignore and pack the files for a build themselves, beside
# moby/patternmatcher 0.6.0 (Go module), with which Docker does.
#
# Guess: the same files. Seen:
# - docker for Python: letters of either case are one, so that `build` leaves out `Build/main`; with `*` and `!**/*.md` no file in a
#   folder comes back; `[^m]*` leaves out what begins with an m, and not the others; `\#notes` leaves out nothing;
# - docker-java: `**/.cache` does not leave out `.cache` at the top, `/.cache` leaves out nothing, and neither does `\#notes`; where
#   `*` is followed by what is to come back, it refuses the build, for the Dockerfile is left out.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv python
python/bin/pip install -q docker==7.1.0 > pip.txt 2>&1 || { cat pip.txt; exit 1; }
mkdir -p go java context/Build context/docs context/app
cat > java/pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>made</groupId>
  <artifactId>made</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>com.github.docker-java</groupId><artifactId>docker-java-core</artifactId><version>3.7.0</version></dependency>
  </dependencies>
</project>
XML
(cd java && mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath -Dmdep.outputFile=classpath.txt > mvn.txt 2>&1) || { cat java/mvn.txt; exit 1; }

cd context
touch .cache app/.cache Build/main docs/a.md '#notes' main
printf 'FROM scratch\nADD . /\n' > Dockerfile
cd ..
# the cases, one a line, with a blank for each line end
cat > cases.txt <<'TEXT'
build
* !**/*.md
[^m]*
**/.cache
/.cache
\#notes
TEXT

cat > go/go.mod <<'GO'
module made

go 1.24
GO
cat > go/main.go <<'GO'
package main

import (
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

func main() {
	cases, err := os.ReadFile("../cases.txt")
	check(err)
	for _, text := range strings.Split(strings.TrimSpace(string(cases)), "\n") {
		patterns, err := ignorefile.ReadAll(strings.NewReader(strings.ReplaceAll(text, " ", "\n")))
		check(err)
		matcher, err := patternmatcher.New(patterns)
		check(err)
		var kept []string
		check(fs.WalkDir(os.DirFS("../context"), ".", func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || path == "Dockerfile" {
				return err
			}
			ignored, err := matcher.MatchesOrParentMatches(path)
			if !ignored {
				kept = append(kept, path)
			}
			return err
		}))
		fmt.Println(strings.Join(kept, " "))
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
GO
(cd go && go get github.com/moby/patternmatcher@v0.6.0 > go.txt 2>&1 && go mod tidy >> go.txt 2>&1 && go run . > ../moby.txt)

cat > read.py <<'PY'
import os, tarfile
from docker import utils

for text in open("cases.txt").read().splitlines():
    with tarfile.open(fileobj=utils.tar("context", exclude=text.split())) as packed:
        print(*sorted(entry.name for entry in packed if entry.isfile() and entry.name != "Dockerfile"))
PY
python/bin/python read.py > python.txt

cat > java/Read.java <<'JAVA'
import com.github.dockerjava.core.dockerfile.Dockerfile;
import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.zip.GZIPInputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;

class Read {
    public static void main(String[] words) throws IOException {
        Path context = Path.of("context"), ignore = context.resolve(".dockerignore");
        for (String text : Files.readAllLines(Path.of("cases.txt"))) {
            Files.writeString(ignore, text.replace(' ', '\n') + "\n");
            Set<String> kept = new TreeSet<>();
            try {
                Dockerfile dockerfile = new Dockerfile(context.resolve("Dockerfile").toFile(), context.toFile());
                try (var packed = new TarArchiveInputStream(new GZIPInputStream(dockerfile.parse().buildDockerFolderTar()))) {
                    for (var entry = packed.getNextEntry(); entry != null; entry = packed.getNextEntry()) kept.add(entry.getName());
                }
                kept.removeAll(Set.of("Dockerfile", ".dockerignore"));
            } catch (RuntimeException error) {
                kept.add(error.getMessage());
            }
            System.out.println(String.join(" ", kept));
        }
        Files.delete(ignore);
    }
}
JAVA
java -cp "$(cat java/classpath.txt)" java/Read.java > java.txt 2> err.txt || { cat err.txt; exit 1; }

paste -d '\n' cases.txt <(sed 's/^/  moby: /' moby.txt) <(sed 's/^/  Python: /; s/ $//' python.txt) <(sed 's/^/  Java: /' java.txt) > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
build
  moby: #notes .cache Build/main app/.cache docs/a.md main
  Python: #notes .cache app/.cache docs/a.md main
  Java: #notes .cache Build/main app/.cache docs/a.md main
* !**/*.md
  moby: docs/a.md
  Python:
  Java: Dockerfile is excluded by pattern '*' in .dockerignore file
[^m]*
  moby: main
  Python: #notes .cache Build/main app/.cache docs/a.md
  Java: Dockerfile is excluded by pattern '[^m]*' in .dockerignore file
**/.cache
  moby: #notes Build/main docs/a.md main
  Python: #notes Build/main docs/a.md main
  Java: #notes .cache Build/main docs/a.md main
/.cache
  moby: #notes Build/main app/.cache docs/a.md main
  Python: #notes Build/main app/.cache docs/a.md main
  Java: #notes .cache Build/main app/.cache docs/a.md main
\#notes
  moby: .cache Build/main app/.cache docs/a.md main
  Python: #notes .cache Build/main app/.cache docs/a.md main
  Java: #notes .cache Build/main app/.cache docs/a.md main
SEEN
echo "as recorded"
