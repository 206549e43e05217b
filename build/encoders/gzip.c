// A gzip member of each block, by libdeflate.
#include "libdeflate.h"
#include <stdlib.h>

static struct libdeflate_compressor *compressor;
static unsigned char *input, *output;
static size_t room;

/** Makes the compressor; returns where blocks of up to `size` bytes are put, 0 where there is no memory. */
unsigned char *start(int level, size_t size) {
  compressor = libdeflate_alloc_compressor(level);
  if (!compressor) return 0;
  room = libdeflate_gzip_compress_bound(compressor, size);
  output = malloc(room);
  input = malloc(size);
  return output ? input : 0;
}

/** Where a block is after it was compressed. */
unsigned char *result(void) { return output; }

/** Compresses a block; returns its length, 0 for a failure. */
size_t encode(size_t size) {
  return libdeflate_gzip_compress(compressor, input, size, output, room);
}
