#pragma once

// What tile_check.cpp needs around it. Without an operating system an emulator's runtime
// supplies these (and memcpy, memset) and calls emu_main; hosted.cpp does it on Linux.

#include <stdint.h>

extern "C" {
int emu_main(void);                // 0: nothing was found wrong
void emu_puts(const char* text);
void emu_int(int64_t value);
}
