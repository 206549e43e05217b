#!/usr/bin/env bash
# docker-adapter 0.13.1 (Maven, com.artipie), the registry of Artipie: the two ways of the distribution-spec to send a blob that
# its clients seldom take, and an Accept header with two types, as curl, crane and oras write it.
#
# Guess: a POST and a PUT with the whole body store the blob (201), and so do two PATCH and a PUT; a manifest comes for
# `Accept: A, B` as for `Accept: B`. Seen: the body of the PUT is passed over, which is 400 DIGEST_INVALID; the second PATCH
# is 405 UNSUPPORTED; `Accept: A, B` ends in an IllegalArgumentException. One PATCH with an empty PUT, and two Accept headers, do.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

cat > pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>made</groupId>
  <artifactId>made</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>com.artipie</groupId><artifactId>docker-adapter</artifactId><version>0.13.1</version></dependency>
  </dependencies>
</project>
XML
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath -Dmdep.outputFile=classpath.txt > mvn.txt 2>&1 || { cat mvn.txt; exit 1; }

cat > Ask.java <<'JAVA'
import com.artipie.asto.memory.InMemoryStorage;
import com.artipie.docker.asto.AstoDocker;
import com.artipie.docker.http.DockerSlice;
import io.reactivex.Flowable;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionException;

class Ask {
    static final DockerSlice REGISTRY = new DockerSlice(new AstoDocker(new InMemoryStorage()));
    static final String TYPE = "application/vnd.oci.image.manifest.v1+json";
    static String location;

    static String ask(String line, String body, List<Map.Entry<String, String>> headers) {
        StringBuilder answer = new StringBuilder();
        Flowable<ByteBuffer> sent = body.isEmpty() ? Flowable.empty() : Flowable.just(ByteBuffer.wrap(body.getBytes(StandardCharsets.UTF_8)));
        try {
            REGISTRY.response(line + " HTTP/1.1", headers, sent).send((status, answered, content) -> {
                answer.append(status.code());
                answered.forEach(header -> { if (header.getKey().equalsIgnoreCase("location")) location = header.getValue(); });
                return Flowable.fromPublisher(content).reduce("", (text, piece) -> text + StandardCharsets.UTF_8.decode(piece))
                    .to(single -> {
                        String text = single.blockingGet();
                        for (String code : List.of("DIGEST_INVALID", "UNSUPPORTED")) if (text.contains(code)) answer.append(" ").append(code);
                        return java.util.concurrent.CompletableFuture.<Void>completedFuture(null);
                    });
            }).toCompletableFuture().join();
        } catch (CompletionException error) {
            return error.getCause().getClass().getSimpleName();
        }
        return answer.toString();
    }

    static String ask(String line, String body) {
        return ask(line, body, List.of());
    }

    static String digestOf(String text) throws Exception {
        return "sha256:" + HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8)));
    }

    public static void main(String[] words) throws Exception {
        String uploads = "POST /v2/made/image/blobs/uploads/";
        String digest = digestOf("hello");
        ask(uploads, "");
        System.out.println("PUT " + ask("PUT " + location + "?digest=" + digest, "hello"));
        ask(uploads, "");
        System.out.println("PATCH " + ask("PATCH " + location, "hel"));
        System.out.println("PATCH again " + ask("PATCH " + location, "lo"));
        ask(uploads, "");
        System.out.println("PATCH of all " + ask("PATCH " + location, "hello"));
        System.out.println("empty PUT " + ask("PUT " + location + "?digest=" + digest, ""));
        String manifest = "{\"schemaVersion\":2,\"mediaType\":\"" + TYPE + "\",\"config\":{\"mediaType\":\"text/plain\",\"digest\":\"" + digest
            + "\",\"size\":5},\"layers\":[]}";
        String name = "/v2/made/image/manifests/1";
        System.out.println("manifest " + ask("PUT " + name, manifest, List.of(Map.entry("Content-Type", TYPE))));
        String other = "application/vnd.oci.image.index.v1+json";
        System.out.println("one type " + ask("GET " + name, "", List.of(Map.entry("Accept", TYPE))));
        System.out.println("two headers " + ask("GET " + name, "", List.of(Map.entry("Accept", other), Map.entry("Accept", TYPE))));
        System.out.println("two types " + ask("GET " + name, "", List.of(Map.entry("Accept", other + ", " + TYPE))));
        System.exit(0);
    }
}
JAVA
java -cp "$(cat classpath.txt)" Ask.java > seen.txt 2> errors.txt || { cat errors.txt; exit 1; }
seen() { sed -n "s/^$1 //p" seen.txt; }
same "PUT of all" "$(sed -n '1s/^PUT //p' seen.txt)" "400 DIGEST_INVALID"
same "first PATCH" "$(sed -n '2s/^PATCH //p' seen.txt)" 202
same "second PATCH" "$(seen 'PATCH again')" "405 UNSUPPORTED"
same "one PATCH" "$(seen 'PATCH of all')" 202
same "PUT after it" "$(seen 'empty PUT')" 201
same "PUT of a manifest" "$(seen manifest)" 201
same "Accept: B" "$(seen 'one type')" 200
same "Accept: A and Accept: B" "$(seen 'two headers')" 200
same "Accept: A, B" "$(seen 'two types')" IllegalArgumentException
echo "as recorded"
