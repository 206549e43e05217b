#!/usr/bin/env bash
# spring-boot-buildpack-platform 3.5.7 (Maven; what `bootBuildImage` and `spring-boot:build-image` make images with), the
# archive that `ImageArchive` writes for `docker load`, for a builder on a base that docker has; crane 0.22.1 (Go module).
#
# The archive has an empty file, `blank_0`, for each layer of the base: docker goes by the config, and opens no layer that it
# has. Guess: crane refuses such an archive, as skopeo 1.9.3 (Debian's package) does, or says that layers are missing. Seen:
# `crane push` ends with 0, and the pushed image has a layer that is empty, which is not the one that its config names.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
export GOBIN=$work
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
cat > pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>made</groupId>
  <artifactId>made</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.springframework.boot</groupId>
      <artifactId>spring-boot-buildpack-platform</artifactId>
      <version>3.5.7</version>
    </dependency>
  </dependencies>
</project>
XML
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath -Dmdep.outputFile=classpath.txt > mvn.txt 2>&1 || { cat mvn.txt; exit 1; }
cat > Build.java <<'JAVA'
import java.io.ByteArrayInputStream;
import java.io.FileOutputStream;
import java.time.Instant;
import org.springframework.boot.buildpack.platform.docker.type.Image;
import org.springframework.boot.buildpack.platform.docker.type.ImageArchive;
import org.springframework.boot.buildpack.platform.docker.type.ImageReference;
import org.springframework.boot.buildpack.platform.docker.type.Layer;
import org.springframework.boot.buildpack.platform.io.Content;
import org.springframework.boot.buildpack.platform.io.Owner;

public class Build {
  public static void main(String[] arguments) throws Exception {
    String base = "sha256:" + "ab".repeat(32);
    String inspected = "{\"Id\":\"sha256:" + "cd".repeat(32) + "\",\"Config\":{},\"Os\":\"linux\",\"Architecture\":\"amd64\","
        + "\"Created\":\"1980-01-01T00:00:01Z\",\"RootFS\":{\"Type\":\"layers\",\"Layers\":[\"" + base + "\"]}}";
    Image image = Image.of(new ByteArrayInputStream(inspected.getBytes()));
    ImageArchive archive = ImageArchive.from(image, (update) -> {
      update.withNewLayer(Layer.of((layout) -> layout.file("/a.txt", Owner.ROOT, Content.of("text"))));
      update.withTag(ImageReference.of("team/builder:1"));
      update.withCreateDate(Instant.EPOCH);
    });
    try (FileOutputStream out = new FileOutputStream("builder.tar")) {
      archive.writeTo(out);
    }
  }
}
JAVA
java -cp "$(cat classpath.txt)" Build.java > out.txt 2>&1 || { cat out.txt; exit 1; }
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done

same "the archive" "$(tar -tvf builder.tar | grep -o ' 0 .* blank_0' | wc -l)" 1
! skopeo --policy policy.json copy docker-archive:builder.tar dir:by-skopeo > out.txt 2>&1 || { echo "CHANGED: skopeo takes it"; exit 1; }
grep -q 'Digest did not match' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
name="127.0.0.1:$port/team/builder:1"
./crane push --insecure builder.tar "$name" > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
first=$(./crane manifest "$name" | python3 -c 'import json, sys; print(json.load(sys.stdin)["layers"][0]["digest"])')
same "bytes of the first layer" "$(./crane blob "127.0.0.1:$port/team/builder@$first" | gzip -dc | wc -c)" 0
same "named by the config" "$(./crane config "$name" | grep -o "sha256:$(printf 'ab%.0s' $(seq 32))" | wc -l)" 1
! ./crane validate --remote "$name" > out.txt 2>&1 || { echo "CHANGED: the pushed image is valid"; exit 1; }
grep -q 'mismatched layer.0. diffid' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
echo "as recorded"
