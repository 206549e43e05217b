#!/usr/bin/env bash
# crane 0.22.1, oras 1.3.6, regctl 0.11.7, containerd's platforms 0.2.1 (Go modules) and skopeo 1.9.3 (Debian's package): an
# index with several variants of amd64 and of arm, asked for `linux/amd64` and for `linux/arm`.
#
# Guess: the image that every such machine runs, which containerd gives: amd64 without a variant, arm v7. Seen, with exit
# code 0: crane and oras take the first of the architecture, so an image for amd64/v3 where that comes first, and for arm v5;
# skopeo takes arm v8. A variant that is written out and not there is no image for the two, also where a lower one would
# run: `linux/amd64/v2`.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
export GOBIN=$work REGCTL_CONFIG=$work/regctl.json DOCKER_CONFIG=$work/docker
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/regclient/regclient/cmd/regctl@v0.11.7
go install oras.land/oras/cmd/oras@v1.3.6
mkdir made
cat > made/go.mod <<'GO'
module made

go 1.24

require (
	github.com/containerd/platforms v0.2.1
	github.com/opencontainers/image-spec v1.1.1
)
GO
cat > made/main.go <<'GO'
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"

	"github.com/containerd/platforms"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func main() {
	data, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	var index v1.Index
	if err := json.Unmarshal(data, &index); err != nil {
		panic(err)
	}
	wanted := platforms.Only(platforms.MustParse(os.Args[2]))
	var fit []v1.Descriptor
	for _, one := range index.Manifests {
		if wanted.Match(*one.Platform) {
			fit = append(fit, one)
		}
	}
	sort.SliceStable(fit, func(i, j int) bool { return wanted.Less(*fit[i].Platform, *fit[j].Platform) })
	fmt.Println(fit[0].Digest)
}
GO
(cd made && go mod tidy && go build -o ../platforms .) > go.txt 2>&1 || { cat go.txt; exit 1; }
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
./regctl registry set --tls disabled "127.0.0.1:$port"

cat > make.py <<'PY'
import hashlib, json, os

os.makedirs("layout/blobs/sha256")
oci = "application/vnd.oci.image."

def blob(value, media_type, **more):
    data = json.dumps(value).encode()
    digest = hashlib.sha256(data).hexdigest()
    open("layout/blobs/sha256/" + digest, "wb").write(data)
    return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data), **more}

def image(architecture, variant):
    platform = {"os": "linux", "architecture": architecture, **({"variant": variant} if variant else {})}
    config = blob({**platform, "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}, oci + "config.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": config, "layers": []}
    return blob(manifest, manifest["mediaType"], platform=platform)

images = [image(*one) for one in [("amd64", "v3"), ("amd64", None), ("arm", "v5"), ("arm", "v8"), ("arm", "v7")]]
index = {"schemaVersion": 2, "mediaType": oci + "index.v1+json", "manifests": images}
json.dump(index, open("index.json", "w"))
with open("names.txt", "w") as names:
    for one in images:
        print(one["digest"], "/".join(one["platform"].values()), file=names)
named = blob(index, index["mediaType"], annotations={"org.opencontainers.image.ref.name": "1"})
json.dump({"schemaVersion": 2, "manifests": [named]}, open("layout/index.json", "w"))
json.dump({"imageLayoutVersion": "1.0.0"}, open("layout/oci-layout", "w"))
PY
python3 make.py
image=127.0.0.1:$port/made/image:1
./oras cp --from-oci-layout layout:1 --to-plain-http "$image" > out.txt

name() { awk -v digest="$1" '$1 == digest {print $2; found = 1} END {if (!found) print "none"}' names.txt; }
by_skopeo() {
  skopeo --policy policy.json --override-os linux --override-arch "${1#*/}" copy --src-tls-verify=false "docker://$image" dir:copied > out.txt 2>&1
  name "sha256:$(sha256sum copied/manifest.json | cut -d ' ' -f 1)"
}
for platform in linux/amd64 linux/arm; do
  echo "$platform containerd $(name "$(./platforms index.json $platform)")"
  echo "$platform regctl $(name "$(./regctl image digest --platform $platform "$image")")"
  echo "$platform skopeo $(by_skopeo $platform)"
  echo "$platform crane $(name "$(./crane digest --platform $platform "$image")")"
  echo "$platform oras $(name "$(./oras resolve --plain-http --platform $platform "$image")")"
done > seen.txt
platform=linux/amd64/v2
{
  echo "$platform containerd $(name "$(./platforms index.json $platform)")"
  echo "$platform regctl $(name "$(./regctl image digest --platform $platform "$image")")"
  echo "$platform crane $(name "$(./crane digest --platform $platform "$image" 2> err.txt || echo refused)")"
  echo "$platform oras $(name "$(./oras resolve --plain-http --platform $platform "$image" 2> err.txt || echo refused)")"
} >> seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
linux/amd64 containerd linux/amd64
linux/amd64 regctl linux/amd64
linux/amd64 skopeo linux/amd64
linux/amd64 crane linux/amd64/v3
linux/amd64 oras linux/amd64/v3
linux/arm containerd linux/arm/v7
linux/arm regctl linux/arm/v7
linux/arm skopeo linux/arm/v8
linux/arm crane linux/arm/v5
linux/arm oras linux/arm/v5
linux/amd64/v2 containerd linux/amd64
linux/amd64/v2 regctl linux/amd64
linux/amd64/v2 crane none
linux/amd64/v2 oras none
SEEN
echo "as recorded"
