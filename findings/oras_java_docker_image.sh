#!/usr/bin/env bash
# oras-java-sdk 0.7.0 (Maven), `CopyUtils.copy` of an image with Docker's media types from a registry into an `OCILayout`.
#
# Guess: index.json tells the type that the manifest has, and others read the layout. Seen: it tells OCI's type for the
# manifest of Docker's type, so oras 1.3.6 cannot copy it to distribution 3.1.2 and regctl 0.11.7 cannot read it (Go
# modules). The file `oci-layout` holds the state of a thread pool (`executorService`) beside the version.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

export GOBIN=$work DOCKER_CONFIG=$work/docker REGCTL_CONFIG=$work/regctl.json
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install oras.land/oras/cmd/oras@v1.3.6
go install github.com/regclient/regclient/cmd/regctl@v0.11.7
go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2
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
cat > config.yml <<YML
version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: $work/store } }
http: { addr: "127.0.0.1:$port" }
YML
OTEL_TRACES_EXPORTER=none ./registry serve config.yml > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
image=127.0.0.1:$port/made/image:1
printf hello > file.txt
tar -cf layer.tar file.txt
./crane append -f layer.tar -t "$image" > out.txt 2>&1

cat > Copy.java <<'JAVA'
import java.nio.file.Path;
import land.oras.ContainerRef;
import land.oras.CopyUtils;
import land.oras.LayoutRef;
import land.oras.OCILayout;
import land.oras.Registry;

class Copy {
    public static void main(String[] words) {
        Registry registry = Registry.builder().insecure().build();
        OCILayout layout = OCILayout.builder().defaults(Path.of("layout")).build();
        CopyUtils.copy(registry, ContainerRef.parse(words[0]), layout, LayoutRef.parse("layout:1"), CopyUtils.CopyOptions.shallow());
        System.exit(0);
    }
}
JAVA
java -cp "$(cat classpath.txt)" Copy.java "$image" > out.txt 2>&1 || { cat out.txt; exit 1; }
member() { python3 -c 'import json, sys; print(json.load(open("layout/index.json"))["manifests"][0][sys.argv[1]])' "$1"; }
digest=$(member digest)
same "the digest" "$digest" "$(./crane digest "$image")"
same "the type in index.json" "$(member mediaType)" application/vnd.oci.image.manifest.v1+json
same "the manifest's type" "$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["mediaType"])' "layout/blobs/sha256/${digest#*:}")" \
  application/vnd.docker.distribution.manifest.v2+json
same "oci-layout" "$(python3 -c 'import json; print(*sorted(json.load(open("layout/oci-layout"))))')" "executorService imageLayoutVersion repositories"
refused() { if "${@:2}" > out.txt 2>&1; then echo "CHANGED: $2 takes it"; exit 1; fi; grep -q "$1" out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }; }
refused 'mediaType in manifest should be' ./oras copy --from-oci-layout layout:1 --to-plain-http "127.0.0.1:$port/again/image:1"
refused 'unexpected media type' ./regctl image copy ocidir://layout:1 ocidir://copied:1
echo "as recorded"
