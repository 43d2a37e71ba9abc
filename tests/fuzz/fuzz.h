/*
 * A fuzz target: one function that takes any bytes and must neither crash nor
 * break what it promises.  With clang -fsanitize=fuzzer it is a libFuzzer
 * target; with replay_main.c it is a program that replays its corpus.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The name of its folder in tests/fuzz/corpus. */
extern const char fuzz_name[];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
