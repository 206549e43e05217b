#!/usr/bin/env bash
# docker-tartare 0.2.0 (PyPI), `docker-tartare extract --dir` and `list`: files of a saved image whose second layer changes it.
#
# Guess: the files as a container sees them. Seen:
# - of a file that both layers have `extract --dir` writes the older one;
# - at the root a deleted file is still listed, beside `/wh.` and its name, and `/.profile` is listed as `/profile`, under which
#   it cannot be extracted;
# - of a deleted folder what was in it is still listed;
# - a file in the folder that is replaced, behind its opaque whiteout, is not listed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv python
python/bin/pip install -q docker-tartare==0.2.0 > pip.txt 2>&1 || { cat pip.txt; exit 1; }
mkdir -p first/{etc/gone,new} second/{etc,new}
echo old > first/etc/a.conf
echo text | tee first/.profile first/etc/gone/b first/new/c > first/top
echo new > second/etc/a.conf
echo text > second/new/d
touch second/.wh.top second/etc/.wh.gone second/new/.wh..wh..opq
tar -C first -cf first.tar .profile etc new top
tar -C second -cf second.tar .wh.top etc new/.wh..wh..opq new/d
printf '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s","sha256:%s"]}}' \
  "$(sha256sum first.tar | cut -d ' ' -f 1)" "$(sha256sum second.tar | cut -d ' ' -f 1)" > config.json
printf '[{"Config":"config.json","RepoTags":["app:1"],"Layers":["first.tar","second.tar"]}]' > manifest.json
tar -cf image.tar manifest.json config.json first.tar second.tar

python/bin/docker-tartare extract --dir image.tar /etc etc
{
  echo "extracted: $(cat etc/a.conf)"
  python/bin/docker-tartare list image.tar
  ! python/bin/docker-tartare extract image.tar /profile profile 2> err.txt
  tail -n 1 err.txt
} > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
extracted: old
/etc/
/etc/a.conf
/etc/gone/b
/new/
/profile
/top
/wh.top
KeyError: "filename 'profile' not found"
SEEN
echo "as recorded"
