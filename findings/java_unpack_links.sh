#!/usr/bin/env bash
# plexus-archiver 4.15.0 (Maven; what Maven's plugins unpack with) and Ant 1.10.15, `TarUnArchiver` and `<untar>` of an archive
# with a hard link and a symbolic link.
#
# Guess: the links, copies of the file, or an error. Seen, without an error: the hard link is a file without contents in both;
# the symbolic link is one as well with Ant.
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
    <dependency><groupId>org.codehaus.plexus</groupId><artifactId>plexus-archiver</artifactId><version>4.15.0</version></dependency>
    <dependency><groupId>org.apache.ant</groupId><artifactId>ant</artifactId><version>1.10.15</version></dependency>
  </dependencies>
</project>
XML
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath -Dmdep.outputFile=classpath.txt > mvn.txt 2>&1 || { cat mvn.txt; exit 1; }
mkdir packed plexus ant
printf hello > packed/a
ln packed/a packed/hard
ln -s a packed/symbolic
tar -C packed -cf packed.tar a hard symbolic

cat > Unpack.java <<'JAVA'
import java.io.File;
import org.apache.tools.ant.Project;
import org.apache.tools.ant.taskdefs.Untar;
import org.codehaus.plexus.archiver.tar.TarUnArchiver;

class Unpack {
    public static void main(String[] words) {
        TarUnArchiver plexus = new TarUnArchiver(new File("packed.tar"));
        plexus.setDestDirectory(new File("plexus"));
        plexus.extract();

        Project project = new Project();
        project.init();
        Untar ant = new Untar();
        ant.setProject(project);
        ant.setSrc(new File("packed.tar"));
        ant.setDest(new File("ant"));
        ant.execute();
    }
}
JAVA
java -cp "$(cat classpath.txt)" Unpack.java > out.txt 2>&1 || { cat out.txt; exit 1; }
stat -c '%n %F %s' plexus/* ant/* > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
plexus/a regular file 5
plexus/hard regular empty file 0
plexus/symbolic symbolic link 1
ant/a regular file 5
ant/hard regular empty file 0
ant/symbolic regular empty file 0
SEEN
echo "as recorded"
