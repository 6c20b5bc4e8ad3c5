// GCC before 12.4 and 13.3 believes that _tile_loadconfig reads 8 bytes instead of 64 and drops what is written
// to the others (its bug 114098): llama.cpp, which multiplies with AMX where it can, then ends with an illegal
// instruction.

#pragma once

#if defined(__AMX_TILE__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>

static inline void load_tile_config(const void * config) {
    __asm__ volatile("ldtilecfg\t%X0" ::"m"(*(const char(*)[64]) config));
}

#define _tile_loadconfig load_tile_config
#endif
