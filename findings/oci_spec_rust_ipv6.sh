#!/usr/bin/env bash
# oci-spec 0.10.0 (crates.io), `Reference` from text, beside distribution/reference 0.6.0, whose grammar it repeats.
#
# 1. `[::1]:5000/app:1`: Go's library takes an IPv6 address as the registry. Seen: invalid format.
# 2. `Foo/app:1`: Go's library takes a first part with a capital letter as a registry's name (a repository cannot have
#    one). Seen: the registry is docker.io and the repository `Foo/app`, which no registry takes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

mkdir rust go rust/src
cat > rust/Cargo.toml <<'TOML'
[package]
name = "made"
version = "0.1.0"
edition = "2021"

[dependencies]
oci-spec = { version = "=0.10.0", default-features = false, features = ["distribution"] }
TOML
cat > rust/src/main.rs <<'RUST'
use oci_spec::distribution::Reference;

fn main() {
    for name in ["[::1]:5000/app:1", "Foo/app:1"] {
        match name.parse::<Reference>() {
            Ok(reference) => println!("{} {}", reference.registry(), reference.repository()),
            Err(error) => println!("{error}"),
        }
    }
}
RUST
cat > go/go.mod <<'GO'
module made

go 1.24
GO
cat > go/main.go <<'GO'
package main

import (
	"fmt"

	"github.com/distribution/reference"
)

func main() {
	for _, name := range []string{"[::1]:5000/app:1", "Foo/app:1"} {
		named, err := reference.ParseNormalizedNamed(name)
		if err != nil {
			panic(err)
		}
		fmt.Println(reference.Domain(named), reference.Path(named))
	}
}
GO
(cd go && go get github.com/distribution/reference@v0.6.0 && go mod tidy) > go.txt 2>&1
(cd go && go run .) > go_seen.txt
(cd rust && cargo run --quiet) > rust_seen.txt 2> cargo.txt || { cat cargo.txt; exit 1; }
diff go_seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
[::1]:5000 app
Foo app
SEEN
diff rust_seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
invalid reference format
docker.io Foo/app
SEEN
echo "as recorded"
