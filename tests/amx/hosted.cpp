// Runs tile_check.cpp as a program of Linux: on a processor with AMX, under an emulator
// of user programs, or anywhere for the implementations that need no AMX.

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/amx/bare.h"

void emu_puts(const char* text) { fputs(text, stdout); }
void emu_int(int64_t value) { printf("%lld", static_cast<long long>(value)); }

int main() {
#ifdef CHECK_NEEDS_TILES
  if (syscall(SYS_arch_prctl, 0x1023, 18) != 0) {
    printf("no AMX: permission refused (%m)\n");
    return 77;
  }
#endif
  return emu_main();
}
