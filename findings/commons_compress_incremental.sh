#!/usr/bin/env bash
# commons-compress 1.28.0 (Maven), `TarArchiveInputStream` of an incremental archive (`tar --listed-incremental`).
#
# Such an archive has, for each folder, a list of its files as the contents of the folder's entry (type D). Guess: the folder and
# its files. Seen, without an error: the list is not passed over but taken for a header, so that an empty file is listed that
# nobody has packed, called by the list's first line, `Yfile.txt`. The files behind it come out well.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

tar --version | grep -q 'GNU tar' || { echo "needs GNU tar"; exit 1; }
cat > pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>made</groupId>
  <artifactId>made</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.commons</groupId><artifactId>commons-compress</artifactId><version>1.28.0</version></dependency>
  </dependencies>
</project>
XML
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath -Dmdep.outputFile=classpath.txt > mvn.txt 2>&1 || { cat mvn.txt; exit 1; }
mkdir folder
printf hello > folder/file.txt
tar --listed-incremental=snapshot -cf made.tar folder
[ "$(tar -tf made.tar)" = "$(printf 'folder/\nfolder/file.txt')" ]

cat > Read.java <<'JAVA'
import java.io.FileInputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;

class Read {
    public static void main(String[] words) throws Exception {
        try (var archive = new TarArchiveInputStream(new FileInputStream("made.tar"))) {
            for (TarArchiveEntry entry; (entry = archive.getNextEntry()) != null;) {
                System.out.println(entry.getName() + (entry.isFile() ? " file " : " folder ") + archive.readAllBytes().length);
            }
        }
    }
}
JAVA
java -cp "$(cat classpath.txt)" Read.java 2> err.txt > seen.txt || { cat err.txt; exit 1; }
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
folder/ folder 0
Yfile.txt file 0
folder/file.txt file 5
SEEN
echo "as recorded"
