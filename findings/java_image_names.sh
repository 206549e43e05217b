#!/usr/bin/env bash
# testcontainers 2.0.5, docker-java-core 3.7.0, docker-maven-plugin 0.46.0 and oras-java-sdk 0.7.0 (Maven): valid names of images.
#
# Guess: each reads them as spring-boot-buildpack-platform 3.5.7 beside them. Seen:
# - `app:1@sha256:...`, the form that Docker's own tools print: testcontainers refuses it, `app:1 is not a valid Docker image
#   name`; for docker-java all of it is the repository;
# - `app@sha512:...`: testcontainers and docker-maven-plugin refuse it, and for docker-java the tag is the digest's hex;
# - `localhost/app:1`: docker-maven-plugin finds no registry in it, and for oras-java it is Docker Hub's.
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
    <dependency><groupId>org.testcontainers</groupId><artifactId>testcontainers</artifactId><version>2.0.5</version></dependency>
    <dependency><groupId>com.github.docker-java</groupId><artifactId>docker-java-core</artifactId><version>3.7.0</version></dependency>
    <dependency><groupId>io.fabric8</groupId><artifactId>docker-maven-plugin</artifactId><version>0.46.0</version></dependency>
    <dependency><groupId>land.oras</groupId><artifactId>oras-java-sdk</artifactId><version>0.7.0</version></dependency>
    <dependency>
      <groupId>org.springframework.boot</groupId><artifactId>spring-boot-buildpack-platform</artifactId><version>3.5.7</version>
    </dependency>
  </dependencies>
</project>
XML
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath -Dmdep.outputFile=classpath.txt > mvn.txt 2>&1 || { cat mvn.txt; exit 1; }

cat > Names.java <<'JAVA'
import com.github.dockerjava.core.NameParser;
import io.fabric8.maven.docker.util.ImageName;
import java.util.function.UnaryOperator;
import land.oras.ContainerRef;
import org.springframework.boot.buildpack.platform.docker.type.ImageReference;
import org.testcontainers.utility.DockerImageName;

class Names {
    static final String SHA256 = "sha256:" + "a".repeat(64), SHA512 = "sha512:" + "b".repeat(128);

    public static void main(String[] words) {
        for (String name : new String[] {"app:1@" + SHA256, "app@" + SHA512, "localhost/app:1"}) {
            tell("spring", name, text -> {
                ImageReference read = ImageReference.of(text);
                return parts(read.getDomain(), read.getName(), read.getTag(), read.getDigest());
            });
            tell("testcontainers", name, text -> {
                DockerImageName read = DockerImageName.parse(text);
                read.assertValid();
                return parts(read.getRegistry(), read.getRepository(), read.getVersionPart(), null);
            });
            tell("docker-java", name, text -> {
                NameParser.ReposTag read = NameParser.parseRepositoryTag(text);
                NameParser.HostnameReposName where = NameParser.resolveRepositoryName(read.repos);
                return parts(where.hostname, read.repos, read.tag, null);
            });
            tell("docker-maven-plugin", name, text -> {
                ImageName read = new ImageName(text);
                return parts(read.getRegistry(), read.getRepository(), read.getTag(), read.getDigest());
            });
            tell("oras-java", name, text -> {
                ContainerRef read = ContainerRef.parse(text);
                return parts(read.getRegistry(), read.getFullRepository(), read.getTag(), read.getDigest());
            });
        }
    }

    static void tell(String library, String name, UnaryOperator<String> read) {
        String told;
        try {
            told = read.apply(name);
        } catch (RuntimeException error) {
            told = "refused";
        }
        System.out.println(library + " | " + (name + " | " + told).replaceAll("a{64}", "A").replaceAll("b{128}", "B"));
    }

    static String parts(String... parts) {
        return String.join(" ", java.util.Arrays.stream(parts).map(part -> part == null || part.isEmpty() ? "-" : part).toList());
    }
}
JAVA
java -cp "$(cat classpath.txt)" Names.java 2> err.txt > seen.txt || { cat err.txt; exit 1; }
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
spring | app:1@sha256:A | docker.io library/app 1 sha256:A
testcontainers | app:1@sha256:A | refused
docker-java | app:1@sha256:A | https://index.docker.io/v1/ app:1@sha256:A - -
docker-maven-plugin | app:1@sha256:A | - app 1 sha256:A
oras-java | app:1@sha256:A | docker.io library/app 1 sha256:A
spring | app@sha512:B | docker.io library/app - sha512:B
testcontainers | app@sha512:B | refused
docker-java | app@sha512:B | https://index.docker.io/v1/ app@sha512 B -
docker-maven-plugin | app@sha512:B | refused
oras-java | app@sha512:B | docker.io library/app latest sha512:B
spring | localhost/app:1 | localhost app 1 -
testcontainers | localhost/app:1 | localhost app 1 -
docker-java | localhost/app:1 | localhost localhost/app 1 -
docker-maven-plugin | localhost/app:1 | - localhost/app 1 -
oras-java | localhost/app:1 | docker.io localhost/app 1 -
SEEN
echo "as recorded"
