#!/usr/bin/env bash
# parse-docker-image-name 3.0.0 and @codefresh-io/docker-reference 0.1.0 (npm): valid names of images.
#
# Guess: both read what Docker's own parser reads, distribution/reference 0.6.0 (Go module). Seen:
# - `[::1]:5000/app:1`: parse-docker-image-name gives an object without a field, and no error; docker-reference refuses it;
# - `REG/app:1`, a registry in upper case: for parse-docker-image-name all of it is a repository, which must not have upper
#   case; docker-reference refuses it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init -y > npm.txt
npm install --silent --no-audit --no-fund parse-docker-image-name@3.0.0 @codefresh-io/docker-reference@0.1.0

cat > names.js <<'JS'
const { parseFamiliarName } = require("@codefresh-io/docker-reference");
const exported = require("parse-docker-image-name");
const parse = exported.default ?? exported;

const shown = (...parts) => parts.map((part) => part ?? "-").join(" ");
const told = (read) => {
  try {
    return read();
  } catch {
    return "refused";
  }
};
const name = process.argv[2];
console.log(name);
console.log("  parse-docker-image-name", told(() => (({ domain, path, tag }) => shown(domain, path, tag))(parse(name))));
console.log("  docker-reference", told(() => (({ domain, repository, tag }) => shown(domain, repository, tag))(parseFamiliarName(name))));
JS
mkdir made
cat > made/main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"github.com/distribution/reference"
)

func main() {
	for _, name := range os.Args[1:] {
		read, err := reference.ParseDockerRef(name)
		if err != nil {
			fmt.Println("  docker refused")
			continue
		}
		fmt.Println("  docker", reference.Domain(read), reference.Path(read), read.(reference.Tagged).Tag())
	}
}
GO
(cd made && go mod init made && go get github.com/distribution/reference@v0.6.0 && go build -o ../docker .) > go.txt 2>&1 || { cat go.txt; exit 1; }
for name in 127.0.0.1:5000/app:1 '[::1]:5000/app:1' reg.example/app:1 REG/app:1; do
  node names.js "$name"
  ./docker "$name"
done > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
127.0.0.1:5000/app:1
  parse-docker-image-name 127.0.0.1:5000 app 1
  docker-reference 127.0.0.1:5000 app 1
  docker 127.0.0.1:5000 app 1
[::1]:5000/app:1
  parse-docker-image-name - - -
  docker-reference refused
  docker [::1]:5000 app 1
reg.example/app:1
  parse-docker-image-name reg.example app 1
  docker-reference reg.example app 1
  docker reg.example app 1
REG/app:1
  parse-docker-image-name - REG/app 1
  docker-reference refused
  docker REG app 1
SEEN
echo "as recorded"
