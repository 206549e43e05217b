// What libzstd and libdeflate ask of a C library. Each asks once for all the memory of its compressor, which is never freed:
// an instance is thrown away as a whole, and fresh memory of WebAssembly is all zeros. The decoder frees the window of a
// frame for a larger one, which is the last that it asked for, and wants no zeros.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern unsigned char __heap_base;
static uintptr_t top, last;

void *malloc(size_t size) {
  if (!top) top = ((uintptr_t)&__heap_base + 63) & ~(uintptr_t)63;
  uintptr_t at = top;
  size_t pages = (at + size + 65535) >> 16, have = __builtin_wasm_memory_size(0);
  if (pages > have && __builtin_wasm_memory_grow(0, pages - have) == (size_t)-1) return 0;
  top = (at + size + 63) & ~(uintptr_t)63;
  return (void *)(last = at);
}

void *calloc(size_t count, size_t size) { return malloc(count * size); }
void free(void *pointer) { if (pointer && (uintptr_t)pointer == last) top = last; }

void *memset(void *to, int byte, size_t size) { return __builtin_memset(to, byte, size); }
void *memcpy(void *to, const void *from, size_t size) { return __builtin_memcpy(to, from, size); }
void *memmove(void *to, const void *from, size_t size) { return __builtin_memmove(to, from, size); }

int memcmp(const void *a, const void *b, size_t size) {
  const unsigned char *x = a, *y = b;
  for (; size > 0; size--, x++, y++) if (*x != *y) return *x - *y;
  return 0;
}
