#!/usr/bin/env bash
# skopeo 1.9.3 (Debian's package), `skopeo copy` of a second tag into a target that holds one already.
#
# Guess: `oci-archive:FILE:TAG` behaves like `oci:FOLDER:TAG` (the same layout in a tar). Seen:
# - `oci:` adds the tag and keeps the first;
# - `docker-archive:` refuses: `docker-archive doesn't support modifying existing images`;
# - `oci-archive:` replaces the whole file: the first tag and its image are gone, with exit code 0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
copy() { skopeo --policy policy.json copy "$@" > out.txt 2>&1; }

for name in one two; do
  mkdir $name
  echo $name > $name/file.txt
  tar -cf $name/layer.tar -C $name file.txt
  diff_id=$(sha256sum $name/layer.tar | cut -d ' ' -f 1)
  printf '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$diff_id" > $name/config.json
  printf '[{"Config":"config.json","RepoTags":[],"Layers":["layer.tar"]}]' > $name/manifest.json
  tar -cf $name.tar -C $name manifest.json config.json layer.tar
  copy docker-archive:$name.tar oci:layout:$name || { echo "CHANGED: $(cat out.txt)"; exit 1; }
  copy docker-archive:$name.tar oci-archive:archive.tar:$name || { echo "CHANGED: $(cat out.txt)"; exit 1; }
done
copy docker-archive:one.tar docker-archive:saved.tar:made/image:one || { echo "CHANGED: $(cat out.txt)"; exit 1; }
if copy docker-archive:two.tar docker-archive:saved.tar:made/image:two; then echo "CHANGED: docker-archive takes it"; exit 1; fi
grep -q "docker-archive doesn't support modifying existing images" out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }

tags='import json, sys; print([m["annotations"]["org.opencontainers.image.ref.name"] for m in json.load(sys.stdin)["manifests"]])'
same oci "$(python3 -c "$tags" < layout/index.json)" "['one', 'two']"
same oci-archive "$(tar -xOf archive.tar index.json | python3 -c "$tags")" "['two']"
echo "as recorded"
