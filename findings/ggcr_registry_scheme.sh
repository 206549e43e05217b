#!/usr/bin/env bash
# go-containerregistry 0.22.1 (Go module, pkg/name; crane uses it): `Registry.Scheme`, which says whether plain http may
# be tried for a registry when its caller did not ask for it.
#
# Guess: yes for all that is this machine, and never for port 443. Seen:
# - `localhost` is https, `localhost:80` and even `localhost:443` are http;
# - 127.0.0.1 is http, 127.0.0.2 and `[::1]:5000`'s private neighbours (fd00::/8) are https;
# - every name that ends in `.localhost` and every private IPv4 address is http, with port 443 too.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat > go.mod <<'GO'
module made

go 1.24
GO
cat > main.go <<'GO'
package main

import (
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
)

func main() {
	for _, host := range []string{
		"localhost", "localhost:80", "localhost:443",
		"127.0.0.1", "127.0.0.2", "[::1]:5000", "[fd00::1]:5000",
		"registry.localhost", "10.0.0.1:443", "100.64.0.1:443",
	} {
		registry, err := name.NewRegistry(host)
		if err != nil {
			panic(err)
		}
		fmt.Println(host, registry.Scheme())
	}
}
GO
go get github.com/google/go-containerregistry@v0.22.1 > go.txt 2>&1
go mod tidy >> go.txt 2>&1
go run . > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
localhost https
localhost:80 http
localhost:443 http
127.0.0.1 http
127.0.0.2 https
[::1]:5000 http
[fd00::1]:5000 https
registry.localhost http
10.0.0.1:443 http
100.64.0.1:443 https
SEEN
echo "as recorded"
