// Included before each file of libzstd's decoder. It takes the width of its bit reader from that of a pointer: 32 bits, and a
// refill for every few symbols, where WebAssembly has words of 64 as every machine below it has. Sizes and pointers stay
// as they are; what depends on them where addresses could run over does not here, with memory of some hundred MiB at most.
#pragma once
#include "mem.h"
#include "compiler.h"
#include "debug.h"
#include "error_private.h"
#include "bits.h"
#define MEM_32bits() 0
#define MEM_64bits() 1
#define MEM_readLEST MEM_readLE64
#define MEM_writeLEST MEM_writeLE64
#define size_t U64
#include "bitstream.h"
#undef size_t
