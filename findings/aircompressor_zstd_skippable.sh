#!/usr/bin/env bash
# aircompressor 2.0.2 (Maven; what Trino and ORC read zstd with), zstd bytes with a skippable frame, beside zstd-jni 1.5.7-28.
#
# A decoder passes over such frames (RFC 8878, 3.1.2); pzstd writes them, and so do layers of `zstd:chunked`, which keep their
# table of contents in them. Guess: the content, for two plain frames come out whole. Seen, from the stream and from the
# decompressor alike: `Invalid magic prefix: 184d2a50`, also where the skippable frame is the last thing in the file.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat > pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>made</groupId>
  <artifactId>made</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>io.airlift</groupId><artifactId>aircompressor</artifactId><version>2.0.2</version></dependency>
    <dependency><groupId>com.github.luben</groupId><artifactId>zstd-jni</artifactId><version>1.5.7-28</version></dependency>
  </dependencies>
</project>
XML
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath -Dmdep.outputFile=classpath.txt > mvn.txt 2>&1 || { cat mvn.txt; exit 1; }

printf 'first ' | zstd -q -c > one
printf 'second' | zstd -q -c > two
printf '\x50\x2a\x4d\x18\x04\x00\x00\x00skip' > skippable
cat one two > frames.zst
cat skippable one > before.zst
cat one skippable two > between.zst
cat one skippable > after.zst
cat > Frames.java <<'JAVA'
import io.airlift.compress.zstd.ZstdDecompressor;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;

class Frames {
    interface Open {
        InputStream open(InputStream from) throws Exception;
    }

    public static void main(String[] words) throws Exception {
        for (String name : new String[] {"frames", "before", "between", "after"}) {
            byte[] data = Files.readAllBytes(Path.of(name + ".zst"));
            System.out.println(name + " | " + read(data, com.github.luben.zstd.ZstdInputStream::new)
                + " | " + read(data, io.airlift.compress.zstd.ZstdInputStream::new) + " | " + whole(data));
        }
    }

    static String read(byte[] data, Open reader) {
        try (InputStream stream = reader.open(new ByteArrayInputStream(data))) {
            return new String(stream.readAllBytes());
        } catch (Exception error) {
            return error.getMessage().replaceAll(": offset.*", "");
        }
    }

    static String whole(byte[] data) {
        byte[] output = new byte[100];
        try {
            return new String(output, 0, new ZstdDecompressor().decompress(data, 0, data.length, output, 0, output.length));
        } catch (RuntimeException error) {
            return error.getMessage().replaceAll(": offset.*", "");
        }
    }
}
JAVA
java -cp "$(cat classpath.txt)" Frames.java 2> err.txt > seen.txt || { cat err.txt; exit 1; }
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
frames | first second | first second | first second
before | first  | Invalid magic prefix: 184d2a50 | Invalid magic prefix: 184d2a50
between | first second | Invalid magic prefix: 184d2a50 | Invalid magic prefix: 184d2a50
after | first  | Invalid magic prefix: 184d2a50 | Invalid magic prefix: 184d2a50
SEEN
echo "as recorded"
