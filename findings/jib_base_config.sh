#!/usr/bin/env bash
# jib-core 0.27.3 (Maven), an image with one more file on a base for linux/arm/v7 with STOPSIGNAL, HEALTHCHECK, SHELL, labels
# and a user, in Docker's format.
#
# Guess: the base's config with another layer, as `docker build` makes it of FROM and COPY. Seen: `variant`, the stop
# signal and the shell are gone, in silence; the health check, the labels and the user are kept.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

export GOBIN=$work DOCKER_CONFIG=$work/docker
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
cat > pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>made</groupId>
  <artifactId>made</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>com.google.cloud.tools</groupId><artifactId>jib-core</artifactId><version>0.27.3</version></dependency>
  </dependencies>
</project>
XML
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath -Dmdep.outputFile=classpath.txt > mvn.txt 2>&1 || { cat mvn.txt; exit 1; }
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done

image=127.0.0.1:$port/made/image
printf hello > file.txt
tar -cf layer.tar file.txt
cat > config.json <<JSON
{"architecture": "arm", "variant": "v7", "os": "linux",
 "config": {"StopSignal": "SIGINT", "Shell": ["/bin/ash", "-c"], "Healthcheck": {"Test": ["CMD", "true"]}, "Labels": {"a": "b"}, "User": "1000"},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$(sha256sum layer.tar | cut -d ' ' -f 1)"]}}
JSON
echo '[{"Config": "config.json", "RepoTags": ["made/image:1"], "Layers": ["layer.tar"]}]' > manifest.json
tar -cf base.tar manifest.json config.json layer.tar
./crane push base.tar "$image:base" > out.txt 2>&1

cat > Build.java <<'JAVA'
import com.google.cloud.tools.jib.api.Containerizer;
import com.google.cloud.tools.jib.api.Jib;
import com.google.cloud.tools.jib.api.RegistryImage;
import com.google.cloud.tools.jib.api.buildplan.ImageFormat;
import java.nio.file.Path;
import java.util.List;

class Build {
    public static void main(String[] words) throws Exception {
        Containerizer to = Containerizer.to(RegistryImage.named(words[0] + ":built"));
        to.setAllowInsecureRegistries(true);
        to.setApplicationLayersCache(Path.of("cache"));
        to.setBaseImageLayersCache(Path.of("base-cache"));
        Jib.from(RegistryImage.named(words[0] + ":base"))
            .setFormat(ImageFormat.Docker).addLayer(List.of(Path.of("file.txt")), "/app").containerize(to);
        System.exit(0);
    }
}
JAVA
java -cp "$(cat classpath.txt)" Build.java "$image" > out.txt 2>&1 || { cat out.txt; exit 1; }
cat > read.py <<'PY'
import json, sys

image = json.load(sys.stdin)
config = image["config"]
print(image["architecture"], image.get("variant"), config.get("StopSignal"), config.get("Shell"),
      config.get("Healthcheck", {}).get("Test"), config.get("Labels"), config.get("User"))
PY
same base "$(./crane config "$image:base" | python3 read.py)" "arm v7 SIGINT ['/bin/ash', '-c'] ['CMD', 'true'] {'a': 'b'} 1000"
same built "$(./crane config "$image:built" | python3 read.py)" "arm None None None ['CMD', 'true'] {'a': 'b'} 1000"
same "layers" "$(./crane manifest "$image:built" | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["layers"]))')" 2
echo "as recorded"
