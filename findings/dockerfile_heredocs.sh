#!/usr/bin/env bash
# dockerfile-parse 2.0.1 (PyPI) and docker-file-parser 1.0.7 (npm), a Dockerfile with a here-document (`RUN <<EOF`, part of the
# language since 2021).
#
# Guess: its lines belong to RUN, as with dockerfile-ast 0.7.1 (npm), or an error. Seen in both, without an error: every line is
# an instruction. So one that begins with FROM or ENV inside of a script decides what base and what variables the image has,
# as far as dockerfile-parse can tell.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --prefix "$work" --silent --no-audit --no-fund docker-file-parser@1.0.7 dockerfile-ast@0.7.1
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install dockerfile-parse==2.0.1
cat > Dockerfile <<'DOCKERFILE'
FROM made/base:1
ENV A=image
RUN <<EOF
cat > other.txt <<END
FROM made/other:1
ENV A=other
END
EOF
USER made
DOCKERFILE

cat > run.cjs <<'JS'
const text = require("node:fs").readFileSync("Dockerfile", "utf8");
const ast = require("dockerfile-ast").DockerfileParser.parse(text).getInstructions();
console.log("dockerfile-ast", ...ast.map((instruction) => instruction.getKeyword()));
console.log("docker-file-parser", ...require("docker-file-parser").parse(text).map(({ name }) => name));
JS
cat > run.py <<'PY'
from dockerfile_parse import DockerfileParser

read = DockerfileParser("Dockerfile")
print("dockerfile-parse", *(part["instruction"] for part in read.structure), "|", read.baseimage, dict(read.envs))
PY
{
  node run.cjs
  venv/bin/python run.py
} > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
dockerfile-ast FROM ENV RUN USER
docker-file-parser FROM ENV RUN CAT FROM ENV END EOF USER
dockerfile-parse FROM ENV RUN CAT FROM ENV END EOF USER | made/other:1 {'A': 'other'}
SEEN
echo "as recorded"
