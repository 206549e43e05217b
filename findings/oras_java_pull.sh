#!/usr/bin/env bash
# oras-java-sdk 0.7.0 (Maven), `pullArtifact` of files and folders that it or oras 1.3.6 (Go module) has pushed.
#
# Guess: all that was pushed comes back, or an error tells what does not. Seen: of `one/notes.txt` and `two/notes.txt` one
# file comes back, although overwriting is off, and no error. A folder is pulled into an absolute path and not into a
# relative one: `Entry is outside of the target dir`. What the Go one pushed as `one/notes.txt` is not pulled at all,
# for nobody makes the folder `one`.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"

export GOBIN=$work DOCKER_CONFIG=$work/docker
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install oras.land/oras/cmd/oras@v1.3.6
cat > pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>made</groupId>
  <artifactId>made</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>land.oras</groupId><artifactId>oras-java-sdk</artifactId><version>0.7.0</version></dependency>
  </dependencies>
</project>
XML
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath -Dmdep.outputFile=classpath.txt > mvn.txt 2>&1 || { cat mvn.txt; exit 1; }

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
mkdir one two
echo first > one/notes.txt
echo second > two/notes.txt
./oras push --plain-http "127.0.0.1:$port/made/notes:go" one/notes.txt > out.txt

cat > Pull.java <<'JAVA'
import java.nio.file.Files;
import java.nio.file.Path;
import land.oras.ArtifactType;
import land.oras.ContainerRef;
import land.oras.LocalPath;
import land.oras.Registry;

class Pull {
    static Registry registry = Registry.builder().insecure().build();
    static String image;

    public static void main(String[] words) throws Exception {
        image = words[0];
        push("files", "one/notes.txt", "two/notes.txt");
        push("folder", "one");
        pull("files", Path.of("files").toAbsolutePath());
        pull("folder", Path.of("absolute").toAbsolutePath());
        pull("folder", Path.of("relative"));
        pull("go", Path.of("go").toAbsolutePath());
        System.exit(0);
    }

    static void push(String tag, String... paths) {
        LocalPath[] files = java.util.Arrays.stream(paths).map(path -> LocalPath.of(Path.of(path))).toArray(LocalPath[]::new);
        registry.pushArtifact(ContainerRef.parse(image + ":" + tag), ArtifactType.from("application/vnd.made"), files);
    }

    static void pull(String tag, Path into) throws Exception {
        Files.createDirectories(into);
        try {
            registry.pullArtifact(ContainerRef.parse(image + ":" + tag), into, false);
            System.out.println(into.getFileName() + " pulled");
        } catch (Exception error) {
            Throwable cause = error;
            while (cause.getCause() != null) cause = cause.getCause();
            System.out.println(into.getFileName() + " " + cause.getClass().getSimpleName());
        }
    }
}
JAVA
java -cp "$(cat classpath.txt)" Pull.java "127.0.0.1:$port/made/notes" 2> err.txt > seen.txt || { cat err.txt; exit 1; }
find files absolute relative go -type f >> seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
files pulled
absolute pulled
relative IOException
go NoSuchFileException
files/notes.txt
absolute/one/notes.txt
SEEN
echo "as recorded"
