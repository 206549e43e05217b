// A frame of each block by libzstd, which tells its length and has no checksum: the same as ZSTD_compress() makes, and Bun.
#define ZSTD_STATIC_LINKING_ONLY
#include "zstd.h"
#include <stdlib.h>

static ZSTD_CCtx *context;
static unsigned char *input, *output;
static size_t room;

/** Makes the compressor; returns where blocks of up to `size` bytes are put, 0 where there is no memory. */
unsigned char *start(int level, size_t size) {
  size_t needed = ZSTD_estimateCCtxSize(level);
  void *workspace = malloc(needed);
  context = workspace ? ZSTD_initStaticCCtx(workspace, needed) : 0;
  if (!context) return 0;
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 1);
  room = ZSTD_compressBound(size);
  output = malloc(room);
  input = malloc(size);
  return output ? input : 0;
}

/** Where a block is after it was compressed. */
unsigned char *result(void) { return output; }

/** Compresses a block; returns its length, 0 for a failure. */
size_t encode(size_t size) {
  size_t made = ZSTD_compress2(context, output, room, input, size);
  return ZSTD_isError(made) ? 0 : made;
}
