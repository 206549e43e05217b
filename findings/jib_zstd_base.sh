#!/usr/bin/env bash
# jib-core 0.27.3 and zstd-jni 1.5.7-11, which it asks for (Maven), an image on a base with a zstd layer, in both formats.
#
# Guess: the base's layer keeps its type, or is compressed anew, or is refused. Seen: the same zstd bytes are in the new
# image under gzip's type, in OCI's and in Docker's format, so crane 0.22.1 (Go module) takes neither for valid, `gzip:
# invalid header`. In the file of `TarImage` they are called `.tar.gz`.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

export GOBIN=$work DOCKER_CONFIG=$work/docker REGCTL_CONFIG=$work/regctl.json
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/regclient/regclient/cmd/regctl@v0.11.7
cat > pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>made</groupId>
  <artifactId>made</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>com.google.cloud.tools</groupId><artifactId>jib-core</artifactId><version>0.27.3</version></dependency>
    <dependency><groupId>com.github.luben</groupId><artifactId>zstd-jni</artifactId><version>1.5.7-11</version></dependency>
  </dependencies>
</project>
XML
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath -Dmdep.outputFile=classpath.txt > mvn.txt 2>&1 || { cat mvn.txt; exit 1; }
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
./regctl registry set --tls disabled "127.0.0.1:$port" 2> out.txt

image=127.0.0.1:$port/made/image
printf hello > file.txt
tar -cf layer.tar file.txt
./crane append --oci-empty-base -f layer.tar -t "$image:gzip" > out.txt 2>&1
./regctl image mod "$image:gzip" --create base --layer-compress zstd > out.txt

cat > Build.java <<'JAVA'
import com.google.cloud.tools.jib.api.Containerizer;
import com.google.cloud.tools.jib.api.Jib;
import com.google.cloud.tools.jib.api.RegistryImage;
import com.google.cloud.tools.jib.api.TarImage;
import com.google.cloud.tools.jib.api.buildplan.ImageFormat;
import java.nio.file.Path;
import java.util.List;

class Build {
    public static void main(String[] words) throws Exception {
        String image = words[0];
        build(image, ImageFormat.OCI, Containerizer.to(RegistryImage.named(image + ":oci")));
        build(image, ImageFormat.Docker, Containerizer.to(RegistryImage.named(image + ":docker")));
        build(image, ImageFormat.Docker, Containerizer.to(TarImage.at(Path.of("image.tar")).named("made/image:1")));
        System.exit(0);
    }

    static void build(String image, ImageFormat format, Containerizer to) throws Exception {
        to.setAllowInsecureRegistries(true);
        to.setApplicationLayersCache(Path.of("cache"));
        to.setBaseImageLayersCache(Path.of("base-cache"));
        Jib.from(RegistryImage.named(image + ":base")).setFormat(format).addLayer(List.of(Path.of("file.txt")), "/app").containerize(to);
    }
}
JAVA
java -cp "$(cat classpath.txt)" Build.java "$image" > out.txt 2>&1 || { cat out.txt; exit 1; }
layer() { ./crane manifest "$image:$1" | python3 -c "import json, sys; print(json.load(sys.stdin)['layers'][0]['$2'])"; }
same "type of the base's layer" "$(layer base mediaType)" application/vnd.oci.image.layer.v1.tar+zstd
same "its first bytes" "$(./crane blob "$image@$(layer base digest)" | head -c 4 | od -An -tx1)" " 28 b5 2f fd"
same "oci" "$(layer oci mediaType)" application/vnd.oci.image.layer.v1.tar+gzip
same "docker" "$(layer docker mediaType)" application/vnd.docker.image.rootfs.diff.tar.gzip
for tag in oci docker; do
  same "$tag, the layer" "$(layer $tag digest)" "$(layer base digest)"
  if ./crane validate --remote "$image:$tag" > out.txt 2>&1; then echo "CHANGED: $tag is valid"; exit 1; fi
  grep -q 'gzip: invalid header' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
done
name=$(layer base digest)
same "in the file" "$(tar -tf image.tar | head -1)" "${name#*:}.tar.gz"
echo "as recorded"
